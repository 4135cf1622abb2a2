/**
 * A physical copy of a store as of its last commit, taken while it goes on. Nothing behind the superblocks is ever
 * written again once it is durable, so the copy is the superblocks as they are at one moment, which name nothing
 * that is not durable, and the bytes up to the end of the last durable group of that moment. Parts of copies that
 * were taken at different moments of one file go together: an older superblock leads to the same groups.
 */
import type { Backup } from '../api.ts'
import { requireWhole } from '../arguments.ts'
import { StorageError } from '../errors.ts'
import { GENESIS_POSITION } from '../format.ts'
import type { OpenFile } from './open-file.ts'

const CHUNK_BYTES = 256 * 1024

export class FileBackup implements Backup {
  readonly length: number
  readonly salt: bigint
  readonly #open: OpenFile
  readonly #head = Buffer.alloc(GENESIS_POSITION)

  /** `durableEnd` is asked when the head has been read: the writer may be another thread, and go on meanwhile. */
  constructor(open: OpenFile, durableEnd: () => number) {
    this.salt = open.salt
    this.#open = open
    open.touch()
    open.file.readSync(this.#head, 0)
    this.length = durableEnd()
  }

  bytes(start = 0, end = this.length): AsyncGenerator<Buffer, void, void> {
    requireWhole('end', end, 0, this.length)
    requireWhole('start', start, 0, end)
    return this.#pinned(start, end)
  }

  async *#pinned(start: number, end: number): AsyncGenerator<Buffer, void, void> {
    const unpin = this.#open.pin()
    try {
      for (let at = start; at < end; ) {
        const bytes = at < GENESIS_POSITION ? this.#head.subarray(at, end) : await this.#read(at, end)
        yield bytes
        at += bytes.length
      }
    } finally {
      unpin()
    }
  }

  async #read(at: number, end: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at))
    const read = await this.#open.file.read(bytes, at)
    if (read === bytes.length) return bytes
    throw new StorageError('DAMAGED', `only ${read} of ${bytes.length} bytes are there`, { position: at })
  }
}
