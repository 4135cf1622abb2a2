/**
 * What a store under test is given. Lanes commit side by side, each to keys of its own, one commit at a time; commit n
 * of a lane is drawn from the seed, the lane and n alone, so that whoever knows the seed can work out what the lane
 * holds after any number of commits. Every value names its commit, so that no two commits write the same.
 */
import type { Operation } from '../api.ts'
import { derivedSeed, Random } from '../random.ts'

const LANES = 3
const KEYS = 40
/** Of all commits those that need not be durable. */
const LAZY_SHARE = 0.15
const NAME_BYTES = 8

export interface LaneCommit {
  /** From 1. */
  readonly number: number
  readonly operations: readonly Operation[]
  readonly durable: boolean
}

/** What a key held from one commit on. */
export interface Version {
  readonly number: number
  /** Undefined: deleted. */
  readonly value: Buffer | undefined
}

export interface LaneShape {
  /** Whether a commit may have more than one operation. */
  readonly transactions: boolean
}

export class Lane {
  readonly name: string
  readonly #seed: number
  readonly #shape: LaneShape
  readonly #commits: LaneCommit[] = []
  readonly #versions = new Map<string, Version[]>()

  constructor(seed: number, index: number, shape: LaneShape) {
    this.name = `lane${index}`
    this.#seed = derivedSeed(seed, index)
    this.#shape = shape
  }

  /** Commit `number`; the same whenever it is asked for. */
  commit(number: number): LaneCommit {
    while (this.#commits.length < number) this.#draw(this.#commits.length + 1)
    return this.#commits[number - 1]!
  }

  #draw(number: number): void {
    const random = new Random(derivedSeed(this.#seed, number))
    const writes = new Map<string, Buffer | undefined>()
    const count = this.#shape.transactions ? random.pick([1, 2, 3, 1 + random.int(20)]) : 1
    for (let i = 0; i < count; i++) {
      const key = `${this.name}/key${String(random.int(KEYS)).padStart(3, '0')}`
      writes.set(key, random.bool(0.2) ? undefined : this.#value(random, number, i))
    }
    const durable = !random.bool(LAZY_SHARE)
    const operations = [...writes].map(([key, value]) => ({ key: Buffer.from(key), value }))
    this.#commits.push({ number, operations, durable })
    for (const [key, value] of writes) {
      const versions = this.#versions.get(key) ?? []
      versions.push({ number, value })
      this.#versions.set(key, versions)
    }
  }

  #value(random: Random, number: number, place: number): Buffer {
    const length = NAME_BYTES + random.pick([0, 12, random.int(300), random.int(300), random.int(6000)])
    const value = Buffer.from(random.bytes(length))
    value.writeUInt32BE(number, 0)
    value.writeUInt16BE(place, 4)
    return value
  }

  /** Keys that the first `number` commits write. */
  keys(number: number): string[] {
    this.commit(number)
    return [...this.#versions].filter(([, versions]) => versions[0]!.number <= number).map(([key]) => key)
  }

  /** Whether any commit that was ever drawn writes the key. */
  hasKey(key: string): boolean {
    return this.#versions.has(key)
  }

  /** Versions of the key up to commit `number`, in order. */
  versions(key: string, number: number): Version[] {
    return (this.#versions.get(key) ?? []).filter((version) => version.number <= number)
  }

  /** What the key holds after commit `number`. */
  valueAfter(key: string, number: number): Version | undefined {
    return this.versions(key, number).at(-1)
  }
}

/** One lane where the store takes one write at a time. */
export function makeLanes(seed: number, shape: LaneShape & { concurrentWriters: boolean }): Lane[] {
  return Array.from(
    { length: shape.concurrentWriters ? LANES : 1 },
    (_, index) => new Lane(seed, index, shape),
  )
}
