/**
 * A view of a server beside a plain map and sort of the same documents, over edits, deletions, purges, compactions of the
 * database and of the index, ends of the thread that builds, and restarts between which the index's file is cut or damaged.
 * Invariants:
 * - Rows, groups and counts of any query are those of the model, in its order.
 * - Damage, and the end of a thread, is answered with an error at most, and then with the rows.
 */
import { jsonOf, type KeyValue, plainCollated } from '../../test/support/arbitrary-keys.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import type { Script } from '../script.ts'
import type { Target } from '../target.ts'
import { IndexedServer } from '../views/indexed-server.ts'
import {
  MODEL_VIEW,
  type ModelQuery,
  type ModelRow,
  storableId,
  storableKey,
  ViewModel,
} from '../views/view-model.ts'

const VIEW = '_design/d/_view/v'
const NO_ROWS = /No rows can match/

class ViewLives {
  readonly #server: IndexedServer
  readonly #coverage: Coverage
  readonly #model = new ViewModel()
  readonly #revisions = new Map<string, string>()
  #random!: Random
  #number = 0

  private constructor(server: IndexedServer, coverage: Coverage) {
    this.#server = server
    this.#coverage = coverage
  }

  static async play(script: Script): Promise<void> {
    const server = await IndexedServer.start(script.coverage)
    const lives = new ViewLives(server, script.coverage)
    try {
      await server.ask('PUT /db/_design/d', { views: { v: MODEL_VIEW } })
      for (const random of script.events()) {
        lives.#random = random
        await lives.#event(random.int(100))
      }
    } finally {
      await server.stop()
    }
  }

