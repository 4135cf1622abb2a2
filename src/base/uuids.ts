/**
 * Ids that the server gives, as CouchDB's algorithm `sequential` makes them: 26 random hex digits that stay, and 6
 * that grow by a random step. Ids that are given one after the other are neighbours in the tree of ids, so that
 * inserts touch a few of its leaves and not all, and nobody can tell the next one from what was given.
 */
import { type RandomBytes, randomHex } from './random.ts'

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
