/**
 * The physical limit: the bytes written one after another and synced, with nothing else done. `zeroFilled`
 * writes the whole length first, so that a sync has no new length and no new blocks to record.
 */
import * as fs from 'node:fs'

const ZEROS = Buffer.alloc(1024 * 1024)

export class BareFile {
  readonly #descriptor: number
  #position = 0

  /** @param zeroFilledBytes length that is filled with zeros and synced first; 0 for a file that grows. */
  constructor(path: string, zeroFilledBytes = 0) {
    this.#descriptor = fs.openSync(path, 'w')
    for (let at = 0; at < zeroFilledBytes; at += ZEROS.length) {
      fs.writeSync(this.#descriptor, ZEROS, 0, Math.min(ZEROS.length, zeroFilledBytes - at), at)
    }
    fs.fsyncSync(this.#descriptor)
  }

  /** Write and fdatasync on this thread. */
  commitSync(bytes: Buffer): void {
    this.#write(bytes)
    fs.fdatasyncSync(this.#descriptor)
  }

  /** Write on this thread, fdatasync in the thread pool. */
  commit(bytes: Buffer): Promise<void> {
    this.#write(bytes)
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#descriptor, (error) => (error ? reject(error) : resolve()))
    })
  }

  #write(bytes: Buffer): void {
    let done = 0
    while (done < bytes.length) {
      done += fs.writeSync(this.#descriptor, bytes, done, bytes.length - done, this.#position + done)
    }
    this.#position += bytes.length
  }

  close(): void {
    fs.closeSync(this.#descriptor)
  }
}
