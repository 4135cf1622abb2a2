/** An open file of a simulated disk. */

import type { OpenMode, StorageFile } from '../../../native-free-btree/index.ts'
import { StorageError } from '../../../native-free-btree/index.ts'
import type { Random } from '../random.ts'
import { type Fault, type OperationKind, PowerLoss, systemError } from './simulated-fault.ts'
import type { SimulatedInode } from './simulated-inode.ts'

/** What a file needs of its disk. */
export interface FileHost {
  readonly random: Random
  readonly hasPower: boolean
  bytesWritten: number
  leadsTo(path: string, inode: SimulatedInode): boolean
  begin(kind: OperationKind, path: string): Fault | undefined
  settle(): Promise<void>
  nextSequence(): number
}

export class SimulatedFile implements StorageFile {
  readonly path: string
  private readonly host: FileHost
  private readonly inode: SimulatedInode
  private readonly mode: OpenMode
  private isClosed = false

  constructor(host: FileHost, inode: SimulatedInode, path: string, mode: OpenMode) {
    this.host = host
    this.inode = inode
    this.path = path
    this.mode = mode
  }

  size(): number {
    this.assertOpen()
    if (!this.host.hasPower) throw new PowerLoss()
    return this.inode.visible.length
  }

  isAt(path: string): boolean {
    this.assertOpen()
    if (!this.host.hasPower) throw new PowerLoss()
    return this.host.leadsTo(path, this.inode)
  }

  readSync(target: Uint8Array, position: number): number {
    this.assertOpen()
    this.host.begin('read', this.path)
    return this.inode.visible.read(target, position)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const length = this.readSync(target, position)
    await this.host.settle()
    return length
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.assertWritable('write')
    const fault = this.host.begin('write', this.path)
    if (fault !== undefined) return this.failWrite(fault, source, position)
    const operation = this.inode.write(this.host.nextSequence(), source, position)
    this.host.bytesWritten += source.length
    await this.host.settle()
    if (Buffer.compare(source, operation.data) !== 0) {
      throw new Error(`The buffer of a write to ${this.path} at ${position} changed before it was done.`)
    }
    operation.settled = true
  }

  async sync(): Promise<void> {
    this.assertOpen()
    const fault = this.host.begin('sync', this.path)
    // Who only reads knows nothing of the writes: what it could read before the call is covered.
    const covered = new Set(this.inode.pending.filter(({ settled }) => settled || this.mode === 'read'))
    await this.host.settle()
    if (fault === undefined) {
      this.inode.harden(covered)
      return
    }
    if (fault.lies === true) return
    const { random } = this.host
    this.inode.loseSectors(random, fault.losing ?? random.pick([0.1, 0.5, 1]))
    throw systemError(fault.code ?? 'EIO', 'fdatasync', this.path)
  }

  async truncate(length: number): Promise<void> {
    this.assertWritable('ftruncate')
    this.host.begin('truncate', this.path)
    const operation = this.inode.truncate(this.host.nextSequence(), length)
    await this.host.settle()
    operation.settled = true
  }

  async close(): Promise<void> {
    this.isClosed = true
  }

  private async failWrite(fault: Fault, source: Uint8Array, position: number): Promise<never> {
    const length = Math.min(fault.written ?? this.host.random.int(source.length + 1), source.length)
    const operation = this.inode.write(this.host.nextSequence(), source.subarray(0, length), position)
    await this.host.settle()
    operation.settled = true
    throw systemError(fault.code ?? 'EIO', 'write', this.path)
  }

  private assertWritable(syscall: string): void {
    this.assertOpen()
    if (this.mode === 'read') throw systemError('EBADF', syscall, this.path)
  }

  private assertOpen(): void {
    if (!this.isClosed) return
    throw new StorageError('CLOSED', `The file is closed: ${this.path}`, { path: this.path })
  }
}
