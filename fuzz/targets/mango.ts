/**
 * Queries of Mango beside the same selector, said plainly, held against all documents: over edits, deletions, purges,
 * compactions, ends of the thread that builds, and restarts between which files of indexes are cut or damaged. Indexes are of
 * several fields, of both directions, some partial, and come and go.
 * Invariants:
 * - Whatever plan answers, the documents are those that the selector means; of a sort those that have its fields, in its order;
 *   of a partial index that was named those that its filter means.
 * - Pages by bookmarks, and what is skipped, are parts of the same answer; so are counts and figures.
 */
import { jsonOf, type KeyValue, plainCollated } from '../../test/support/arbitrary-keys.ts'
import type { Reply } from '../../test/support/http-request.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import {
  arbitraryContent,
  arbitrarySelector,
  arbitraryValue,
  type Content,
  FIELDS,
  fieldValue,
  isMeant,
  type ModelSelector,
  selectorText,
} from '../mango/selector-model.ts'
import type { Script } from '../script.ts'
import type { Target } from '../target.ts'
import { IndexedServer } from '../views/indexed-server.ts'

const MOST_INDEXES = 8
const ALL = 100_000
/** So many documents that an index of them is loaded as a whole. */
const MANY = 4100
const TOP_FIELDS = ['a', 'b', 'c']

interface ModelIndex {
  readonly fields: readonly string[]
  readonly filter: ModelSelector | undefined
}

interface ModelDocument {
  readonly id: string
  readonly content: Content
  readonly rev: string
}

interface Query {
  readonly selector: ModelSelector
  /** Members of the request beside the selector: JSON. */
  readonly members: readonly string[]
  readonly sort: readonly string[]
  readonly isDescending: boolean
}

interface Found {
  docs?: Record<string, unknown>[]
  bookmark?: string
  warning?: string
  count?: number
  groups?: Record<string, unknown>[]
  error?: string
}

class MangoLives {
  readonly #server: IndexedServer
  readonly #coverage: Coverage
  readonly #documents = new Map<string, ModelDocument>()
  readonly #indexes = new Map<string, ModelIndex>()
  #random!: Random
  #made = 0
  #hasMany = false

  private constructor(server: IndexedServer, coverage: Coverage) {
    this.#server = server
    this.#coverage = coverage
  }

  static async play(script: Script): Promise<void> {
    const server = await IndexedServer.start(script.coverage)
    const lives = new MangoLives(server, script.coverage)
    try {
      for (const random of script.events()) {
        lives.#random = random
        await lives.#event(random.int(100))
      }
    } finally {
      await server.stop()
    }
  }

