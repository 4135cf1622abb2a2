/** What was found, by the way in which it goes wrong: each is told once, and counted. */
import type { Wrong } from '../crash/verdict.ts'
import type { Fate } from './models.ts'
import type { PictureRow } from './picture.ts'
import type { Recording } from './recording.ts'
import type { Place } from './walk.ts'

/** A state that is wrong, with the fewest losses. */
export interface StateFailure {
  readonly wrong: Wrong
  readonly place: Place
  readonly fates: readonly (readonly [sequence: number, fate: Fate])[]
  readonly picture: readonly PictureRow[]
}

/** Ways that are told; more are counted. */
const MOST_TOLD = 12

export class Finds {
  readonly #counts = new Map<string, number>()
  readonly #isFirstEnough: boolean
  /** Tells of a way to go wrong, once. */
  readonly tell: (failure: StateFailure, recording: Recording) => Promise<void>

  /** @param isFirstEnough whether one is all that is wanted. */
  constructor(isFirstEnough: boolean, tell: (failure: StateFailure, recording: Recording) => Promise<void>) {
    this.#isFirstEnough = isFirstEnough
    this.tell = tell
  }

  /** Whether it is to be told. */
  add({ signature }: Wrong): boolean {
    const count = this.#counts.get(signature)
    this.#counts.set(signature, (count ?? 0) + 1)
    return count === undefined && this.size <= (this.#isFirstEnough ? 1 : MOST_TOLD)
  }

  has({ signature }: Wrong): boolean {
    return this.#counts.has(signature)
  }

  get size(): number {
    return this.#counts.size
  }

  get isEnough(): boolean {
    return this.#isFirstEnough && this.size > 0
  }

  /** Each way, with the number of states that went wrong in it. */
  entries(): [signature: string, states: number][] {
    return [...this.#counts]
  }
}
