/**
 * What one case plays: a seed and the numbers of the events. Each event draws from a generator of its own, made
 * of the seed and its number alone, so that leaving some events out does not change what the others do: that is
 * what lets a failing case be shrunk.
 */
import { derivedSeed, Random } from '../src/lab/random.ts'
import type { Coverage } from './coverage.ts'

export { derivedSeed }

const SETUP = 0xffff_ffff

export class Script {
  readonly seed: number
  readonly coverage: Coverage
  readonly #numbers: readonly number[]
  /** Numbers of the events that were asked for so far, the one that is being played last. */
  readonly played: number[] = []

  readonly #onEvent: () => void

  /** `onEvent` is told whenever an event begins. */
  constructor(seed: number, numbers: readonly number[], coverage: Coverage, onEvent: () => void = () => {}) {
    this.seed = seed
    this.#numbers = numbers
    this.coverage = coverage
    this.#onEvent = onEvent
  }

  /** For draws that belong to the case as a whole. */
  setup(): Random {
    return new Random(derivedSeed(this.seed, SETUP))
  }

  /** The generator of each event in turn. */
  *events(): Generator<Random, void, void> {
    for (const number of this.#numbers) {
      this.played.push(number)
      this.#onEvent()
      yield new Random(derivedSeed(this.seed, number))
    }
  }
}

/** 0 to `count` - 1. */
export function firstEvents(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}
