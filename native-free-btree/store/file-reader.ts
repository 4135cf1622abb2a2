/** What is common to all that reads a store's file: reads of the last commit, values, snapshots, the file's successors, the close. */
import { resolve } from 'node:path'
import type { Backup, EntryPlace, Reference, Snapshot, StoreReader, StoreStats, ValueSource } from '../api.ts'
import { bytesOf, requireAmount, requireWhole } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import type { Clock } from '../clock.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { systemClock } from '../disk/system.ts'
import { StorageError } from '../errors.ts'
import type { Tree } from '../tree/tree.ts'
import { FileBackup } from './backup.ts'
import type { OpenFile } from './open-file.ts'
import { OpenList } from './open-list.ts'
import type { StoreOptions } from './options.ts'

/** The writer's part of the statistics. */
export type WriterStats = Pick<
  StoreStats,
  | 'checkpointRunning'
  | 'queuedBytes'
  | 'recordBytesWritten'
  | 'nodeBytesWritten'
  | 'filledBytesWritten'
  | 'poisoned'
>

/** Of those who have none. */
export const NO_WRITER: WriterStats = {
  checkpointRunning: false,
  queuedBytes: 0,
  recordBytesWritten: 0,
  nodeBytesWritten: 0,
  filledBytesWritten: 0,
  poisoned: undefined,
}

export abstract class FileReader<File extends OpenFile, Shown extends Snapshot> implements StoreReader {
  readonly path: string
  readonly uuid: string
  protected readonly options: StoreOptions
  protected readonly fileSystem: FileSystem
  protected readonly clock: Clock
  /** The file that the store's name leads to, as far as this reader knows. */
  protected current: File
  readonly #snapshots = new OpenList<Shown>()
  readonly #retired = new Set<OpenFile>()
  #whenNoSnapshots: (() => void) | undefined
  #closing: Promise<void> | undefined
  #closed: StorageError | undefined
  /** What keys were looked up in last, mostly a page with many of them: it is looked at once. */
  #holder: Uint8Array | undefined

  protected constructor(
    path: string,
    uuid: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    file: File,
  ) {
    // The working folder may be another one by the time that the file is asked for again.
    this.path = resolve(path)
    this.uuid = uuid
    this.options = options
    this.fileSystem = fileSystem
    this.clock = options.clock ?? systemClock
    this.current = file
  }

