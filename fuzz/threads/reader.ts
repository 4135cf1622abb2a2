/** Reads everything that can be read, on any of its connections, and compares it with what was known when the read began. */
import type { Random } from '../../test/support/random.ts'
import type { CycledDatabase } from './cycled-database.ts'
import { ATTACHMENT, contentOf, foundInRow, numberOfContent } from './document-writer.ts'
import { Caller, type Life } from './life.ts'
import type { Found, NumberedDatabase, Version } from './numbered.ts'
import { CONTENDED, type Local, numberOfSecurity, type Security } from './setting-writer.ts'

interface Members {
  _rev: string
  number?: number
}

interface DocRow {
  id: string
  value: { rev: string; deleted?: boolean }
  doc?: { number?: number; _rev: string } | null
}

export interface ChangeRow {
  id: string
  seq: string
  deleted?: boolean
  changes: { rev: string }[]
  doc?: { number?: number; _rev: string; _deleted?: boolean }
}

interface Info {
  doc_count: number
  doc_del_count: number
  update_seq: string
}

export function numberOfSeq(seq: string): number {
  return Number.parseInt(seq, 10)
}

/** What a row of changes says of its document, `problem` where it contradicts itself. */
export function foundInChange({ changes, doc, deleted }: ChangeRow): Found {
  const { rev } = changes[0]!
  // The document comes as it is when the row is sent: a number of a later revision belongs to that one.
  return { rev, number: doc?._rev === rev ? doc.number : undefined, deleted }
}

export class Reader {
  readonly #databases: readonly NumberedDatabase[]
  readonly #cycled: readonly CycledDatabase[]
  readonly #random: Random

  constructor(databases: readonly NumberedDatabase[], cycled: readonly CycledDatabase[], random: Random) {
    this.#databases = databases
    this.#cycled = cycled
    this.#random = random
  }

