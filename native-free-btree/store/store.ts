/** What every open store does, with a writer or without: reads of the last commit, snapshots, checks, the close. */
import { resolve } from 'node:path'
import type {
  Backup,
  CheckReport,
  RecoveryReport,
  Reference,
  Snapshot,
  SnapshotHandle,
  Store,
  StoreStats,
  Transaction,
  TransactOptions,
  Turn,
  ValueSource,
} from '../api.ts'
import { bytesOf, requireAmount, requireFunction, unknownTree } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import type { Clock } from '../clock.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { systemClock } from '../disk/system.ts'
import { StorageError } from '../errors.ts'
import { cellHasKey, lowerBound } from '../page/search.ts'
import { getValue } from '../tree/reader.ts'
import type { Tree } from '../tree/tree.ts'
import { FileBackup } from './backup.ts'
import { checkStore } from './check.ts'
import type { OpenFile } from './open-file.ts'
import type { StoreOptions } from './options.ts'
import { StoreSnapshot } from './snapshot.ts'

/** The writer's part of the statistics. */
export type WriterStats = Pick<
  StoreStats,
  'checkpointRunning' | 'queuedBytes' | 'recordBytesWritten' | 'nodeBytesWritten' | 'poisoned'
>

export abstract class FileStore<File extends OpenFile> implements Store {
  readonly path: string
  readonly uuid: string
  readonly recovery: RecoveryReport
  protected readonly options: StoreOptions
  protected readonly fileSystem: FileSystem
  protected readonly clock: Clock
  /** The file that the store's name leads to, as far as this store knows. */
  protected current: File
  readonly #snapshots = new Set<StoreSnapshot>()
  readonly #retired = new Set<OpenFile>()
  #whenNoSnapshots: (() => void) | undefined
  #closing: Promise<void> | undefined
  #closed: StorageError | undefined

  protected constructor(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    file: File,
    recovery: RecoveryReport,
  ) {
    // The working folder may be another one by the time that the file is asked for again.
    this.path = resolve(path)
    this.uuid = file.located.uuid.toString('hex')
    this.recovery = recovery
    this.options = options
    this.fileSystem = fileSystem
    this.clock = options.clock ?? systemClock
    this.current = file
  }

  abstract readonly commit: number
  abstract readonly durableEnd: number
  abstract transact<T>(build: (tx: Transaction) => T, options?: TransactOptions): Promise<T>
  abstract appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference>
  abstract checkpoint(): Promise<void>
  abstract exportSnapshot(): Promise<SnapshotHandle>
  abstract turn(): Promise<Turn>
  abstract slowDown(delayMs: number): void
  abstract refresh(): Promise<void>

  /** Whether `check` looks at what lies behind the last group: while a writer appends, that is its business. */
  protected abstract readonly looksBehind: boolean
  protected abstract writerStats(): WriterStats

  /** Ends the writes when the store is closed: what comes later is refused with `reason`. */
  protected async finishWriting(_reason: StorageError): Promise<void> {}

  /** Gives back what the writer has in memory, behind `finishWriting`. */
  protected releaseWriter(): void {}

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

  /** For what a store that is closing does not take on any more. */
  protected assertOpen(): void {
    assertOutside()
    if (this.#closed !== undefined) throw this.#closed
    this.assertNotClosing()
  }

  protected tree(name: string): Tree {
    this.assertReadable()
    const tree = this.current.trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    tree.assertReadable()
    return tree
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    const tree = this.tree(name)
    const { source, values } = this.current
    return getValue(tree.root, bytesOf('a key', key), source, values, tree.compare)
  }

  has(name: string, given: Uint8Array): boolean {
    const tree = this.tree(name)
    const key = bytesOf('a key', given)
    const leaf = this.current.source.leafFor(tree.root, key, tree.compare)
    return leaf !== undefined && cellHasKey(leaf, lowerBound(leaf, key, tree.compare), key, tree.compare)
  }

  snapshot(): Snapshot {
    return this.#snapshot()
  }

  #snapshot(): StoreSnapshot {
    this.assertReadable()
    this.assertNotClosing()
    const snapshot = new StoreSnapshot(this.commit, this.current, (closed) => {
      this.#snapshots.delete(closed)
      if (this.#snapshots.size === 0) this.#whenNoSnapshots?.()
    })
    this.#snapshots.add(snapshot)
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

  async check(onProgress?: (done: number, total: number) => void): Promise<CheckReport> {
    if (onProgress !== undefined) requireFunction('onProgress', onProgress)
    const snapshot = this.#snapshot()
    const { durableEnd, looksBehind } = this
    try {
      const { file, source, salt } = snapshot.file
      return await checkStore(file, source, salt, snapshot.roots(), { durableEnd, looksBehind }, onProgress)
    } finally {
      snapshot.close()
    }
  }

  stats(): StoreStats {
    const { file, ledger, space } = this.current
    const trees: StoreStats['trees'] = {}
    for (const [name, tree] of this.current.trees) {
      trees[name] = { count: tree.root?.count ?? 0, bytes: tree.root?.bytes ?? 0, depth: depthOf(tree) }
    }
    return {
      fileBytes: file.size(),
      commit: this.commit,
      dirtyBytes: ledger.totalBytes,
      cachedBytes: space.cache.cachedBytes + space.cache.valueBytes,
      openSnapshots: this.#snapshots.size,
      retiredFiles: this.#retired.size,
      ...this.writerStats(),
      trees,
    }
  }

  backup(): Backup {
    this.assertReadable()
    return new FileBackup(this.current, this.durableEnd)
  }

  /** From now on the store is this file; readers of the one before go on with that. */
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
      await this.finishWriting(reason)
    } catch (error) {
      failure = error
    }
    await this.#waitForSnapshots(timeoutMs)
    const left = [...this.#snapshots]
    for (const snapshot of left) snapshot.close()
    this.#closed = reason
    this.releaseWriter()
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
      const cancel = this.clock.after(timeoutMs, resolve)
      this.#whenNoSnapshots = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** Levels of a tree; 0 where a damaged node stands in the way, which is not for statistics to report. */
function depthOf(tree: Tree): number {
  try {
    return tree.depth()
  } catch (error) {
    if (error instanceof StorageError && error.code === 'DAMAGED') return 0
    throw error
  }
}
