/**
 * A file that is read mostly forwards, a little at a time: small reads are served from a window that is read at
 * once. The window holds only what nobody writes any more: neither superblocks nor what lies behind `durableEnd`.
 */
import type { StorageFile } from './file.ts'
import { GENESIS_POSITION } from './format.ts'

const WINDOW_BYTES = 256 * 1024
/** Larger reads, and the first small one in a new place, go past the window. */
const SMALL_BYTES = 64 * 1024

export class ReadAhead implements StorageFile {
  readonly path: string
  readonly #file: StorageFile
  readonly #window = Buffer.allocUnsafeSlow(WINDOW_BYTES)
  /** May be raised, as the writer makes more durable. */
  durableEnd = 0
  #start = 0
  #length = 0
  /** Behind the last read: a read that begins near it is one in a row. */
  #next = 0

  constructor(file: StorageFile) {
    this.path = file.path
    this.#file = file
  }

  size(): number {
    return this.#file.size()
  }

  readSync(target: Uint8Array, position: number): number {
    const end = position + target.length
    const inRow = position >= this.#next && position < this.#next + SMALL_BYTES
    this.#next = end
    if (position < GENESIS_POSITION || end > this.durableEnd || target.length > SMALL_BYTES) {
      return this.#file.readSync(target, position)
    }
    if (position < this.#start || end > this.#start + this.#length) {
      if (!inRow) return this.#file.readSync(target, position)
      this.#start = position
      const read = this.#file.readSync(this.#window, position)
      this.#length = Math.min(read, this.durableEnd - position)
      if (target.length > this.#length) return this.#file.readSync(target, position)
    }
    const at = position - this.#start
    target.set(this.#window.subarray(at, at + target.length))
    return target.length
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#file.read(target, position)
  }

  write(source: Uint8Array, position: number): Promise<void> {
    return this.#file.write(source, position)
  }

  sync(): Promise<void> {
    return this.#file.sync()
  }

  truncate(length: number): Promise<void> {
    return this.#file.truncate(length)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
