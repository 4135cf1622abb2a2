import type { AnswerPiece, MixedPieces, Pieces } from './answer.ts'

type Step = IteratorResult<AnswerPiece>

/**
 * Pieces that hold something until they end, fail or are returned, begun or not: a generator that was never started hears
 * nothing of its return.
 */
export class HeldPieces implements MixedPieces {
  readonly #pieces: Pieces
  #release: (() => void) | undefined

  constructor(pieces: Pieces, release: () => void) {
    this.#pieces = pieces
    this.#release = release
  }

  next(): Step | Promise<Step> {
    try {
      const step = this.#pieces.next()
      if (!(step instanceof Promise)) return this.#after(step)
      return step.then(
        (later) => this.#after(later),
        (error: unknown) => this.#failed(error),
      )
    } catch (error) {
      return this.#failed(error)
    }
  }

  async return(): Promise<Step> {
    try {
      await this.#pieces.return?.()
    } finally {
      this.#let()
    }
    return { done: true, value: undefined }
  }

  #after(step: Step): Step {
    if (step.done === true) this.#let()
    return step
  }

  #failed(error: unknown): never {
    this.#let()
    throw error
  }

  #let(): void {
    this.#release?.()
    this.#release = undefined
  }
}