  async run(life: Life): Promise<void> {
    const caller = new Caller(life, this.#random)
    try {
      while (life.goesOn) await this.#step(caller)
    } finally {
      caller.close()
    }
  }

  #step(caller: Caller): Promise<void> {
    const random = this.#random
    const database = random.pick(this.#databases)
    const draw = random.float()
    if (draw < 0.5) return readDocument(caller, database, random.pick([...database.documents.keys()]))
    if (draw < 0.6) return readListing(caller, database)
    if (draw < 0.7) return readChanges(caller, database)
    if (draw < 0.8) return readLocals(caller, database, random)
    if (draw < 0.85) return readSecurity(caller, database)
    if (draw < 0.93) return readMembers(caller, database)
    return random.pick(this.#cycled).read(caller)
  }
}

async function readDocument(caller: Caller, database: NumberedDatabase, id: string): Promise<void> {
  const document = database.documents.get(id)!
  const before = document.floor
  const isAttached = document.kind === 'attached'
  const path = `/${database.name}/${id}${isAttached && before.generation % 2 === 0 ? `/${ATTACHMENT}` : ''}`
  const reply = await caller.send('GET', path)
  if (reply === undefined) return
  const { status, bytes } = reply
  if (status !== 200) {
    const problem = status === 404 ? document.absent(before) : `${status} ${bytes}`
    caller.life.check(path, problem)
    return
  }
  if (path.endsWith(ATTACHMENT)) {
    const number = numberOfContent(bytes)
    caller.life.check(path, document.attached(before, number))
    if (!bytes.equals(contentOf(number))) caller.life.fault(`${path}: other bytes than those of ${number}`)
    return
  }
  const { _rev: rev, number } = JSON.parse(String(bytes)) as Members
  caller.life.check(path, document.seen(before, { rev, number }))
}

async function readListing(caller: Caller, database: NumberedDatabase): Promise<void> {
  const before = database.floors()
  const path = `/${database.name}/_all_docs?include_docs=true`
  const answer = await caller.json<{ rows: DocRow[] }>('GET', path)
  if (answer === undefined) return
  let previous = ''
  for (const row of answer.rows) {
    if (row.id <= previous) caller.life.fault(`${path}: ${row.id} after ${previous}`)
    previous = row.id
    if (row.doc?._rev !== row.value.rev)
      caller.life.fault(`${path}: row and document differ: ${JSON.stringify(row)}`)
    checkFound(caller, database, before, path, row.id, foundInRow(row)!)
  }
  checkAbsent(caller, database, before, path)
}

async function readChanges(caller: Caller, database: NumberedDatabase): Promise<void> {
  const before = database.floors()
  const path = `/${database.name}/_changes?include_docs=true`
  const answer = await caller.json<{ results: ChangeRow[]; last_seq: string }>('GET', path)
  if (answer === undefined) return
  let previous = 0
  for (const row of answer.results) {
    const seq = numberOfSeq(row.seq)
    if (seq <= previous) caller.life.fault(`${path}: ${row.seq} after ${previous}`)
    previous = seq
    checkFound(caller, database, before, path, row.id, foundInChange(row))
  }
  checkAbsent(caller, database, before, path)
}

/** Takes the document out of `before`. */
function checkFound(
  caller: Caller,
  database: NumberedDatabase,
  before: Map<string, Version>,
  path: string,
  id: string,
  found: Found,
): void {
  const document = database.documents.get(id)
  if (document === undefined) return
  const floor = before.get(id)
  if (floor === undefined) {
    caller.life.fault(`${path}: ${id} is there twice`)
    return
  }
  before.delete(id)
  caller.life.check(`${path}: ${id}`, document.seen(floor, found))
}

function checkAbsent(
  caller: Caller,
  database: NumberedDatabase,
  before: ReadonlyMap<string, Version>,
  path: string,
): void {
  for (const [id, floor] of before) {
    caller.life.check(`${path}: ${id}`, database.documents.get(id)!.absent(floor))
  }
}

async function readLocals(caller: Caller, database: NumberedDatabase, random: Random): Promise<void> {
  const [name, register] = random.pick([...database.locals])
  const before = register.floor
  const path = `/${database.name}/_local/${name}`
  const reply = await caller.send('GET', path)
  if (reply === undefined) return
  const { number = 0 } = JSON.parse(String(reply.bytes)) as Partial<Local>
  caller.life.check(path, register.seen(before, number))
}

async function readSecurity(caller: Caller, { name, security }: NumberedDatabase): Promise<void> {
  const before = security.floor
  const answer = await caller.json<Security>('GET', `/${name}/_security`)
  if (answer === undefined) return
  caller.life.check(`/${name}/_security`, security.seen(before, numberOfSecurity(answer)))
}

async function readMembers(caller: Caller, { name, members }: NumberedDatabase): Promise<void> {
  const before = new Map([...members].map(([member, { floor }]) => [member, floor]))
  const path = `/${name}/${CONTENDED}`
  const document = await caller.json<Record<string, number>>('GET', path)
  if (document === undefined) return
  for (const [member, register] of members) {
    caller.life.check(`${path}: ${member}`, register.seen(before.get(member)!, document[member] ?? 0))
  }
}

/** While nobody writes: everything as it was last acknowledged, on several connections, and counts that say just that. */
export async function readAtRest(
  life: Life,
  databases: readonly NumberedDatabase[],
  random: Random,
): Promise<void> {
  const caller = new Caller(life, random, 6)
  for (const database of databases) {
    for (const id of database.documents.keys()) await readDocument(caller, database, id)
    for (let round = 0; round < 3; round++) {
      await readListing(caller, database)
      await readChanges(caller, database)
      await readSecurity(caller, database)
      await readMembers(caller, database)
      for (let i = 0; i < database.locals.size; i++) await readLocals(caller, database, random)
    }
    await readInfos(caller, database)
  }
  caller.close()
  life.coverage.count('readAtRest')
}

async function readInfos(caller: Caller, { name, documents }: NumberedDatabase): Promise<void> {
  const versions = [...documents.values()].map(({ floor }) => floor)
  // The contended document is one more.
  const live = versions.filter(({ deleted }) => !deleted).length + 1
  const dead = versions.filter(({ deleted, generation }) => deleted && generation > 0).length
  let first: string | undefined
  for (let round = 0; round < 6; round++) {
    const info = await caller.json<Info>('GET', `/${name}`)
    if (info === undefined) continue
    const { doc_count, doc_del_count, update_seq } = info
    if (doc_count !== live || doc_del_count !== dead) {
      caller.life.fault(`/${name} counts ${doc_count} and ${doc_del_count} deleted, not ${live} and ${dead}`)
    }
    first ??= update_seq
    if (update_seq !== first)
      caller.life.fault(`/${name} is at ${update_seq} and at ${first}, and nobody writes`)
  }
}
