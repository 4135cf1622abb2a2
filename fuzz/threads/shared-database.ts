/** A database that many clients write and read: its documents, and what its listings may show. */
import { DocumentHistory, type Floor } from './history.ts'

interface Members {
  readonly _rev: string
  readonly value?: string
}

export interface Info {
  readonly doc_count: number
  readonly doc_del_count: number
  readonly update_seq: string
}

export interface ListedRow {
  readonly key: string
  readonly id?: string
  readonly value?: { readonly rev: string; readonly deleted?: boolean }
  readonly doc?: Members | null
  readonly error?: string
}

export interface ChangeRow {
  readonly seq: string
  readonly id: string
  readonly changes: readonly { readonly rev: string }[]
  readonly deleted?: boolean
  readonly doc?: Members
}

export type Floors = ReadonlyMap<string, Floor>

export class SharedDatabase {
  readonly name: string
  readonly documents: ReadonlyMap<string, DocumentHistory>
  /** Shown since nothing is written any more. */
  #restingSeq: string | undefined

  constructor(name: string, count: number) {
    this.name = name
    const ids = Array.from({ length: count }, (_, at) => `doc${at}`)
    this.documents = new Map(ids.map((id) => [id, new DocumentHistory(`${name}/${id}`)]))
  }

  document(id: string): DocumentHistory {
    const found = this.documents.get(id)
    if (found === undefined) throw new Error(`${this.name} shows ${id}, which nobody made`)
    return found
  }

  floors(): Floors {
    return new Map([...this.documents].map(([id, { floor }]) => [id, floor]))
  }

  get live(): number {
    return this.#count(({ generation, deleted }) => generation > 0 && !deleted)
  }

  get deleted(): number {
    return this.#count(({ generation, deleted }) => generation > 0 && deleted)
  }

  #count(is: (floor: Floor) => boolean): number {
    return [...this.documents.values()].filter(({ floor }) => is(floor)).length
  }

  /** Writes begin again. */
  endRest(): void {
    this.#restingSeq = undefined
  }

  /** While nothing is written counts are exact, and the update sequence is one. */
  observeResting({ doc_count: live, doc_del_count: deleted, update_seq: seq }: Info): void {
    if (live !== this.live || deleted !== this.deleted)
      throw new Error(
        `${this.name} counts ${live} and ${deleted} deleted, not ${this.live} and ${this.deleted}`,
      )
    this.#restingSeq ??= seq
    if (seq !== this.#restingSeq) throw new Error(`${this.name} is at ${seq} and at ${this.#restingSeq}`)
  }

  /** Rows of `_all_docs`: of all documents, or of those asked for by `keys`. */
  observeListing(floors: Floors, rows: readonly ListedRow[], where: string, keys?: readonly string[]): void {
    const seen = new Set<string>()
    let last = ''
    for (const { key, value, doc } of rows) {
      if (keys === undefined && key < last) throw new Error(`${where} lists ${key} after ${last}`)
      last = key
      if (doc && doc._rev !== value?.rev)
        throw new Error(`${where} shows ${key} at ${value?.rev}, with the body of ${doc._rev}`)
      const history = this.document(key)
      const floor = floors.get(key)!
      if (seen.has(key)) throw new Error(`${where} lists ${key} twice`)
      seen.add(key)
      if (value === undefined) history.observeAbsent(floor, where)
      else
        history.observe(floor, { rev: value.rev, deleted: value.deleted === true, value: doc?.value }, where)
    }
    for (const [id, floor] of floors) {
      if (seen.has(id)) continue
      if (keys === undefined) this.document(id).observeAbsent(floor, where)
      else if (keys.includes(id)) throw new Error(`${where} left ${id} out`)
    }
  }
}

/** What one reader of `_changes` has been told, from the beginning, over however many requests. */
export class ChangesView {
  readonly #database: SharedDatabase
  readonly #generations = new Map<string, number>()
  #number = 0
  /** Where the next request goes on. */
  since = '0'
  rows = 0

  constructor(database: SharedDatabase) {
    this.#database = database
  }

  take({ seq, id, changes, deleted = false, doc }: ChangeRow, where: string): void {
    const number = Number.parseInt(seq, 10)
    if (number <= this.#number) throw new Error(`${where}: ${seq} of ${id} comes after ${this.since}`)
    const { rev } = changes[0]!
    const before = this.#generations.get(id) ?? 0
    const history = this.#database.document(id)
    // A feed may lag; what it shows once must be newer than what it showed before.
    history.observe(
      { generation: before + 1, rev: `${before} or later`, deleted: false },
      { rev, deleted, value: doc?.value },
      where,
    )
    this.#generations.set(id, Number.parseInt(rev, 10))
    this.#number = number
    this.since = seq
    this.rows += 1
  }

  /** The answer's end; nothing between there and the last row is left. */
  reach(seq: string, where: string): void {
    const number = Number.parseInt(seq, 10)
    if (number < this.#number) throw new Error(`${where}: it ends at ${seq}, after ${this.since}`)
    this.#number = number
    this.since = seq
  }

  /** The first document of which less was told than was known. */
  gap(floors: Floors): string | undefined {
    for (const [id, { generation, rev }] of floors) {
      const told = this.#generations.get(id) ?? 0
      if (told < generation)
        return `${id} was told of up to generation ${told}, not ${rev} (at ${this.since})`
    }
    return undefined
  }

  requireWhole(floors: Floors, where: string): void {
    const gap = this.gap(floors)
    if (gap !== undefined) throw new Error(`${where}: ${gap}`)
  }
}