  abstract readonly commit: number
  abstract get(tree: string, key: Uint8Array): Buffer | undefined
  abstract getInto(tree: string, key: Uint8Array, target: Uint8Array): number
  abstract place(tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean
  abstract has(tree: string, key: Uint8Array): boolean

  /** Up to here the groups of the present file are durable, and lie there for whoever reads them. */
  protected abstract backupEnd(): number
  /** A snapshot of the last commit, which tells `onClose` when it is closed. */
  protected abstract show(onClose: (closed: Shown) => void): Shown
  /** The trees as of the last commit, and the memory of what the file does not hold of them. */
  protected abstract contents(): { trees: Iterable<Tree>; dirtyBytes: number }
  protected abstract writerStats(): WriterStats

  /** Ends what is under way when the store is closed: what comes later is refused with `reason`. */
  protected async finishWork(_reason: StorageError): Promise<void> {}

  /** Gives back what else is in memory, behind `finishWork`. */
  protected releaseMemory(): void {}

  protected async releaseLock(): Promise<void> {}

  get salt(): bigint {
    return this.current.salt
  }

  protected get isClosing(): boolean {
    return this.#closing !== undefined
  }

  protected assertReadable(): void {
    assertOutside()
    if (this.#closed !== undefined) throw this.#closed
  }

  protected assertNotClosing(): void {
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
  }

  /** What holds a key from `start` to `end`. Throws INVALID_ARGUMENT. */
  protected holderOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
    if (bytes !== this.#holder) this.#holder = bytesOf('what holds a key', bytes)
    const holder = this.#holder
    requireWhole('end', end, 0, holder.length)
    requireWhole('start', start, 0, end)
    return holder
  }

  /** For what a store that is closing does not take on any more. */
  protected assertOpen(): void {
    assertOutside()
    if (this.#closed !== undefined) throw this.#closed
    this.assertNotClosing()
  }

  snapshot(): Snapshot {
    return this.openSnapshot()
  }

  protected openSnapshot(): Shown {
    this.assertReadable()
    this.assertNotClosing()
    const snapshot = this.show(() => {
      this.#snapshots.remove(place)
      if (this.#snapshots.size === 0) this.#whenNoSnapshots?.()
    })
    const place = this.#snapshots.add(snapshot)
    return snapshot
  }

  get values(): ValueSource {
    return this.current.bytes
  }

  read(reference: Reference): Buffer {
    this.assertReadable()
    return this.values.read(reference)
  }

  lengthOf(reference: Reference): number {
    this.assertReadable()
    return this.values.lengthOf(reference)
  }

  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void> {
    this.assertReadable()
    return this.values.readStream(reference, start, end)
  }

  get fileBytes(): number {
    this.assertReadable()
    return this.current.file.size()
  }

  stats(): StoreStats {
    const { file, space } = this.current
    const { trees: all, dirtyBytes } = this.contents()
    const trees: StoreStats['trees'] = {}
    for (const tree of all) {
      trees[tree.definition.name] = sizeOf(tree)
    }
    return {
      fileBytes: file.size(),
      commit: this.commit,
      dirtyBytes,
      cachedBytes: space.cache.cachedBytes + space.cache.valueBytes,
      openSnapshots: this.#snapshots.size,
      retiredFiles: this.#retired.size,
      ...this.writerStats(),
      trees,
    }
  }

  backup(): Backup {
    this.assertReadable()
    return new FileBackup(this.current, () => this.backupEnd())
  }

  /** From now on this file is read; readers of the one before go on with that. */
  protected use(file: File): void {
    const before = this.current
    this.current = file
    this.#retired.add(before)
    before.retire(this.clock, () => this.#retired.delete(before))
  }

  close(timeoutMs = 0): Promise<void> {
    try {
      requireAmount('timeoutMs', timeoutMs)
    } catch (error) {
      return Promise.reject(error)
    }
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    // `#closing` is set when the first await gives way: from then on new work is refused.
    await Promise.resolve()
    const reason = new StorageError('CLOSED', 'the store was closed', { path: this.path })
    let failure: unknown
    try {
      await this.finishWork(reason)
    } catch (error) {
      failure = error
    }
    await this.#waitForSnapshots(timeoutMs)
    const left = this.#snapshots.values()
    for (const snapshot of left) snapshot.close()
    this.#closed = reason
    this.releaseMemory()
    // Whatever fails, all of it is given back.
    const closings = [...this.#retired, this.current].map((file) => () => file.close())
    for (const giveBack of [...closings, () => this.releaseLock()]) {
      try {
        await giveBack()
      } catch (error) {
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    if (left.length > 0) {
      const commits = left.map((snapshot) => snapshot.commit)
      throw new StorageError('SNAPSHOTS_OPEN', `snapshots of the commits ${commits.join(', ')} were open`, {
        commits,
      })
    }
  }

  async #waitForSnapshots(timeoutMs: number): Promise<void> {
    if (this.#snapshots.size === 0 || timeoutMs <= 0) return
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(timeoutMs, resolve, true)
      this.#whenNoSnapshots = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** Zeros where a damaged node stands in the way, which is not for statistics to report. */
function sizeOf(tree: Tree): StoreStats['trees'][string] {
  const size = { count: 0, bytes: 0, depth: 0 }
  try {
    const { root } = tree
    size.count = root?.count ?? 0
    size.bytes = root?.bytes ?? 0
    size.depth = tree.depth()
    return size
  } catch (error) {
    if (error instanceof StorageError && error.code === 'DAMAGED') return size
    throw error
  }
}
