/**
 * What the clients of a recorded run asked for, and what a data folder must hold when some of it had reached the
 * server and some had been acknowledged. Each database is made and deleted by one client and each document written by
 * one, one request at a time: so at most one request of each is in doubt.
 */
import type { StoredDatabase } from '../../src/database/database.ts'

/** What had happened at some moment: numbers of requests. */
export interface Progress {
  readonly begun: ReadonlySet<number>
  readonly acknowledged: ReadonlySet<number>
}

interface DocumentWrite {
  readonly number: number
  /** Which of the databases of that name, from 1. */
  readonly incarnation: number
  /** Undefined for a deletion. */
  readonly body: string | undefined
  /** Bytes of the attachment `file`; undefined where there is none. */
  readonly attachment: Buffer | undefined
}

interface RecordedDatabase {
  /** Numbers of the creations and deletions, in turn. */
  readonly lives: number[]
  readonly documents: Map<string, DocumentWrite[]>
}

export class RecordedRequests {
  readonly #databases = new Map<string, RecordedDatabase>()
  /** Uuid of each incarnation that was seen. */
  readonly #uuids = new Map<string, string>()
  #numbers = 0

  nextNumber(): number {
    return ++this.#numbers
  }

  get names(): Iterable<string> {
    return this.#databases.keys()
  }

  /** How many of a database's requests had begun and been acknowledged: the same for the same expectation. */
  progressOf(name: string, { begun, acknowledged }: Progress): string {
    const known = this.#databases.get(name)
    if (known === undefined) return ''
    const numbers = new Set([
      ...known.lives,
      ...[...known.documents.values()].flatMap((writes) => writes.map(({ number }) => number)),
    ])
    let [started, done] = [0, 0]
    for (const number of numbers) {
      if (begun.has(number)) started += 1
      if (acknowledged.has(number)) done += 1
    }
    return `${started} ${done}`
  }

  #database(name: string): RecordedDatabase {
    const known = this.#databases.get(name) ?? { lives: [], documents: new Map() }
    this.#databases.set(name, known)
    return known
  }

  /** A creation, or a deletion: they take turns. */
  changesExistence(name: string, number: number): void {
    this.#database(name).lives.push(number)
  }

  writes(name: string, id: string, write: Omit<DocumentWrite, 'incarnation'>): void {
    const { lives, documents } = this.#database(name)
    const incarnation = (lives.length + 1) / 2
    const all = documents.get(id) ?? []
    all.push({ ...write, incarnation })
    documents.set(id, all)
  }

  /**
   * Checks a database, undefined where there is none. Returns the number of its life, 0 for none; throws for what
   * may not be.
   */
  async check(name: string, database: StoredDatabase | undefined, progress: Progress): Promise<void> {
    const known = this.#databases.get(name)
    if (known === undefined) {
      // The server makes those by itself when it starts: that they can be opened is all that is said of them.
      if (name.startsWith('_')) return
      throw new Error(`the database ${name} was never made`)
    }
    const certain = known.lives.filter((number) => progress.acknowledged.has(number)).length
    const possible = known.lives.filter((number) => progress.begun.has(number)).length
    const lives = Array.from({ length: possible - certain + 1 }, (_, index) => certain + index)
    const living = lives.find((count) => count % 2 === 1)
    if (database === undefined) {
      if (lives.every((count) => count % 2 === 1)) throw new Error(`the database ${name} is gone`)
      return
    }
    if (living === undefined) throw new Error(`the database ${name} is back though it was deleted`)
    const incarnation = (living + 1) / 2
    this.#checkUuid(name, incarnation, database.uuid)
    try {
      await checkDocuments(database, known.documents, incarnation, progress)
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error })
    }
  }

  #checkUuid(name: string, incarnation: number, uuid: string): void {
    const key = `${name} ${incarnation}`
    const known = this.#uuids.get(key)
    if (known === uuid) return
    if (known !== undefined) throw new Error(`the uuid of ${name} became ${uuid}`)
    for (const [other, its] of this.#uuids) {
      if (its === uuid) throw new Error(`${key} has the uuid of ${other}`)
    }
    this.#uuids.set(key, uuid)
  }
}

async function checkDocuments(
  database: StoredDatabase,
  documents: ReadonlyMap<string, readonly DocumentWrite[]>,
  incarnation: number,
  progress: Progress,
): Promise<void> {
  /** Of each request that is in doubt whether it was done: all its documents must say the same. */
  const done = new Map<number, boolean>()
  const listed = new Map([...database.allDocs().rows].map((row) => [row.id, row]))
  const changed = new Map([...database.changes().rows].map((row) => [row.id, row]))
  let known = 0
  for (const [id, all] of documents) {
    const writes = all.filter(
      (write) => write.incarnation === incarnation && progress.begun.has(write.number),
    )
    const certain = writes.findLast(({ number }) => progress.acknowledged.has(number))
    const doubted = writes.find((write) => write.number > (certain?.number ?? 0))
    const change = changed.get(id)
    const found =
      change === undefined ? undefined : Number((JSON.parse(bodyOf(database, id, change.revs[0]!)) as Body).n)
    if (found !== undefined) known += 1
    if (doubted !== undefined) {
      const isDone = found === doubted.number
      if ((done.get(doubted.number) ?? isDone) !== isDone)
        throw new Error(`${id}: half of a request is there`)
      done.set(doubted.number, isDone)
    }
    const shown = [certain, doubted].find((write) => write?.number === found)
    if (shown === undefined && !(found === undefined && certain === undefined)) {
      throw new Error(`${id} is of request ${found}, not ${certain?.number} or ${doubted?.number}`)
    }
    if (shown === undefined) continue
    if (listed.has(id) !== (shown.body !== undefined) || change!.deleted !== (shown.body === undefined)) {
      throw new Error(`${id} is deleted by half`)
    }
    await checkDocument(database, id, change!.revs[0]!, shown)
  }
  if (known !== changed.size) throw new Error(`there are ${changed.size - known} documents that nobody wrote`)
  const info = database.info()
  if (info.docCount !== listed.size || info.docCount + info.docDelCount !== changed.size) {
    throw new Error(`it counts ${info.docCount} and ${info.docDelCount} documents`)
  }
}

interface Body {
  n: number
}

function bodyOf(database: StoredDatabase, id: string, rev: string): string {
  return database.get(id, { rev }).body().toString()
}

async function checkDocument(
  database: StoredDatabase,
  id: string,
  rev: string,
  { number, body, attachment }: DocumentWrite,
): Promise<void> {
  const view = database.get(id, { rev })
  const wanted = body ?? JSON.stringify({ n: number })
  if (view.body().toString() !== wanted) throw new Error(`${id} is ${view.body().toString().slice(0, 99)}`)
  const attachments = view.attachments()
  if (attachments.length !== (attachment === undefined ? 0 : 1)) {
    throw new Error(`${id} has ${attachments.length} attachments`)
  }
  for (const one of attachments) {
    const pieces: Uint8Array[] = []
    for await (const piece of one.plainBytes()) pieces.push(piece)
    if (!Buffer.concat(pieces).equals(attachment!)) throw new Error(`${id}: the attachment has other bytes`)
  }
}
