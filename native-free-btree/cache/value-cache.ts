/**
 * Verified values in memory, by file and position of their record: what pages and dirty nodes leave of the one
 * budget that all stores share.
 *
 * Memory is taken in segments of 512 KiB, as values come. An entry is 16 bytes and the value, to a multiple of 8:
 *
 *   u32 position, low half; u16 position, high half; u16 length; u32 check; u32 the file's number, top bit: used
 *
 * Nothing is an object but the segments, so a million values cost the garbage collector nothing. A segment's
 * entries lie in order of arrival; when there is no more memory the oldest segment is used again: entries that
 * were used since the last time stay, moved together at its start, half of it at most (so that the time is
 * bounded and room is made); the others go.
 *
 * While there is room, whatever is read is kept. When there is none, a value is taken in only when it is read
 * the second time within some ten thousand others: a walk over a whole file reads each value once and drives
 * nothing out.
 *
 * Where hardly any value is read again before it goes, looking for it and taking it in is for nothing, and costs a sixth of reading it. So a
 * cache that is full counts what it finds, and cares for half as many values, by their hashes, down to one in 16, as long as it finds too few. Those that
 * it cares for it finds the more often the fewer they are: when that is nearly always, it cares for all again. When it has found too few of
 * those for long, it is in vain: it goes on with little memory, until it finds more, and pages have the rest.
 *
 * A hit is the value that the reference names: position, length and check are compared, and the bytes were
 * verified against them when they were taken in. A file's number is never given again, so what is left of a
 * closed file is found by nobody.
 */
import type { ValuePlace } from '../api.ts'
import { ValueIndex } from './value-index.ts'

export const SEGMENT_BYTES = 512 * 1024
const ENTRY_HEADER_BYTES = 16
/** Longer values are not kept: copying them costs as much as reading them. */
export const LONGEST_CACHED_BYTES = 4096
/** Locations are 31 bits: the number of the segment, and the offset in units of 8. */
const OFFSET_BITS = 16
const OFFSET_MASK = 2 ** OFFSET_BITS - 1
const MOST_SEGMENTS = 2 ** 15 - 1
const USED = 0x80000000
/** Hashes of values that were refused lately, one a slot. */
const REFUSED_SLOTS = 2 ** 15

/** Looks after which it is decided anew which values are cared for. */
const LOOKS = 4096
/** With fewer than this part of them found it is half as many, */
const FEW = 1 / 16
/** and with more than this, all. */
const NEARLY_ALL = 3 / 4
/** Values are cared for whose hash has none of certain bits: of these, which the index and the note of refusals hardly look at. */
const MOST_BITS = 0xf00000
const FIRST_BIT = 0x100000

/** For each of its segments, stretches in a row with few found of the fewest until it is in vain: ten looks for each value in it. */
const VAIN_STRETCHES = 4

interface Segment {
  readonly number: number
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  end: number
}

/** Who says how much memory there is. */
export interface ValueBudget {
  /** Bytes that values may take now. */
  allowanceBytes(): number
  /** Told after more memory was taken. */
  onValuesGrown(): void
}

export class ValueCache {
  readonly #budget: ValueBudget
  readonly #index = new ValueIndex()
  readonly #segments: (Segment | undefined)[] = []
  readonly #freeNumbers: number[] = []
  /** Oldest first; the last one is being filled. */
  readonly #order: Segment[] = []
  readonly #files = new Set<number>()
  #lastFile = 0
  #refused: Uint32Array | undefined
  #bytes = 0
  /** No value is cared for whose hash has one of these bits. */
  #passedOver = 0
  /** Whether there was no more memory when a value was last to be taken in. */
  #isFull = false
  /** Of the present stretch of LOOKS: how many are done, how many of them went to values that are cared for, and found one. */
  #looks = 0
  #caredFor = 0
  #found = 0
  /** Stretches in a row in which few were found of those that it cared for, when it cared for as few as it can. */
  #fruitless = 0
  /** Whether more than little memory is for nothing. */
  isInVain = false

  constructor(budget: ValueBudget) {
    this.#budget = budget
  }

  /** Memory taken, that of the index and of the note of refusals included. */
  get bytes(): number {
    return this.#bytes + this.#index.bytes
  }

  /** A number for a file's values. */
  openFile(): number {
    this.#lastFile += 1
    this.#files.add(this.#lastFile)
    return this.#lastFile
  }

