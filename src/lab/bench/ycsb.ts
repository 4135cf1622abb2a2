/**
 * YCSB's core workloads A to F (https://github.com/brianfrankcooper/YCSB, workloads/workloada to workloadf), with the
 * defaults of its CoreWorkload: records of 10 fields of 100 bytes, keys `user` and the hash of the record's number
 * (`insertorder=hashed`), scans of 1 to 100 records (`maxscanlength`, uniform). A store of bytes knows no fields: a
 * record is one value, and an update writes all of it (`writeallfields=true`).
 */
import type { Operation } from '../api.ts'
import { derivedSeed, Random } from '../random.ts'
import type { Action, ActionSource } from './action.ts'
import { type Chooser, chooserOf, type Distribution, fnvHash64 } from './chooser.ts'
import { batchesOf } from './own.ts'

export const FIELDS = 10
export const FIELD_BYTES = 100
export const RECORD_BYTES = FIELDS * FIELD_BYTES
const MOST_SCANNED = 100
const POOL_BYTES = 256 * 1024
const PRINTABLE_FROM = 32
const PRINTABLE = 95

export const YCSB_NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const
export type YcsbName = (typeof YCSB_NAMES)[number]

interface Mix {
  readonly read?: number
  readonly update?: number
  readonly insert?: number
  readonly scan?: number
  readonly readModifyWrite?: number
  readonly distribution: Distribution
}

export const MIXES: Readonly<Record<YcsbName, Mix>> = {
  a: { read: 0.5, update: 0.5, distribution: 'zipfian' },
  b: { read: 0.95, update: 0.05, distribution: 'zipfian' },
  c: { read: 1, distribution: 'zipfian' },
  d: { read: 0.95, insert: 0.05, distribution: 'latest' },
  e: { scan: 0.95, insert: 0.05, distribution: 'zipfian' },
  f: { read: 0.5, readModifyWrite: 0.5, distribution: 'zipfian' },
}

/** Records made from their number. */
export class Records {
  readonly #pool: Buffer
  readonly #random: Random

  constructor(seed: number) {
    this.#random = new Random(seed)
    this.#pool = Buffer.alloc(POOL_BYTES + RECORD_BYTES)
    for (let i = 0; i < this.#pool.length; i++) this.#pool[i] = PRINTABLE_FROM + this.#random.int(PRINTABLE)
  }

  key(number: number): Buffer {
    return Buffer.from(`user${fnvHash64(number)}`)
  }

  /** With a new value each time. */
  put(number: number): Operation {
    const from = this.#random.int(POOL_BYTES)
    return { key: this.key(number), value: Buffer.from(this.#pool.subarray(from, from + RECORD_BYTES)) }
  }
}

/** All records, in batches. */
export function ycsbLoadSource({ seed, records }: { seed: number; records: number }): ActionSource {
  const made = new Records(derivedSeed(seed, 0))
  return batchesOf(records, (number) => made.put(number))
}

/** Of keys and values. */
export function ycsbBytes(records: number): number {
  let bytes = records * RECORD_BYTES
  const made = new Records(0)
  for (let number = 0; number < records; number++) bytes += made.key(number).length
  return bytes
}

export interface YcsbOptions {
  readonly name: YcsbName
  readonly seed: number
  /** That were loaded, and that are there. */
  readonly records: number
  /** In place of the workload's own. */
  readonly distribution?: Distribution | undefined
}

export class YcsbSource implements ActionSource {
  readonly unit = 'operations'
  readonly #random: Random
  readonly #records: Records
  readonly #mix: Mix
  readonly #chooser: Chooser
  /** Records that there are once all that was made has been done. */
  #present: number

  constructor({ name, seed, records, distribution }: YcsbOptions) {
    this.#mix = MIXES[name]
    const inserting = (this.#mix.insert ?? 0) > 0
    // As CoreWorkload does, from as many items as there may come to be: those that are not there yet are drawn again.
    const items = inserting ? Math.ceil(records * 1.1) : records
    this.#random = new Random(derivedSeed(seed, 1))
    this.#records = new Records(derivedSeed(seed, 2))
    this.#chooser = chooserOf(distribution ?? this.#mix.distribution, items)
    this.#present = records
  }

  next(): Action {
    const { read = 0, update = 0, insert = 0, scan = 0 } = this.#mix
    const drawn = this.#random.float()
    if (drawn < read)
      return { kind: 'read', key: this.#records.key(this.#choose()), valueBytes: RECORD_BYTES }
    if (drawn < read + update) return { kind: 'update', operations: [this.#records.put(this.#choose())] }
    if (drawn < read + update + insert) {
      return { kind: 'insert', operations: [this.#records.put(this.#present++)] }
    }
    if (drawn < read + update + insert + scan) {
      const limit = this.#random.between(1, MOST_SCANNED)
      return { kind: 'scan', start: this.#records.key(this.#choose()), limit }
    }
    return { kind: 'read-modify-write', operation: this.#records.put(this.#choose()) }
  }

  #choose(): number {
    return this.#chooser.next(this.#random, this.#present - 1)
  }
}
