/** Values between a process and the one that it works for, one behind the other on a pipe: each with its length before it. */
import { readSync, writeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import type { ListAnswer, ListJob, ListStep, PlainJob, Reply, Work } from '../threads/protocol.ts'

/** What a process is sent. */
export type Sent = { work: Omit<Work, 'job'> & { job: PlainJob | ListJob } } | { answer: ListAnswer }
/** What it sends. */
export type Told = { reply: Reply } | { step: ListStep }

/** The standard input and output of a process. */
const INPUT = 0
const OUTPUT = 1
const LENGTH_BYTES = 4
/** More than any batch or its rows take. */
const MOST_BYTES = 512 * 1024 * 1024

export function frameOf(value: Sent | Told): Buffer {
  const bytes = serialize(value)
  const length = Buffer.allocUnsafe(LENGTH_BYTES)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Takes a pipe's bytes as they come. */
export class FrameReader {
  #pieces: Buffer[] = []
  #bytes = 0
  #wanted = LENGTH_BYTES

  /** The frames that end with this piece. Throws where the bytes are none. */
  take(piece: Buffer): unknown[] {
    const frames: unknown[] = []
    this.#pieces.push(piece)
    this.#bytes += piece.length
    while (this.#bytes >= this.#wanted) {
      const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces)
      const end = LENGTH_BYTES + all.readUInt32LE(0)
      if (end > MOST_BYTES) throw new Error('a frame is too long')
      this.#pieces = [all]
      this.#wanted = end
      if (this.#bytes < end) break
      this.#pieces = end < all.length ? [all.subarray(end)] : []
      this.#bytes -= end
      this.#wanted = LENGTH_BYTES
      frames.push(deserialize(all.subarray(LENGTH_BYTES, end)))
    }
    return frames
  }
}

/** Blocks until a frame is there; undefined when nobody is at the other end any more. */
export function receive(): Sent | undefined {
  const length = readAll(LENGTH_BYTES)
  const bytes = length && readAll(length.readUInt32LE(0))
  return bytes && (deserialize(bytes) as Sent)
}

/** Blocks until it is written. Throws when nobody is at the other end any more. */
export function send(value: Told): void {
  const bytes = frameOf(value)
  for (let at = 0; at < bytes.length; ) at += writeSync(OUTPUT, bytes, at)
}

function readAll(length: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let at = 0; at < length; ) {
    const more = readSome(bytes, at)
    if (more === 0) return undefined
    at += more
  }
  return bytes
}

function readSome(bytes: Buffer, at: number): number {
  try {
    return readSync(INPUT, bytes, at, bytes.length - at, null)
  } catch {
    // Where the other end is closed, some systems say so by an error.
    return 0
  }
}
