/**
 * What a store under the kill test is to hold. Lanes commit side by side, each to keys of its own, one commit at a
 * time; commit n of a lane is drawn from the seed, the lane and n alone, so that every process can work out what the
 * lane holds after any number of commits. Each commit writes its number under the lane's key `count`.
 */
import type { Operation } from '../../src/lab/peers/adapter.ts'
import { Random } from '../../test/support/random.ts'
import { patternBytes } from '../../test/support/test-trees.ts'
import { derivedSeed } from '../script.ts'

export const LANES = 4
const KEYS = 60

export class Lane {
  readonly name: string
  readonly #seed: number
  readonly #entries = new Map<string, Buffer>()
  #count = 0

  constructor(seed: number, index: number) {
    this.name = `lane${index}`
    this.#seed = derivedSeed(seed, index)
  }

  /** Commits that it has come to. */
  get count(): number {
    return this.#count
  }

  /** Keys, without the lane's name, and values. */
  get entries(): ReadonlyMap<string, Buffer> {
    return this.#entries
  }

  get countKey(): Buffer {
    return this.#key('count')
  }

  #key(name: string): Buffer {
    return Buffer.from(`${this.name}/${name}`)
  }

  /** What the next commit does. */
  next(): Operation[] {
    const random = new Random(derivedSeed(this.#seed, this.#count + 1))
    const writes = new Map<string, Buffer | undefined>()
    for (let i = random.pick([1, 3, random.int(30)]); i > 0; i--) {
      const name = `key${String(random.int(KEYS)).padStart(3, '0')}`
      const length = random.pick([0, 20, random.int(500), random.int(9000)])
      writes.set(name, random.bool(0.2) ? undefined : patternBytes(random.next(), length))
    }
    writes.set('count', Buffer.from(String(this.#count + 1)))
    return [...writes].map(([name, value]) => ({ key: this.#key(name), value }))
  }

  /** Takes over what `next` did. */
  advance(operations: readonly Operation[]): void {
    this.#count += 1
    for (const { key, value } of operations) {
      const name = key.toString().slice(this.name.length + 1)
      if (value === undefined) this.#entries.delete(name)
      else this.#entries.set(name, value)
    }
  }

  /** Goes on to `count` commits. */
  advanceTo(count: number): void {
    while (this.#count < count) this.advance(this.next())
  }
}

export function makeLanes(seed: number): Lane[] {
  return Array.from({ length: LANES }, (_, index) => new Lane(seed, index))
}
