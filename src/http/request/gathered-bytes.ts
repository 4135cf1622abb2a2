import { SpareMemory } from '../../base/spare-memory.ts'
import type { Steps } from '../../base/time-slice.ts'

const spare = new SpareMemory()

/** The memory of bytes that were gathered may be used for others: nobody looks at them any more. */
export function giveGatheredBack(bytes: Buffer): void {
  spare.give(bytes)
}

const MOST_SEGMENT_BYTES = 4 * 1024 * 1024

/**
 * Bytes that come in chunks and are wanted as one. They are copied as they come into segments of a growing size, or into
 * one where their number is known, and those are put together in steps: many megabytes at once would hold up others.
 */
export class GatheredBytes {
  readonly #expectedBytes: number
  readonly #segments: Buffer[] = []
  /** Bytes in the last segment; the others are full. */
  #used = 0
  bytes = 0

  /** 0 where the number is not known. */
  constructor(expectedBytes: number) {
    this.#expectedBytes = expectedBytes
  }

  /** A chunk that is the whole is kept as it is. */
  add(chunk: Buffer): void {
    if (this.bytes === 0 && chunk.length >= this.#expectedBytes) {
      this.#segments.push(chunk)
      this.#used = chunk.length
    } else {
      const rest = this.#fill(chunk)
      if (rest.length > 0) {
        this.#segments.push(spare.take(this.#nextLength(rest.length)))
        this.#used = 0
        this.#fill(rest)
      }
    }
    this.bytes += chunk.length
  }

  /** All of them, where nothing has to be put together for it. */
  get whole(): Buffer | undefined {
    const [first] = this.#segments
    if (first === undefined) return Buffer.alloc(0)
    if (this.#segments.length > 1) return undefined
    return this.#used === first.length ? first : first.subarray(0, this.#used)
  }

  /** All of them. */
  *join(): Steps<Buffer> {
    const { whole } = this
    if (whole !== undefined) return whole
    const joined = Buffer.allocUnsafeSlow(this.bytes)
    let at = 0
    for (const segment of this.#segments) {
      at += segment.copy(joined, at, 0, this.bytes - at)
      yield
    }
    return joined
  }

  /** What found no place in the last segment. */
  #fill(chunk: Buffer): Buffer {
    const last = this.#segments.at(-1)
    if (last === undefined) return chunk
    const size = chunk.copy(last, this.#used)
    this.#used += size
    return chunk.subarray(size)
  }

  #nextLength(least: number): number {
    if (this.#segments.length === 0) return Math.max(least, this.#expectedBytes)
    return Math.max(least, Math.min(this.bytes, MOST_SEGMENT_BYTES))
  }
}