  async #event(kind: number): Promise<void> {
    if (kind < 24) await this.#write(this.#random.pick([1, 3, 40]))
    else if (kind < 25) await this.#writeMany()
    else if (kind < 28) await this.#purge()
    else if (kind < 38) await this.#makeIndex()
    else if (kind < 40) await this.#dropIndex()
    else if (kind < 43) await this.#server.compact(this.#random.pick([undefined, ...this.#indexes.keys()]))
    else if (kind < 45) await this.#server.endThread()
    else if (kind < 47) await this.#server.restart(this.#random)
    else if (kind < 80) await this.#find()
    else if (kind < 90) await this.#count()
    else await this.#figures()
  }

  async #writeMany(): Promise<void> {
    if (this.#hasMany) return
    this.#hasMany = true
    await this.#write(MANY)
    this.#coverage.count('many')
  }

  async #write(count: number): Promise<void> {
    const random = this.#random
    const writes = new Map<string, Content | undefined>()
    const known = [...this.#documents.keys()]
    for (let i = count; i > 0; i--) {
      const id =
        known.length > 0 && random.bool(0.4)
          ? random.pick(known)
          : `${random.pick(['d', 'é', 'D'])}${random.int(ALL)}`
      writes.set(id, this.#documents.has(id) && random.bool(0.3) ? undefined : arbitraryContent(random))
    }
    const texts = [...writes].map(([id, content]) => {
      const rev = this.#documents.get(id)?.rev
      const head = `"_id":${JSON.stringify(id)}${rev === undefined ? '' : `,"_rev":"${rev}"`}`
      if (content === undefined) return `{${head},"_deleted":true}`
      return `{${[head, ...[...content].map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`)].join(',')}}`
    })
    const revs = await this.#server.write(texts)
    for (const [at, [id, content]] of [...writes].entries()) {
      if (content === undefined) this.#documents.delete(id)
      else this.#documents.set(id, { id, content, rev: revs[at]! })
    }
  }

  async #purge(): Promise<void> {
    const document = this.#documents.get(this.#random.pick([...this.#documents.keys(), '']))
    if (document === undefined) return
    await this.#server.purge(document.id, document.rev)
    this.#documents.delete(document.id)
  }

  async #makeIndex(): Promise<void> {
    const random = this.#random
    if (this.#indexes.size >= MOST_INDEXES) return
    const fields = [
      ...new Set(Array.from({ length: 1 + random.int(3) }, () => random.pick([...FIELDS, '_id']))),
    ]
    const filter = random.bool(0.4) ? arbitrarySelector(random, 1) : undefined
    const direction = random.pick(['asc', 'desc'])
    this.#made += 1
    const name = `i${this.#made}`
    const partial = filter === undefined ? '' : `,"partial_filter_selector":${selectorText(filter)}`
    const listed = fields.map((field) => `{${JSON.stringify(field)}:"${direction}"}`)
    const body = `{"ddoc":"${name}","name":"${name}","index":{"fields":[${listed.join(',')}]${partial}}}`
    await this.#ask('_index', body)
    this.#indexes.set(name, { fields, filter })
  }

  async #dropIndex(): Promise<void> {
    const name = this.#random.pick([...this.#indexes.keys(), ''])
    if (!this.#indexes.delete(name)) return
    await this.#server.ask(`DELETE /db/_index/${name}/json/${name}`)
    await this.#server.ask('POST /db/_view_cleanup', {})
  }

  #ask(path: string, body: string): Promise<Reply> {
    return this.#server.askAgain(`POST /db/${path}`, {
      body,
      headers: { 'content-type': 'application/json' },
    })
  }

  /** Often one that an index serves, or one index each alternative. */
  #anySelector(): ModelSelector {
    const random = this.#random
    const any = arbitrarySelector(random)
    const kind = random.int(10)
    if (kind < 5) return any
    if (kind > 6) return { kind: '$or', parts: [this.#servedSelector(), this.#servedSelector()] }
    return { kind: '$and', parts: [this.#servedSelector(), any] }
  }

  /** By a range of each field of an index. */
  #servedSelector(): ModelSelector {
    const random = this.#random
    const { fields } = random.pick([...this.#indexes.values(), { fields: ['a'] }])
    const parts = fields
      .filter((field) => field !== '_id')
      .map((field): ModelSelector => {
        const operator = random.pick(['$eq', '$eq', '$gt', '$gte', '$lt', '$lte'])
        return { kind: 'field', field, operator, argument: arbitraryValue(random) }
      })
    return parts.length === 0 ? arbitrarySelector(random, 0) : { kind: '$and', parts }
  }

  #anyQuery(): Query {
    const random = this.#random
    const selector = this.#anySelector()
    const members: string[] = []
    let sort: readonly string[] = []
    const isDescending = random.bool()
    const isPlain = random.bool(0.4)
    if (!isPlain && random.bool(0.4)) {
      sort = random.pick([...[...this.#indexes.values()].map(({ fields }) => fields), [random.pick(FIELDS)]])
      const direction = isDescending ? 'desc' : 'asc'
      const listed = sort.map((field) => `{${JSON.stringify(field)}:"${direction}"}`)
      members.push(`"sort":[${listed.join(',')}]`)
    }
    if (!isPlain && random.bool())
      members.push(`"use_index":"${random.pick([...this.#indexes.keys(), 'nothing'])}"`)
    if (random.bool(0.3)) members.push(`"fields":["_id",${random.pick(['"a"', '"b","a"', '"c","a","b"'])}]`)
    return { selector, members, sort, isDescending }
  }

  /** Whether what follows is to be compared: a sort may have no index. */
  async #answer(query: Query, ...more: string[]): Promise<Found> {
    const body = bodyOf(query, more)
    const { status, text, json } = await this.#ask('_find', body)
    const found = json as Found
    if (status === 200 || found.error === 'no_usable_index') return found
    throw new Error(`${body}: ${status} ${text}`)
  }

  /** What the model says, in no order, of the plan that is chosen. */
  async #expected(query: Query): Promise<ModelDocument[]> {
    const { json } = await this.#ask('_explain', bodyOf(query, []))
    const { ddoc } = (json as { index: { ddoc: string | null } }).index
    const index = ddoc === null ? undefined : this.#indexes.get(ddoc.slice('_design/'.length))
    this.#coverage.count(index === undefined ? 'scanned' : 'indexed')
    if (index?.filter !== undefined) this.#coverage.count('partial')
    if (index === undefined && (json as { branches?: unknown }).branches !== undefined)
      this.#coverage.count('branches')
    return [...this.#documents.values()].filter(
      ({ content }) =>
        isMeant(query.selector, content) &&
        (index?.filter === undefined || isMeant(index.filter, content)) &&
        query.sort.every((field) => field === '_id' || fieldValue(content, field) !== undefined),
    )
  }

  async #find(): Promise<void> {
    const query = this.#anyQuery()
    const all = await this.#answer(query, `"limit":${ALL}`)
    if (all.docs === undefined) {
      this.#coverage.count('no index for a sort')
      return
    }
    const ids = all.docs.map(({ _id }) => _id as string)
    const expected = await this.#expected(query)
    this.#same(query, [...ids].sort(), expected.map(({ id }) => id).sort())
    this.#coverage.count('found', ids.length)
    this.#checkContents(query, all.docs)
    if (query.sort.length > 0) this.#checkOrder(query, ids)
    await this.#checkPages(query, ids)
  }

  #checkContents(query: Query, docs: readonly Record<string, unknown>[]): void {
    const isPart = query.members.some((member) => member.startsWith('"fields"'))
    const names = isPart
      ? TOP_FIELDS.filter((name) =>
          query.members.some((each) => each.includes(`"${name}"`) && each.startsWith('"fields"')),
        )
      : [...TOP_FIELDS, 'd', 'e', 'é']
    for (const doc of docs) {
      const { content } = this.#documents.get(doc['_id'] as string)!
      const wanted = names.flatMap((name) => {
        const value = content.get(name)
        return value === undefined ? [] : [[name, JSON.parse(jsonOf(value))] as const]
      })
      const shown = Object.entries(doc).filter(([name]) => !name.startsWith('_'))
      this.#same(query, sortedEntries(shown), sortedEntries(wanted))
    }
  }

  #checkOrder(query: Query, ids: readonly string[]): void {
    const turn = query.isDescending ? -1 : 1
    for (let at = 1; at < ids.length; at++) {
      const order = query.sort
        .map(
          (field) => plainCollated(this.#valueOf(ids[at - 1]!, field), this.#valueOf(ids[at]!, field)) * turn,
        )
        .find((each) => each !== 0)
      if ((order ?? 0) > 0) throw new Error(`${bodyOf(query, [])}: ${ids[at - 1]} before ${ids[at]}`)
    }
  }

  #valueOf(id: string, field: string): KeyValue {
    return field === '_id' ? id : fieldValue(this.#documents.get(id)!.content, field)!
  }

  async #checkPages(query: Query, ids: readonly string[]): Promise<void> {
    const random = this.#random
    if (ids.length > 500) return
    const skip = random.int(ids.length + 2)
    const limit = random.int(10)
    const part = await this.#answer(query, `"skip":${skip}`, `"limit":${limit}`)
    this.#same(query, idsOf(part), ids.slice(skip, skip + limit))
    const size = 1 + random.int(Math.max(5, ids.length))
    const paged: string[] = []
    for (let bookmark = 'nil'; ; ) {
      const page = await this.#answer(query, `"limit":${size}`, `"bookmark":"${bookmark}"`)
      paged.push(...idsOf(page))
      if (page.docs!.length < size || paged.length > ids.length) break
      bookmark = page.bookmark!
    }
    this.#same(query, paged, ids)
    this.#coverage.count('pages')
  }

  async #count(): Promise<void> {
    const query = withoutSort(this.#anyQuery())
    const { count } = await this.#answer(query, '"count":true')
    const expected = await this.#expected(query)
    this.#same(query, count, expected.length)
    this.#coverage.count('counts')
  }

  async #figures(): Promise<void> {
    const random = this.#random
    const query = withoutSort(this.#anyQuery())
    const [group, figure] = [random.pick(FIELDS), random.pick(FIELDS)]
    const field = JSON.stringify(figure)
    const aggregate = `{"$group":[${JSON.stringify(group)}],"n":{"$count":true},"there":{"$count":${field}},"sum":{"$sum":${field}},"least":{"$min":${field}}}`
    const { groups } = await this.#answer(query, `"aggregate":${aggregate}`)
    const wanted = figuresOf(await this.#expected(query), group, figure)
    const found = groups!.map(({ n, there, sum, least }) => JSON.stringify([n, there, sum, least]))
    this.#same(query, found.sort(), wanted.sort())
    this.#coverage.count('figures')
  }

  #same(query: Query, found: unknown, wanted: unknown): void {
    const texts = [found, wanted].map((each) => JSON.stringify(each))
    if (texts[0] === texts[1]) return
    const shown = texts.map((each) => String(each).slice(0, 2000))
    throw new Error(`${bodyOf(query, [])}\nfound  ${shown[0]}\nwanted ${shown[1]}`)
  }
}

