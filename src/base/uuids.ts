/**
 * Ids that the server gives, by CouchDB's algorithms:
 * - `sequential`: 26 random hex digits that stay, and 6 that grow by a random step. Ids that are given one after the other
 *   are neighbours in the tree of ids, so that inserts touch a few of its leaves and not all, and nobody can tell the next
 *   one from what was given.
 * - `random`: 32 random hex digits.
 * - `utc_random`: 14 hex digits of the time in microseconds, and 18 random ones.
 * - `utc_id`: the same 14, and a text that is configured: what it is for, and what keeps servers apart.
 * - `uuid_v7`: version 7 of RFC 9562 as 32 hex digits: the time in milliseconds, the version, the variant, and 74 random bits.
 */
import type { Clock } from './clock.ts'
import { type RandomBytes, randomHex } from './random.ts'

const ID_BYTES = 16
const PREFIX_BYTES = 13
/** Steps are 1 to this. */
const LARGEST_STEP = 0xffd
/** From here on the next id gets a new prefix. */
const LAST_NUMBER = 0xfff000

export class SequentialUuids {
  readonly #random: RandomBytes
  readonly #step = Buffer.alloc(4)
  #prefix: string
  #number: number

  constructor(random: RandomBytes) {
    this.#random = random
    this.#prefix = randomHex(random, PREFIX_BYTES)
    this.#number = this.#nextStep()
  }

  /** 32 lower-case hex digits, none given twice. */
  next(): string {
    const id = this.#prefix + this.#number.toString(16).padStart(6, '0')
    if (this.#number >= LAST_NUMBER) {
      this.#prefix = randomHex(this.#random, PREFIX_BYTES)
      this.#number = 0
    }
    this.#number += this.#nextStep()
    return id
  }

  #nextStep(): number {
    this.#random(this.#step)
    return 1 + (this.#step.readUInt32LE() % LARGEST_STEP)
  }
}

const TIME_DIGITS = 14
const RANDOM_TAIL_BYTES = 9
const MICROSECONDS = 1000n

/** The time in microseconds, no value given twice: in memory that the threads of a server share. */
export class UniqueTime {
  /** To be handed to another thread. */
  readonly buffer: SharedArrayBuffer
  readonly #last: BigInt64Array

  constructor(buffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer
    this.#last = new BigInt64Array(buffer)
  }

  /** The time, or the first one behind it that nobody was given. */
  next(nowMs: number): bigint {
    const now = BigInt(Math.floor(nowMs)) * MICROSECONDS
    for (;;) {
      const last = Atomics.load(this.#last, 0)
      const next = now > last ? now : last + 1n
      if (Atomics.compareExchange(this.#last, 0, last, next) === last) return next
    }
  }
}

export const UUID_ALGORITHMS = ['sequential', 'random', 'utc_random', 'utc_id', 'uuid_v7'] as const

/** Read for each id, so they may change. */
export interface UuidSettings {
  readonly algorithm: (typeof UUID_ALGORITHMS)[number]
  /** Of `utc_id`. */
  readonly suffix: string
}

export interface UuidOptions {
  settings: UuidSettings
  time: UniqueTime
  clock: Pick<Clock, 'now'>
  random: RandomBytes
}

function uuidV7(nowMs: number, random: RandomBytes): string {
  const id = Buffer.alloc(ID_BYTES)
  random(id)
  id.writeUIntBE(Math.floor(nowMs), 0, 6)
  id[6] = 0x70 | (id[6]! & 0x0f)
  id[8] = 0x80 | (id[8]! & 0x3f)
  return id.toString('hex')
}

export class Uuids {
  readonly #options: UuidOptions
  readonly #sequential: SequentialUuids

  constructor(options: UuidOptions) {
    this.#options = options
    this.#sequential = new SequentialUuids(options.random)
  }

  /** By the algorithm of the moment. */
  next(): string {
    const { settings, random } = this.#options
    switch (settings.algorithm) {
      case 'sequential':
        return this.#sequential.next()
      case 'random':
        return randomHex(random, ID_BYTES)
      case 'utc_random':
        return this.#time() + randomHex(random, RANDOM_TAIL_BYTES)
      case 'utc_id':
        return this.#time() + settings.suffix
      case 'uuid_v7':
        return uuidV7(this.#options.clock.now(), random)
    }
  }

  #time(): string {
    const { time, clock } = this.#options
    return time.next(clock.now()).toString(16).padStart(TIME_DIGITS, '0')
  }
}
