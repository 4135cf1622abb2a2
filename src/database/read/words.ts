/**
 * What the threads that have a database open tell each other without a message: numbers in memory that all of them see.
 * One thread, the writer's, stores them. What holds:
 * - A word is stored when the write that it tells of is durable, and before that write is acknowledged. So whoever
 *   begins after the acknowledgement sees it.
 * - A version rises with every write that may change what it stands for. Who reads the version first and what it stands
 *   for then keeps nothing that is older than the version says.
 */

const UPDATE_SEQ = 0
const DESIGN_VERSION = 1
const SETTINGS_VERSION = 2
const COMPACTING = 3
const WORDS = 4

export class DatabaseWords {
  /** Sixty-four bits each, so that a number of the update sequence is stored and read as a whole. */
  readonly #words: BigInt64Array
  readonly buffer: SharedArrayBuffer

  constructor(buffer = new SharedArrayBuffer(WORDS * BigInt64Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer
    this.#words = new BigInt64Array(buffer, 0, WORDS)
  }

  #load(word: number): number {
    return Number(Atomics.load(this.#words, word))
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, word, BigInt(value))
  }

  /** Number of the last change that is durable. */
  get updateSeq(): number {
    return this.#load(UPDATE_SEQ)
  }

  set updateSeq(seqNumber: number) {
    this.#store(UPDATE_SEQ, seqNumber)
  }

  /** Of the design documents. */
  get designVersion(): number {
    return this.#load(DESIGN_VERSION)
  }

  /** A design document was written. */
  raiseDesign(): void {
    this.#store(DESIGN_VERSION, this.designVersion + 1)
  }

  /** Of `_security` and the limits. */
  get settingsVersion(): number {
    return this.#load(SETTINGS_VERSION)
  }

  raiseSettings(): void {
    this.#store(SETTINGS_VERSION, this.settingsVersion + 1)
  }

  get isCompacting(): boolean {
    return this.#load(COMPACTING) !== 0
  }

  set isCompacting(isCompacting: boolean) {
    this.#store(COMPACTING, isCompacting ? 1 : 0)
  }
}