function bodyOf({ selector, members }: Query, more: readonly string[]): string {
  return `{${[`"selector":${selectorText(selector)}`, ...members, ...more].join(',')}}`
}

function withoutSort({ selector, members }: Query): Query {
  const others = members.filter((member) => member.startsWith('"use_index"'))
  return { selector, members: others, sort: [], isDescending: false }
}

function idsOf({ docs }: Found): string[] {
  return docs!.map(({ _id }) => _id as string)
}

function sortedEntries(entries: readonly (readonly [string, unknown])[]): unknown[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The figures of each group: groups are of equal texts. */
function figuresOf(documents: readonly ModelDocument[], group: string, field: string): string[] {
  const groups = new Map<string, ModelDocument[]>()
  for (const document of documents) {
    const value = fieldValue(document.content, group)
    const text = value === undefined ? '' : jsonOf(value)
    groups.set(text, [...(groups.get(text) ?? []), document])
  }
  return [...groups.values()].map((members) => {
    const values = members
      .map(({ content }) => fieldValue(content, field))
      .filter((value): value is KeyValue => value !== undefined)
    const sum = values.reduce<number>((all, each) => (typeof each === 'number' ? all + each : all), 0)
    const least = values.reduce<KeyValue | undefined>(
      (before, each) => (before === undefined || plainCollated(each, before) < 0 ? each : before),
      undefined,
    )
    return JSON.stringify([
      members.length,
      values.length,
      sum,
      least === undefined ? null : JSON.parse(jsonOf(least)),
    ])
  })
}

export const mango: Target = {
  name: 'mango',
  summary:
    'queries of Mango by any plan beside the selector held against all documents, files cut and damaged',
  caseEvents: 60,
  smokeEvents: 100,
  rarePaths: [
    'indexed',
    'scanned',
    'found',
    'pages',
    'counts',
    'figures',
    'purges',
    'compactions',
    'restarts',
  ],
  repeats: false,
  hangMs: 120_000,
  open: async () => ({ play: MangoLives.play, close: async () => {} }),
}
