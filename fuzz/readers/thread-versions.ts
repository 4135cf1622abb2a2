/**
 * The versions of a store that a writer and readers in other threads share: each thread works out version n from the
 * seed alone. And the numbers that they share.
 */
import { EMPTY_VERSION, type Plan, planTransaction, type Version } from '../../test/support/crash-model.ts'
import { Random } from '../../test/support/random.ts'
import { derivedSeed } from '../script.ts'

/** Places in the shared numbers. */
export const SHARED = {
  acknowledged: 0,
  submitted: 1,
  stops: 2,
  refreshes: 3,
  movedOn: 4,
  length: 5,
} as const

export interface ThreadData {
  readonly path: string
  readonly seed: number
  readonly shared: Int32Array
}

export function planVersion(seed: number, before: Version): Plan {
  const marker = before.marker + 1
  const random = new Random(derivedSeed(seed, marker))
  return planTransaction(random, before, marker, random.bool(0.1) ? random.between(20, 60) : random.int(8))
}

/** Goes forwards through the versions. */
export class VersionWalk {
  readonly #seed: number
  #version: Version = EMPTY_VERSION

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Throws for one that lies behind. */
  to(marker: number): Version {
    if (marker < this.#version.marker) {
      throw new Error(`a reader went back from version ${this.#version.marker} to ${marker}`)
    }
    while (this.#version.marker < marker) this.#version = planVersion(this.#seed, this.#version).version
    return this.#version
  }
}
