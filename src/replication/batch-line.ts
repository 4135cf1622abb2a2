/**
 * Batches under way: some at once, told as done in their order. What holds:
 * - `through` is a sequence below which everything is done: it passes a batch only when all before it are done.
 * - No document is in two batches at once: the later one waits for the earlier.
 */
import type { Sequence } from './sequence.ts'

interface Batch {
  readonly seq: Sequence
  readonly ids: ReadonlySet<string>
  ended: Promise<void>
  isDone: boolean
}

export class BatchLine {
  readonly #most: number
  readonly #onThrough: (seq: Sequence) => void
  /** In their order; those before the first have been passed. */
  readonly #batches: Batch[] = []
  readonly #running = new Set<Batch>()
  #failure: { error: unknown } | undefined

  /** `most` batches at once. `onThrough` hears of every sequence that is passed. */
  constructor(most: number, onThrough: (seq: Sequence) => void) {
    this.#most = most
    this.#onThrough = onThrough
  }

  /** Begins a batch when there is room. Rejects with what a batch before it failed with. */
  async add(seq: Sequence, ids: ReadonlySet<string>, work: () => Promise<void>): Promise<void> {
    while (this.#failure === undefined && this.#running.size >= this.#most) {
      await Promise.race([...this.#running].map(({ ended }) => ended))
    }
    if (this.#failure !== undefined) throw this.#failure.error
    const before = [...this.#running].filter((each) => shares(each.ids, ids)).map(({ ended }) => ended)
    const batch: Batch = { seq, ids, ended: Promise.resolve(), isDone: false }
    this.#batches.push(batch)
    this.#running.add(batch)
    batch.ended = this.#run(batch, before, work)
  }

  async #run(batch: Batch, before: readonly Promise<void>[], work: () => Promise<void>): Promise<void> {
    try {
      await Promise.all(before)
      if (this.#failure !== undefined) return
      await work()
      batch.isDone = true
      let through: Sequence | undefined
      while (this.#batches[0]?.isDone === true) through = this.#batches.shift()!.seq
      if (through !== undefined) this.#onThrough(through)
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#running.delete(batch)
    }
  }

  /** Resolves when all have ended; rejects with what the first one failed with. */
  async drain(): Promise<void> {
    await this.settle()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves when nothing is under way any more. */
  async settle(): Promise<void> {
    await Promise.all([...this.#running].map(({ ended }) => ended))
  }
}

function shares(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a]
  for (const id of few) if (many.has(id)) return true
  return false
}
