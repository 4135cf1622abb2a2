/** A file in memory that counts its reads. */
import type { StorageFile } from '../../native-free-btree/disk/file-system.ts'

export class MemoryFile implements StorageFile {
  readonly path = 'memory'
  bytes: Buffer
  reads = 0
  bytesRead = 0

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  size(): number {
    return this.bytes.length
  }

  isAt(): boolean {
    return true
  }

  readSync(target: Uint8Array, position: number): number {
    this.reads += 1
    const found = this.bytes.subarray(position, position + target.length)
    target.set(found)
    this.bytesRead += found.length
    return found.length
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.readSync(target, position)
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.bytes.set(source, position)
  }

  async sync(): Promise<void> {}

  async truncate(length: number): Promise<void> {
    this.bytes = this.bytes.subarray(0, length)
  }

  async close(): Promise<void> {}
}
