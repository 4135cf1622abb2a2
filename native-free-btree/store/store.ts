/** The store as callers see it: reads from the trees in memory and the file, writes through the writer. */
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
  TreeOptions,
  Turn,
  ValueSource,
} from '../api.ts'
import {
  bytesOf,
  refuse,
  requireAmount,
  requireFunction,
  requireMethods,
  requireObject,
  requirePath,
  requireSignal,
  storeOptions,
  unknownTree,
} from '../arguments.ts'
import { type CacheSpace, PageCache } from '../cache/page-cache.ts'
import { assertOutside } from '../callbacks.ts'
import type { Clock, RandomBytes } from '../clock.ts'
import type { FileSystem, StorageFile } from '../disk/file-system.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { systemClock, systemRandom } from '../disk/system.ts'
import { typed, typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import { acquireLock } from '../lock/lock.ts'
import { type GroupBuilder, PART_BYTES } from '../log/builder.ts'
import { announce, knownDurableEnd } from '../log/durable-ends.ts'
import { identify, type Located, locate, repair } from '../log/recovery.ts'
import { cellHasKey, lowerBound } from '../page/layout.ts'
import { getValue } from '../tree/reader.ts'
import type { Tree } from '../tree/tree.ts'
import { Writer } from '../write/group-commit.ts'
import { Ledger } from '../write/ledger.ts'
import { appendStream } from './append-stream.ts'
import { FileBackup } from './backup.ts'
import type { BulkStore } from './bulk-store.ts'
import { checkStore } from './check.ts'
import { createFile, folderOf, loadTrees } from './open.ts'
import { OpenFile, type Parts } from './open-file.ts'
import { StoreSnapshot } from './snapshot.ts'

export interface StoreOptions {
  /** The trees that the caller will use; missing ones are made. */
  trees?: Record<string, TreeOptions>
  /** Makes the file when there is none. Default true. */
  create?: boolean
  /** Opens beside a writer, without a lock; `refresh()` moves on. Default false. */
  readOnly?: boolean
  /** One budget for all stores that are given it. Default: one of 64 MiB for the process. */
  cache?: PageCache
  /** A checkpoint starts after this many bytes of records. Default 32 MiB. */
  checkpointLogBytes?: number
  /** Most bytes of dirty nodes. Default: half of the cache's budget, 128 MiB at most. */
  dirtyBytes?: number
  /** Bound of the writer's queue. Default 16 MiB. */
  queueBytes?: number
  /** Transactions longer than this go out in several groups. Default 4 MiB, which is also the most. */
  partBytes?: number
  fileSystem?: FileSystem
  clock?: Clock
  random?: RandomBytes
  /** Takes the writer's lock; simulations pass their own. */
  lock?: (path: string) => Promise<{ release(): Promise<void> }>
  /** Position of the first group of a new file, a multiple of 8: for tests of large offsets. */
  firstGroupPosition?: number
}

/** Attempts of a reader that meets a file in the middle of the writer's recovery. */
const READER_ATTEMPTS = 5

/** Of a transaction whose caller does not say. */
const DEFAULT_SIZE_HINT_BYTES = 256

let sharedCache: PageCache | undefined

function defaultCache(): PageCache {
  sharedCache ??= new PageCache(64 * 1024 * 1024)
  return sharedCache
}

/** Opens, or makes, the store at `path`. Rejects with the codes that errors.ts lists. */
export async function openStore(path: string, given: StoreOptions = {}): Promise<Store> {
  requirePath(path)
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
  if (options.readOnly === true) {
    if (!(await fileSystem.exists(path))) throw notFound(path)
    return FileStore.openForReading(path, options, fileSystem)
  }
  const lock = await lockOf(path, options)
  try {
    if (!(await fileSystem.exists(path))) {
      if (options.create === false) throw notFound(path)
      const first = options.firstGroupPosition
      await createFile(fileSystem, path, options.clock ?? systemClock, options.random ?? systemRandom, first)
      return await FileStore.openForWriting(path, options, fileSystem, lock, true)
    }
    return await FileStore.openForWriting(path, options, fileSystem, lock, false)
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function lockOf(path: string, options: StoreOptions): Promise<{ release(): Promise<void> }> {
  const lock = await typed(path, () => (options.lock ?? acquireLock)(path))
  requireMethods('what `lock` gives', lock, ['release'])
  return { release: () => typed(path, () => lock.release()) }
}

function notFound(path: string): StorageError {
  return new StorageError('NOT_FOUND', `there is no store at ${path}`, { path })
}

class FileStore implements Store, BulkStore {
  readonly path: string
  readonly uuid: string
  readonly recovery: RecoveryReport
  readonly #options: StoreOptions
  readonly #fileSystem: FileSystem
  #file: OpenFile
  #readCommit: number
  readonly #lock: { release(): Promise<void> } | undefined
  readonly #snapshots = new Set<StoreSnapshot>()
  readonly #retired = new Set<OpenFile>()
  #whenNoSnapshots: (() => void) | undefined
  #closing: Promise<void> | undefined
  #refreshing: Promise<void> = Promise.resolve()
  #closed: StorageError | undefined
  #unannounce: () => void = () => undefined

  private constructor(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    parts: Parts,
    recovery: RecoveryReport,
    lock: { release(): Promise<void> } | undefined,
  ) {
    // The working folder may be another one by the time that the file is asked for again.
    this.path = resolve(path)
    this.uuid = parts.located.uuid.toString('hex')
    this.recovery = recovery
    this.#options = options
    this.#fileSystem = fileSystem
    this.#file = new OpenFile(parts)
    this.#readCommit = parts.located.end.commit
    this.#lock = lock
    if (lock !== undefined) {
      this.#file.writer = this.#makeWriter(this.#file, parts, recovery.outcome === 'created')
      this.#announce()
    }
  }

  static async openForWriting(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    lock: { release(): Promise<void> },
    created: boolean,
  ): Promise<FileStore> {
    const file = await fileSystem.open(path, 'write')
    try {
      const located = await locate(file, true)
      await repair(file, located)
      const parts = await loadParts(file, located, options, spaceOf(options))
      return new FileStore(path, options, fileSystem, parts, reportOf(parts, created), lock)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  static async openForReading(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
  ): Promise<FileStore> {
    const file = await fileSystem.open(path, 'read')
    try {
      const parts = await loadBesideWriter(file, fileSystem, options, spaceOf(options))
      return new FileStore(path, options, fileSystem, parts, reportOf(parts, false), undefined)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get #writer(): Writer | undefined {
    return this.#file.writer
  }

  get #clock(): Clock {
    return this.#options.clock ?? systemClock
  }

  #makeWriter(file: OpenFile, { located, loaded }: Parts, isNameDurable: boolean, before?: Writer): Writer {
    const options = this.#options
    const budget = (options.cache ?? defaultCache()).budgetBytes
    const writer = new Writer({
      file: file.file,
      path: this.path,
      clock: this.#clock,
      ledger: file.ledger,
      source: file.source,
      values: file.values,
      trees: file.trees,
      queue: before?.queue,
      syncName: isNameDurable ? undefined : () => this.#fileSystem.syncDirectory(folderOf(this.path)),
      limits: {
        checkpointLogBytes: options.checkpointLogBytes ?? 32 * 1024 * 1024,
        dirtyBytes: options.dirtyBytes ?? Math.min(budget / 2, 128 * 1024 * 1024),
        queueBytes: options.queueBytes ?? 16 * 1024 * 1024,
        partBytes: Math.min(options.partBytes ?? PART_BYTES, PART_BYTES),
      },
      state: {
        uuid: located.uuid,
        salt: located.salt,
        end: located.end.position,
        lastHash: located.end.lastHash,
        lastPosition: located.end.lastPosition,
        // A store's commits are counted on, whatever the file that takes its name has counted.
        commit: Math.max(located.end.commit, before?.commit ?? 0),
        generation: located.generation,
        sequence: located.sequence,
        nextSlot: located.nextSlot,
        checkpoint: located.end.checkpoint,
        replay: { position: loaded.replayPosition, previousHash: loaded.replayPreviousHash },
        replayBytes: loaded.replayBytes,
        clean: located.clean,
      },
    })
    for (const tree of loaded.added) writer.define(tree)
    return writer
  }

  #announce(): void {
    this.#unannounce()
    const { salt, writer } = this.#file
    const writing = {
      salt,
      get durableEnd() {
        return writer!.durableEnd
      },
    }
    this.#unannounce = announce(this.#fileSystem, this.path, writing)
  }

  get salt(): bigint {
    return this.#file.salt
  }

  get commit(): number {
    return this.#writer?.commit ?? this.#readCommit
  }

  #assertReadable(): void {
    assertOutside()
    if (this.#closed !== undefined) throw this.#closed
    if (this.#writer?.broken !== undefined) throw this.#writer.broken
  }

  #tree(name: string): Tree {
    this.#assertReadable()
    const tree = this.#file.trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    tree.assertReadable()
    return tree
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    const tree = this.#tree(name)
    return getValue(tree.root, bytesOf('a key', key), this.#file.source, this.#file.values, tree.compare)
  }

  has(name: string, given: Uint8Array): boolean {
    const tree = this.#tree(name)
    const key = bytesOf('a key', given)
    const leaf = this.#file.source.leafFor(tree.root, key, tree.compare)
    return leaf !== undefined && cellHasKey(leaf, lowerBound(leaf, key, tree.compare), key, tree.compare)
  }

  snapshot(): Snapshot {
    return this.#snapshot()
  }

  #snapshot(): StoreSnapshot {
    this.#assertReadable()
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
    const snapshot = new StoreSnapshot(this.commit, this.#file, (closed) => {
      this.#snapshots.delete(closed)
      if (this.#snapshots.size === 0) this.#whenNoSnapshots?.()
    })
    this.#snapshots.add(snapshot)
    return snapshot
  }

  get values(): ValueSource {
    return this.#file.bytes
  }

  read(reference: Reference): Buffer {
    this.#assertReadable()
    return this.values.read(reference)
  }

  lengthOf(reference: Reference): number {
    this.#assertReadable()
    return this.values.lengthOf(reference)
  }

  readStream(reference: Reference, start?: number, end?: number): AsyncGenerator<Buffer, void, void> {
    this.#assertReadable()
    return this.values.readStream(reference, start, end)
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    this.#assertWritable()
    if (typeof source !== 'object' || source === null) refuse('a stream', 'an async iterable', source)
    const iterable = source as Partial<AsyncIterable<unknown> & Iterable<unknown>>
    if (typeof (iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator]) !== 'function') {
      refuse('a stream', 'an async iterable', source)
    }
    return appendStream(source, {
      current: () => this.#file,
      append: (bytes) => this.#append(bytes.length, (builder) => builder.appendValue(bytes)),
      appendIndex: (file, references, length) =>
        this.#assertWritable().submit('chunk', references.length * 16, (_tx, builder) =>
          this.#file === file ? builder.appendIndex(references, length) : undefined,
        ),
    })
  }

  /** Says of which file the reference is: it is appended to the one that is current in the writer's turn. */
  async #append(
    bytes: number,
    build: (builder: GroupBuilder) => Reference,
  ): Promise<{ reference: Reference; file: OpenFile }> {
    return this.#assertWritable().submit('chunk', bytes, (_tx, builder) => ({
      reference: build(builder),
      file: this.#file,
    }))
  }

  #assertWritable(): Writer {
    assertOutside()
    if (this.#closed !== undefined) throw this.#closed
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
    if (this.#writer === undefined) throw new StorageError('READ_ONLY', 'the store was opened for reading')
    if (this.#writer.broken !== undefined) throw this.#writer.broken
    return this.#writer
  }

  async transact<T>(build: (tx: Transaction) => T, options: TransactOptions = {}): Promise<T> {
    const writer = this.#assertWritable()
    requireFunction('build', build)
    requireObject('options', options)
    const { sizeHint = DEFAULT_SIZE_HINT_BYTES, signal } = options
    requireAmount('sizeHint', sizeHint)
    requireSignal(signal)
    return writer.submit('transaction', sizeHint, (tx) => build(tx), signal)
  }

  async checkpoint(): Promise<void> {
    let writer: Writer
    do {
      writer = this.#assertWritable()
      await writer.checkpoint()
      // Another file took the place of this one: what was written since is its to write.
    } while (this.#writer !== writer)
  }

  get fileBytes(): number {
    this.#assertReadable()
    return this.#file.file.size()
  }

  async check(onProgress?: (done: number, total: number) => void): Promise<CheckReport> {
    if (onProgress !== undefined) requireFunction('onProgress', onProgress)
    const snapshot = this.#snapshot()
    const { durableEnd } = this
    try {
      const { file, source, salt } = snapshot.file
      const looksBehind = this.#writer === undefined
      const extent = { durableEnd, looksBehind }
      return await checkStore(file, source, salt, snapshot.roots(), extent, onProgress)
    } finally {
      snapshot.close()
    }
  }

  stats(): StoreStats {
    const trees: StoreStats['trees'] = {}
    for (const [name, tree] of this.#file.trees) {
      trees[name] = { count: tree.root?.count ?? 0, bytes: tree.root?.bytes ?? 0, depth: depthOf(tree) }
    }
    const writer = this.#writer
    return {
      fileBytes: this.#file.file.size(),
      commit: this.commit,
      dirtyBytes: this.#file.ledger.totalBytes,
      cachedBytes: this.#file.space.cache.cachedBytes + this.#file.space.cache.valueBytes,
      openSnapshots: this.#snapshots.size,
      retiredFiles: this.#retired.size,
      checkpointRunning: writer?.checkpointRunning ?? false,
      queuedBytes: writer?.queuedBytes ?? 0,
      recordBytesWritten: writer?.recordBytesWritten ?? 0,
      nodeBytesWritten: writer?.nodeBytesWritten ?? 0,
      poisoned: writer?.poisoned?.message,
      trees,
    }
  }

  async refresh(): Promise<void> {
    this.#assertReadable()
    if (this.#writer !== undefined) return
    // One after another: an earlier one that ends later must not take the store back.
    const refreshed = this.#refreshing.then(() => this.#refresh())
    this.#refreshing = refreshed.catch(() => {})
    await refreshed
  }

  async #refresh(): Promise<void> {
    const file = await this.#fileSystem.open(this.path, 'read')
    let replaced: Parts | undefined
    try {
      const { salt, uuid } = await identify(file)
      if (uuid.toString('hex') !== this.uuid) {
        throw new StorageError('NOT_FOUND', `${this.path} is another store by now`, { path: this.path })
      }
      if (salt !== this.#file.salt) {
        replaced = await loadBesideWriter(file, this.#fileSystem, this.#options, spaceOf(this.#options))
      }
    } finally {
      if (replaced === undefined) await file.close()
    }
    if (replaced === undefined) await this.#reload()
    else if (this.#closing === undefined) this.#use(new OpenFile(replaced))
    else await new OpenFile(replaced).close()
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
    this.#readCommit = this.#file.located.end.commit
  }

  /** The same file, as it is by now. */
  async #reload(): Promise<void> {
    const open = this.#file
    const parts = await loadBesideWriter(open.file, this.#fileSystem, this.#options, open.space)
    if (this.#closing !== undefined) {
      parts.ledger.clear()
      throw new StorageError('CLOSED', 'the store is closing')
    }
    open.ledger.clear()
    open.ledger = parts.ledger
    open.located = parts.located
    open.trees = parts.loaded.trees
  }

  /** From now on the store is this file; readers of the one before go on with that. */
  #use(file: OpenFile): void {
    const before = this.#file
    this.#file = file
    this.#retired.add(before)
    before.retire(this.#clock, () => this.#retired.delete(before))
  }

  get durableEnd(): number {
    return this.#writer?.durableEnd ?? this.#file.located.end.position
  }

  backup(): Backup {
    this.#assertReadable()
    return new FileBackup(this.#file, this.durableEnd)
  }

  async exportSnapshot(): Promise<SnapshotHandle> {
    for (;;) {
      const writer = this.#assertWritable()
      const { salt } = this.#file
      await writer.checkpoint()
      // A compaction may have given the store another file meanwhile: a checkpoint is good with its own file alone.
      if (this.#writer !== writer) continue
      const { path, uuid } = this
      return { path, uuid, salt, checkpoint: { ...writer.newestCheckpoint } }
    }
  }

  slowDown(delayMs: number): void {
    requireAmount('delayMs', delayMs)
    if (this.#writer !== undefined) this.#writer.delayMs = delayMs
  }

  async turn(): Promise<Turn> {
    const { end, giveBack } = await this.#assertWritable().turn()
    let state: 'lent' | 'replacing' | 'over' = 'lent'
    return {
      end,
      giveBack: () => {
        // While the name changes hands the old file must not take another group.
        if (state !== 'lent') return
        state = 'over'
        giveBack()
      },
      replaceWith: async (path) => {
        requirePath(path)
        if (state !== 'lent') throw new StorageError('INVALID_ARGUMENT', 'the turn is over')
        state = 'replacing'
        try {
          await this.#replaceWith(path)
        } finally {
          state = 'over'
          giveBack()
        }
      },
    }
  }

  /**
   * In the writer's turn. What must be durable before what:
   * 1. Everything acknowledged is in the new file, synced: opening it checks its groups, and what no superblock
   *    vouches for is written again and synced.
   * 2. Only then the rename: at any crash the name leads to one of two files that hold the same.
   * 3. Only after the folder's sync the first group goes into the new file. Were it acknowledged earlier, a crash
   *    that takes the rename back would take the acknowledged write with it. Where the folder cannot be opened, the sync
   *    is the new file's writer's to make up for.
   */
  async #replaceWith(path: string): Promise<void> {
    const before = this.#assertWritable()
    const parts = await this.#openSuccessor(path)
    let isNameDurable: boolean
    try {
      before.assertNamed()
      isNameDurable = await this.#rename(path, before)
    } catch (error) {
      parts.ledger.clear()
      parts.space.clear()
      await parts.file.close()
      throw error
    }
    // What was resolved before the turn began has reached those who waited for it, references among it.
    await new Promise((resolve) => setImmediate(resolve))
    const after = new OpenFile(parts)
    after.writer = this.#makeWriter(after, parts, isNameDurable, before)
    this.#use(after)
    this.#announce()
    before.handOver(after.writer)
  }

  async #openSuccessor(path: string): Promise<Parts> {
    let file: StorageFile | undefined
    try {
      file = await this.#fileSystem.open(path, 'write')
      const located = await locate(file, true)
      if (located.uuid.toString('hex') !== this.uuid || located.salt === this.#file.salt) {
        throw new StorageError('INVALID_ARGUMENT', `${path} is no successor of ${this.path}`)
      }
      await repair(file, located)
      return await loadParts(file, located, this.#options, spaceOf(this.#options))
    } catch (error) {
      await file?.close()
      if (error instanceof StorageError && error.code !== 'IO_FAILED') throw error
      throw new StorageError('WRITE_FAILED', `${path} could not be opened`, { path }, error)
    }
  }

  /** Gives the file at `path` the store's name. Returns whether the name is durable. */
  async #rename(path: string, writer: Writer): Promise<boolean> {
    try {
      await this.#fileSystem.rename(path, this.path)
    } catch (error) {
      const stayed = await this.#fileSystem.exists(path).catch(() => false)
      if (!stayed) throw writer.poison('a rename failed and may have been done', error)
      throw new StorageError('WRITE_FAILED', `${path} could not be renamed`, { path }, error)
    }
    try {
      await this.#fileSystem.syncDirectory(folderOf(this.path))
      return true
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'SYNC_FAILED')) return false
      throw writer.poison('the folder of a renamed file could not be synced', error)
    }
  }

  // For those who make such a file: see bulk-load.ts.

  bulk<T>(bytes: number, build: (builder: GroupBuilder) => T): Promise<T> {
    return this.#assertWritable().submit('chunk', bytes, (_tx, builder) => build(builder))
  }

  treeOf(name: string): Tree {
    return this.#tree(name)
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
      await this.#writer?.close(reason)
    } catch (error) {
      failure = error
    }
    await this.#waitForSnapshots(timeoutMs)
    const left = [...this.#snapshots]
    for (const snapshot of left) snapshot.close()
    this.#closed = reason
    this.#unannounce()
    this.#writer?.release()
    // Whatever fails, all of it is given back.
    const closings = [...this.#retired, this.#file].map((file) => () => file.close())
    for (const giveBack of [...closings, async () => this.#lock?.release()]) {
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
      const cancel = (this.#options.clock ?? systemClock).after(timeoutMs, resolve)
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

function spaceOf(options: StoreOptions): CacheSpace {
  return (options.cache ?? defaultCache()).space()
}

async function loadParts(
  file: StorageFile,
  located: Located,
  options: StoreOptions,
  space: CacheSpace,
): Promise<Parts> {
  const ledger = new Ledger(space.cache)
  const writing = options.readOnly !== true
  try {
    const loaded = await loadTrees(file, located, options.trees ?? {}, space, ledger, writing)
    return { file, located, loaded, space, ledger }
  } catch (error) {
    ledger.clear()
    space.clear()
    throw error
  }
}

/** What a reader may see now. The file may change under its eyes: what looks like damage is looked at again. */
async function loadBesideWriter(
  file: StorageFile,
  fileSystem: FileSystem,
  options: StoreOptions,
  space: CacheSpace,
): Promise<Parts> {
  for (let attempt = 1; ; attempt++) {
    try {
      const { salt } = await identify(file)
      const located = await locate(file, false, knownDurableEnd(fileSystem, file.path, salt))
      return await loadParts(file, located, options, space)
    } catch (error) {
      const again = error instanceof StorageError && error.code === 'DAMAGED' && attempt < READER_ATTEMPTS
      if (!again) throw error
    }
  }
}

function reportOf({ located, loaded }: Parts, created: boolean): RecoveryReport {
  const cutBytes = Math.max(0, located.fileBytes - located.end.position)
  const outcome = created ? 'created' : cutBytes > 0 ? 'cut' : located.clean ? 'clean' : 'replayed'
  return {
    outcome,
    cutBytes,
    cutAt: located.end.position,
    lastCommit: located.end.commit,
    groupsReplayed: loaded.groupsReplayed,
    recordsReplayed: loaded.recordsReplayed,
    badSuperblocks: located.badSuperblocks,
  }
}
