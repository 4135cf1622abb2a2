/**
 * One document that many clients write, as what they were told makes it: a chain of revisions, one of each generation. What
 * holds (linearizability of one document):
 * - A read shows at least the newest revision that an answer or another read showed before it began.
 * - A generation is one revision with one body, which one request wrote, whoever looks and however long ago.
 * - A write that was refused is never seen; one that was acknowledged stands above what was known when it was sent.
 * - A conflict has a cause: another write of the same parent that may have come first.
 */

export interface Seen {
  readonly rev: string
  readonly deleted: boolean
  /** Undefined where the answer has no body. */
  readonly value?: string | undefined
}

/** What is known at one moment; generation 0 before the first write. */
export interface Floor {
  readonly generation: number
  readonly rev: string | undefined
  readonly deleted: boolean
}

export interface Write {
  readonly value: string | undefined
  readonly deleted: boolean
  /** Of the revision that it replaces; undefined where it names none. */
  readonly parent: string | undefined
  readonly floor: Floor
  outcome: 'open' | 'unknown' | 'refused' | 'done'
  generation: number | undefined
}

interface Revision {
  readonly rev: string
  readonly deleted: boolean
  value: string | undefined
}

export function generationOf(rev: string): number {
  return Number.parseInt(rev, 10)
}

export class DocumentHistory {
  readonly id: string
  #floor: Floor = { generation: 0, rev: undefined, deleted: true }
  readonly #revisions = new Map<number, Revision>()
  readonly #byValue = new Map<string, Write>()
  /** Those that may still be seen for the first time. */
  readonly #open = new Set<Write>()

  constructor(id: string) {
    this.id = id
  }

  get floor(): Floor {
    return this.#floor
  }

  send(write: Pick<Write, 'value' | 'deleted' | 'parent'>): Write {
    const sent: Write = { ...write, floor: this.#floor, outcome: 'open', generation: undefined }
    if (write.value !== undefined) this.#byValue.set(write.value, sent)
    this.#open.add(sent)
    return sent
  }

  acknowledge(write: Write, rev: string): void {
    const generation = generationOf(rev)
    const { parent, floor } = write
    if (parent !== undefined && generation !== generationOf(parent) + 1)
      this.#fail(`a write over ${parent} became ${rev}`)
    if (generation <= floor.generation) this.#fail(`a write became ${rev} after ${floor.rev} was known`)
    this.#note(generation, { rev, deleted: write.deleted, value: write.value })
    write.outcome = 'done'
    write.generation = generation
    this.#open.delete(write)
    this.#raise(generation)
  }

  /** The answer was a conflict. */
  refuse(write: Write): void {
    write.outcome = 'refused'
    this.#open.delete(write)
    const { parent } = write
    if (parent === undefined) {
      // The document may be there, or may have been meanwhile.
      if (write.floor.deleted && this.#floor === write.floor && this.#open.size === 0)
        this.#fail('a document that is not there was in conflict')
      return
    }
    const generation = generationOf(parent)
    if (this.#floor.generation > generation) return
    if (![...this.#open].some((other) => mayHave(other, generation + 1)))
      this.#fail(`a write over ${parent}, which is the newest, was in conflict`)
  }

  /** No answer came. */
  lose(write: Write): void {
    write.outcome = 'unknown'
  }

  /** Nothing is under way any more: what has not been seen by now never will be. */
  settle(): void {
    for (const write of this.#open) write.outcome = 'refused'
    this.#open.clear()
  }

  /** `floor` is that of the read's beginning. */
  observe(floor: Floor, seen: Seen, where: string): void {
    const generation = generationOf(seen.rev)
    if (generation < floor.generation)
      this.#fail(`${where} shows ${seen.rev} after ${floor.rev} was known: a stale read`)
    if (seen.value !== undefined) this.#observeValue(generation, seen, where)
    this.#note(generation, { rev: seen.rev, deleted: seen.deleted, value: seen.value })
    this.#raise(generation)
  }

  #observeValue(generation: number, { value, rev, deleted }: Seen, where: string): void {
    const write = this.#byValue.get(value!)
    if (write === undefined)
      throw new Error(`document ${this.id}: ${where} shows ${value}, which nobody sent`)
    if (write.outcome === 'refused')
      this.#fail(`${where} shows ${value} at ${rev}, which was refused or lost`)
    if (write.deleted !== deleted) this.#fail(`${where} shows ${value} at ${rev}, deleted: ${deleted}`)
    if (write.generation !== undefined && write.generation !== generation)
      this.#fail(`${where} shows ${value} at ${rev}, not at generation ${write.generation}`)
    write.generation = generation
    this.#open.delete(write)
  }

  /** The read found nothing. */
  observeAbsent(floor: Floor, where: string): void {
    if (floor.deleted) return
    for (let later = floor.generation + 1; later <= this.#floor.generation; later++) {
      const revision = this.#revisions.get(later)
      // A generation that nobody was told of may have been a deletion.
      if (revision === undefined || revision.deleted) return
    }
    for (const write of this.#open) {
      if (write.deleted && (write.parent === undefined || generationOf(write.parent) >= floor.generation))
        return
    }
    this.#fail(`${where} does not show the document after ${floor.rev} was known: a stale or lost read`)
  }

  #note(generation: number, revision: Revision): void {
    const known = this.#revisions.get(generation)
    if (known === undefined) {
      this.#revisions.set(generation, revision)
      return
    }
    if (known.rev !== revision.rev)
      this.#fail(`there are two of one generation: ${known.rev}, ${revision.rev}`)
    if (known.deleted !== revision.deleted) this.#fail(`${known.rev} is deleted for some`)
    if (known.value !== undefined && revision.value !== undefined && known.value !== revision.value)
      this.#fail(`${known.rev} has two bodies: ${known.value}, ${revision.value}`)
    known.value ??= revision.value
  }

  #raise(generation: number): void {
    if (generation <= this.#floor.generation) return
    const { rev, deleted } = this.#revisions.get(generation)!
    this.#floor = { generation, rev, deleted }
  }

  #fail(what: string): never {
    throw new Error(`document ${this.id}: ${what}`)
  }
}

/** Whether a write without an answer may be the revision of this generation. */
function mayHave({ parent, floor }: Write, generation: number): boolean {
  return parent === undefined ? floor.generation < generation : generationOf(parent) + 1 === generation
}
