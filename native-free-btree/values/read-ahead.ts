/**
 * Values that are read one behind the other in the file, as a walk in the order of changes does, come from a
 * window that is read in one call: 300 bytes cost 1.5 µs by a call of their own and 0.05 µs as a part of 64 KiB.
 *
 * A walk goes on behind others that are asked for in between: ids in the order of their bytes, as `1009`, `101`, `1010` of documents
 * that were written by their numbers, leave the order of the file every few documents, and come back.
 *
 * There is one window for the whole thread, in the memory where bytes are verified: any number of walks may be
 * open without memory of their own. Whoever reads on takes it; a walk that gets it back pays for one read.
 *
 * What the window holds is bytes as the file had them when they were read, verified by nobody, and above the
 * durable end they may change. So a record of the window that does not verify says nothing: it has to be read
 * from the file again. One that does verify is the record, whenever it was read.
 */
import { landing, WINDOW_BYTES, WINDOW_START } from '../disk/checksum.ts'
import type { StorageFile } from '../disk/file-system.ts'

/** Records with no more than this between them are neighbours. */
const NEAR_BYTES = 4096
/** So many neighbours in a row make a walk. */
const RUN_LENGTH = 3
/** Of a walk's first window; each further one is twice as long, up to the whole. */
const FIRST_WINDOW_BYTES = 16 * 1024
/** Others that are asked for one behind the other before a walk is taken to be over. */
const MOST_BETWEEN = 16
const NOWHERE = -1
/** Records longer than this gain nothing. */
const LONGEST_RECORD_BYTES = 32 * 1024

const windows: Buffer[] = []
for (let bytes = FIRST_WINDOW_BYTES; bytes <= WINDOW_BYTES; bytes *= 2) {
  windows.push(landing.subarray(WINDOW_START, WINDOW_START + bytes))
}

/** Whose bytes the window holds, and from where to where in that file. */
let owner: ReadAhead | undefined
let windowFrom = 0
let windowTo = 0

/** The reads of one file. */
export class ReadAhead {
  readonly #file: StorageFile
  /** Of the record that was asked for last. */
  #lastFrom = NOWHERE
  #lastTo = NOWHERE
  #run = 0
  /** Of the last record of the newest walk, which goes on there whatever was asked for since. */
  #walkFrom = NOWHERE
  #walkTo = NOWHERE
  #between = 0
  #windowIndex = 0

  constructor(file: StorageFile) {
    this.#file = file
  }

  /** Offset in `landing` of the `length` bytes at `position` of the file; -1 when they are to be read alone. */
  find(position: number, length: number): number {
    const end = position + length
    if (owner !== this || position < windowFrom || end > windowTo) {
      if (!this.#follow(position, end)) return -1
      if (length > LONGEST_RECORD_BYTES) return -1
      this.#load(position, end)
      if (position < windowFrom || end > windowTo) return -1
    }
    this.#walkOn(position, end)
    return WINDOW_START + position - windowFrom
  }

  /** As `find`, where the window holds the bytes already; else -1, and nothing is read. */
  held(position: number, length: number): number {
    const isHeld = owner === this && position >= windowFrom && position + length <= windowTo
    return isHeld ? this.find(position, length) : -1
  }

  /** The walk goes on over bytes that were had from elsewhere. */
  pass(position: number, length: number): void {
    if (this.#follow(position, position + length)) this.#walkOn(position, position + length)
  }

  /** Forgets the window: what it holds at some place is not what belongs there. */
  drop(): void {
    if (owner === this) owner = undefined
  }

  /** Whether the record from `position` to `end` goes on with a walk in either direction. */
  #follow(position: number, end: number): boolean {
    if (isNear(position, end, this.#walkFrom, this.#walkTo)) return true
    this.#run = isNear(position, end, this.#lastFrom, this.#lastTo) ? this.#run + 1 : 0
    if (this.#run >= RUN_LENGTH) {
      this.#walkFrom = this.#lastFrom
      this.#walkTo = this.#lastTo
      this.#windowIndex = 0
      return true
    }
    this.#lastFrom = position
    this.#lastTo = end
    this.#between += 1
    if (this.#between > MOST_BETWEEN) {
      this.#walkFrom = NOWHERE
      this.#walkTo = NOWHERE
    }
    return false
  }

  #walkOn(position: number, end: number): void {
    this.#walkFrom = position
    this.#walkTo = end
    this.#between = 0
    this.#run = 0
  }

  #load(position: number, end: number): void {
    const window = windows[this.#windowIndex]!
    const isBackward = end <= this.#walkFrom
    const from = isBackward ? Math.max(0, end - window.length) : position
    if (this.#windowIndex < windows.length - 1) this.#windowIndex += 1
    owner = undefined
    windowFrom = from
    windowTo = from + this.#file.readSync(window, from)
    owner = this
    this.#walkOn(position, end)
  }
}

/** Whether the record from `position` to `end` is a neighbour of the one from `from` to `to`. */
function isNear(position: number, end: number, from: number, to: number): boolean {
  const ahead = position - to
  const before = from - end
  return (ahead >= 0 && ahead <= NEAR_BYTES) || (before >= 0 && before <= NEAR_BYTES)
}