  /** Nobody will ask for the values of this file any more. */
  closeFile(file: number): void {
    this.#files.delete(file)
    if (this.#files.size > 0) return
    this.#clear()
    this.#fruitless = 0
    this.isInVain = false
  }

  /** Says where the value lies that a reference with these parts names, until another is added. False: it is not here. */
  locate(file: number, position: number, length: number, check: number, into: ValuePlace): boolean {
    const hash = hashOf(file, position)
    this.#looks += 1
    if (this.#looks === LOOKS) this.#choose()
    if ((hash & this.#passedOver) !== 0) return false
    this.#caredFor += 1
    const location = this.#find(hash, file, position)
    if (location === 0) return false
    this.#found += 1
    const { words, bytes } = this.#segments[location >>> OFFSET_BITS]!
    const at = (location & OFFSET_MASK) * 2
    if (words[at + 2] !== check || words[at + 1]! >>> 16 !== length) return false
    const owner = words[at + 3]!
    if (owner < USED) words[at + 3] = owner + USED
    into.bytes = bytes
    into.start = at * 4 + ENTRY_HEADER_BYTES
    into.end = into.start + length
    return true
  }

  /**
   * Takes in a verified value of 1 to LONGEST_CACHED_BYTES bytes, which lies from `from` to `to` of `bytes`, if there is room or it
   * is wanted often.
   */
  add(file: number, position: number, check: number, bytes: Uint8Array, from: number, to: number): void {
    const hash = hashOf(file, position)
    const length = to - from
    const size = entryBytes(length)
    const mayGrow = this.#mayGrow()
    this.#isFull = !mayGrow
    if (mayGrow) this.#passedOver = 0
    else if ((hash & this.#passedOver) !== 0 || !this.#wasRefused(hash)) return
    // A position has another value only when a write failed and was cut off; its entry is found by nobody.
    if (this.#find(hash, file, position) !== 0) this.#index.remove()
    let segment = this.#order[this.#order.length - 1]
    if (segment === undefined || segment.end + size > SEGMENT_BYTES) {
      segment = mayGrow ? this.#newSegment() : this.#reuseOldest()
      if (segment === undefined || segment.end + size > SEGMENT_BYTES) return
    }
    const start = segment.end
    const { words } = segment
    const at = start / 4
    words[at] = position
    words[at + 1] = Math.floor(position / 2 ** 32) | (length << 16)
    words[at + 2] = check
    words[at + 3] = file
    segment.bytes.set(bytes.subarray(from, to), start + ENTRY_HEADER_BYTES)
    segment.end = start + size
    this.#index.add(hash, locationOf(segment, start))
  }

  /** Gives memory back, oldest values first, until no more than this is taken. */
  shrinkTo(limitBytes: number): void {
    while (this.bytes > limitBytes && this.#order.length > 0) {
      const segment = this.#order.shift()!
      this.#sweep(segment, 0)
      this.#segments[segment.number] = undefined
      this.#freeNumbers.push(segment.number)
      this.#bytes -= SEGMENT_BYTES
      if (this.#order.length === 0) this.#clear()
    }
  }

  #clear(): void {
    this.#index.clear()
    this.#segments.length = 0
    this.#freeNumbers.length = 0
    this.#order.length = 0
    this.#refused = undefined
    this.#bytes = 0
    this.#passedOver = 0
    this.#isFull = false
  }

  /** Decides which values are cared for in the next stretch. */
  #choose(): void {
    const caredFor = this.#caredFor
    const areFew = this.#found < caredFor * FEW
    if (!areFew) this.#fruitless = 0
    else if (this.#passedOver === MOST_BITS) this.#fruitless += 1
    if (!areFew) this.isInVain = false
    else if (!this.isInVain && this.#fruitless > this.#order.length * VAIN_STRETCHES) {
      this.isInVain = true
      // The index does not become smaller by itself.
      this.#clear()
    }
    if (!this.#isFull || this.#found > caredFor * NEARLY_ALL) this.#passedOver = 0
    else if (areFew) this.#passedOver = ((this.#passedOver << 1) | FIRST_BIT) & MOST_BITS
    this.#looks = 0
    this.#caredFor = 0
    this.#found = 0
  }

  #find(hash: number, file: number, position: number): number {
    const high = Math.floor(position / 2 ** 32)
    for (let location = this.#index.find(hash); location !== 0; location = this.#index.findNext()) {
      const { words } = this.#segments[location >>> OFFSET_BITS]!
      const at = (location & OFFSET_MASK) * 2
      const isIt =
        words[at] === position >>> 0 && (words[at + 1]! & 0xffff) === high && words[at + 3]! % USED === file
      if (isIt) return location
    }
    return 0
  }

  #mayGrow(): boolean {
    return this.#order.length < MOST_SEGMENTS && this.bytes + SEGMENT_BYTES <= this.#budget.allowanceBytes()
  }

  #newSegment(): Segment {
    const buffer = new ArrayBuffer(SEGMENT_BYTES)
    const number = this.#freeNumbers.pop() ?? Math.max(1, this.#segments.length)
    const segment = { number, bytes: new Uint8Array(buffer), words: new Uint32Array(buffer), end: 0 }
    this.#segments[number] = segment
    this.#order.push(segment)
    this.#bytes += SEGMENT_BYTES
    this.#budget.onValuesGrown()
    return segment
  }

  #reuseOldest(): Segment | undefined {
    const segment = this.#order.shift()
    if (segment === undefined) return undefined
    this.#sweep(segment, SEGMENT_BYTES / 2)
    this.#order.push(segment)
    return segment
  }

  /** Removes the segment's entries, but for up to `keptBytes` of those that were used. */
  #sweep(segment: Segment, keptBytes: number): void {
    const { words, bytes } = segment
    let kept = 0
    for (let start = 0; start < segment.end; ) {
      const at = start / 4
      const position = words[at]! + (words[at + 1]! & 0xffff) * 2 ** 32
      const size = entryBytes(words[at + 1]! >>> 16)
      const owner = words[at + 3]!
      const file = owner % USED
      const isFound = this.#find(hashOf(file, position), file, position) === locationOf(segment, start)
      if (isFound && owner >= USED && kept + size <= keptBytes && this.#files.has(file)) {
        words[at + 3] = file
        bytes.copyWithin(kept, start, start + size)
        this.#index.move(locationOf(segment, kept))
        kept += size
      } else if (isFound) {
        this.#index.remove()
      }
      start += size
    }
    segment.end = kept
  }

  /** Whether a value with this hash was refused not long ago; if not, it is now. */
  #wasRefused(hash: number): boolean {
    if (this.#order.length === 0) return false
    if (this.#refused === undefined) {
      this.#refused = new Uint32Array(REFUSED_SLOTS)
      this.#bytes += this.#refused.byteLength
    }
    const slot = hash % REFUSED_SLOTS
    if (this.#refused[slot] === hash) return true
    this.#refused[slot] = hash
    return false
  }
}

function locationOf(segment: Segment, start: number): number {
  return segment.number * 2 ** OFFSET_BITS + start / 8
}

function entryBytes(length: number): number {
  return ENTRY_HEADER_BYTES + Math.ceil(length / 8) * 8
}

/** The finalizer of MurmurHash3 over the three numbers. */
function hashOf(file: number, position: number): number {
  let hash = position ^ Math.imul(Math.floor(position / 2 ** 32) ^ Math.imul(file, 0x9e3779b1), 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** The values of one file. */
export class ValueSpace {
  readonly #cache: ValueCache
  /** 0 until it has values. */
  #file = 0

  constructor(cache: ValueCache) {
    this.#cache = cache
  }

  /** Says where the value lies that a reference with these parts names, until another is added. False: it is not here. */
  locate(position: number, length: number, check: number, into: ValuePlace): boolean {
    return this.#file !== 0 && this.#cache.locate(this.#file, position, length, check, into)
  }

  /** Takes in a verified value, which lies from `from` to `to` of `bytes`. Long ones, and those of no bytes, are left out. */
  add(position: number, check: number, bytes: Uint8Array, from = 0, to = bytes.length): void {
    if (from === to || to - from > LONGEST_CACHED_BYTES) return
    if (this.#file === 0) this.#file = this.#cache.openFile()
    this.#cache.add(this.#file, position, check, bytes, from, to)
  }

  /** Forgets all: the file is closed, or its name stands for other bytes now. */
  clear(): void {
    if (this.#file !== 0) this.#cache.closeFile(this.#file)
    this.#file = 0
  }
}