  async #event(kind: number): Promise<void> {
    if (kind < 30) await this.#write()
    else if (kind < 34) await this.#purge()
    else if (kind < 37) await this.#server.compact(this.#random.bool() ? undefined : 'd')
    else if (kind < 39) await this.#server.endThread()
    else if (kind < 41) await this.#server.restart(this.#random)
    else await this.#query()
  }

  async #write(): Promise<void> {
    const random = this.#random
    const writes = new Map<string, KeyValue[] | undefined>()
    for (let i = random.pick([1, 3, 40]); i > 0; i--) {
      const known = this.#model.ids
      const id = known.length > 0 && random.bool(0.4) ? random.pick(known) : storableId(random)
      const isDeleted = this.#revisions.has(id) && random.bool(0.3)
      writes.set(id, isDeleted ? undefined : this.#keys())
    }
    const docs = [...writes].map(([id, keys]) => {
      const rev = this.#revisions.get(id)
      const members = [`"_id":${JSON.stringify(id)}`, ...(rev === undefined ? [] : [`"_rev":"${rev}"`])]
      this.#number += 1
      if (keys === undefined) members.push('"_deleted":true')
      else members.push(`"n":${this.#number},"keys":[${keys.map(jsonOf).join(',')}]`)
      if (keys === undefined) this.#model.delete(id)
      else this.#model.put(id, this.#number, keys)
      return `{${members.join(',')}}`
    })
    const revs = await this.#server.write(docs)
    for (const [index, [id, keys]] of [...writes].entries()) {
      if (keys === undefined) this.#revisions.delete(id)
      else this.#revisions.set(id, revs[index]!)
    }
  }

  /** Those of one document that are equal have one text: which of two unlike ones comes first nobody says. */
  #keys(): KeyValue[] {
    const keys = Array.from({ length: this.#random.int(4) }, () => this.#key())
    const first = (key: KeyValue) => keys.find((other) => plainCollated(other, key) === 0)!
    return keys.filter((key) => jsonOf(first(key)) === jsonOf(key))
  }

  #key(): KeyValue {
    const random = this.#random
    const rows = this.#model.rows()
    return rows.length > 0 && random.bool(0.4) ? random.pick(rows).key : storableKey(random)
  }

  async #purge(): Promise<void> {
    const id = this.#random.pick([...this.#revisions.keys(), 'nothing'])
    const rev = this.#revisions.get(id)
    if (rev === undefined) return
    await this.#server.purge(id, rev)
    this.#model.delete(id)
    this.#revisions.delete(id)
  }

  async #query(): Promise<void> {
    const query = this.#anyQuery()
    const line = `${query.keys === undefined ? 'GET' : 'POST'} /db/${VIEW}?${parameters(query)}`
    const body = query.keys && `{"keys":[${query.keys.map(jsonOf).join(',')}]}`
    const sending = { ...(body !== undefined && { body }), headers: { 'content-type': 'application/json' } }
    const reply = await this.#server.askAgain(line, sending)
    this.#coverage.count('queries')
    const expected = this.#expected(query)
    const isReversed = reply.status === 400 && NO_ROWS.test(reply.text)
    if (isReversed) this.#coverage.count('reversed')
    const rows = isReversed ? [] : (reply.json as { rows?: unknown[] } | undefined)?.rows
    const [found, wanted] = [rows, expected].map((each) => JSON.stringify(each))
    if (found === wanted) {
      if (expected.length > 0)
        this.#coverage.count(query.level === undefined ? 'rows' : 'groups', expected.length)
      return
    }
    const texts = [found ?? reply.text, wanted!].map((each) => each.slice(0, 3000))
    throw new Error(`${line} ${body ?? ''}\nfound  ${texts[0]}\nwanted ${texts[1]}`)
  }

  #anyQuery(): ModelQuery {
    const random = this.#random
    const query: ModelQuery = {
      inclusiveEnd: random.bool(0.7),
      descending: random.bool(),
      skip: random.bool(0.3) ? random.int(20) : 0,
    }
    if (random.bool(0.3)) query.limit = random.int(30)
    const isGrouped = random.bool(0.35)
    if (isGrouped) query.level = random.pick([0, 1, 2, Number.POSITIVE_INFINITY])
    if (random.bool(0.15) && (!isGrouped || query.level === Number.POSITIVE_INFINITY)) {
      return { ...query, inclusiveEnd: true, keys: Array.from({ length: random.int(5) }, () => this.#key()) }
    }
    if (random.bool(0.6)) query.startKey = this.#key()
    if (random.bool(0.6)) query.endKey = random.bool(0.2) ? (query.startKey ?? this.#key()) : this.#key()
    if (isGrouped) return query
    const id = () => random.pick([...this.#model.ids, 'd'])
    if (query.startKey !== undefined && random.bool(0.3)) query.startId = id()
    if (query.endKey !== undefined && random.bool(0.3)) query.endId = id()
    return query
  }

  #expected(query: ModelQuery): unknown[] {
    const { keys, level, skip, limit } = query
    const parts =
      keys === undefined
        ? [this.#model.inRange(query)]
        : keys.map((key) => this.#model.inRange({ ...query, startKey: key, endKey: key }))
    // One range after the other: descending the last one first, groups excepted.
    if (keys !== undefined && query.descending === true && level === undefined) parts.reverse()
    const rows =
      level === undefined
        ? parts.flat().map(({ id, key, value }) => ({ id, key: JSON.parse(jsonOf(key)), value }))
        : parts.flatMap((part, i) => groups(part, level, keys?.[i]))
    return rows.slice(skip, limit === undefined ? undefined : skip + limit)
  }
}

/** `asked`: the one key that all rows have; a group gives it as it was asked for, not as a document has it. */
function groups(rows: readonly ModelRow[], level: number, asked?: KeyValue): unknown[] {
  const found: { key: KeyValue; value: number }[] = []
  for (const { key } of rows) {
    const of = level === 0 ? null : Array.isArray(key) && Number.isFinite(level) ? key.slice(0, level) : key
    const last = found.at(-1)
    if (last !== undefined && plainCollated(last.key, of) === 0) last.value += 1
    else found.push({ key: of, value: 1 })
  }
  return found.map(({ key, value }) => ({ key: JSON.parse(jsonOf(asked ?? key)), value }))
}

function parameters(query: ModelQuery): string {
  const found: Record<string, string> = {
    inclusive_end: String(query.inclusiveEnd),
    descending: String(query.descending),
    skip: String(query.skip),
  }
  if (query.startKey !== undefined) found['startkey'] = jsonOf(query.startKey)
  if (query.endKey !== undefined) found['endkey'] = jsonOf(query.endKey)
  if (query.startId !== undefined) found['startkey_docid'] = query.startId
  if (query.endId !== undefined) found['endkey_docid'] = query.endId
  if (query.limit !== undefined) found['limit'] = String(query.limit)
  if (query.level === undefined) found['reduce'] = 'false'
  else if (query.level === Number.POSITIVE_INFINITY) found['group'] = 'true'
  else if (query.level > 0) found['group_level'] = String(query.level)
  return new URLSearchParams(found).toString()
}

export const views: Target = {
  name: 'views',
  summary: 'a view beside a plain map and sort of the same documents, its file cut and damaged',
  caseEvents: 60,
  smokeEvents: 180,
  rarePaths: [
    'rows',
    'groups',
    'purges',
    'compactions',
    'threadsEnded',
    'restarts',
    'cut',
    'damaged',
    'reversed',
  ],
  repeats: false,
  hangMs: 120_000,
  open: async () => ({ play: ViewLives.play, close: async () => {} }),
}
