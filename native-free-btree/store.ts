/** The store as callers see it: reads from the trees in memory and the file, writes through the writer. */
import type {
  CheckReport,
  RecoveryReport,
  Reference,
  Snapshot,
  Store,
  StoreStats,
  Transaction,
  TransactOptions,
  TreeOptions,
} from './api.ts'
import { type CacheSpace, PageCache } from './cache.ts'
import { checkStore } from './check.ts'
import type { Clock, RandomBytes } from './clock.ts'
import { StorageError } from './errors.ts'
import type { FileSystem, StorageFile } from './file.ts'
import { PART_BYTES } from './group-builder.ts'
import { Ledger } from './ledger.ts'
import { acquireLock } from './lock.ts'
import { nodeFileSystem } from './node-file.ts'
import { createFile, type LoadedTrees, loadTrees } from './open.ts'
import { cellHasKey, lowerBound } from './page.ts'
import { PageSource } from './page-source.ts'
import { type Located, locate, repair } from './recovery.ts'
import { StoreSnapshot } from './snapshot.ts'
import { systemClock, systemRandom } from './system.ts'
import type { Tree } from './tree.ts'
import { getValue } from './tree-reader.ts'
import { partsOf, ValueReader } from './values.ts'
import { Writer } from './writer.ts'

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

/** Bytes of a streamed value in one record. */
const STREAM_CHUNK_BYTES = 128 * 1024
/** Their references must fit in one group. */
const MAX_STREAM_CHUNKS = 2 * 1024 * 1024
/** Attempts of a reader that meets a file in the middle of the writer's recovery. */
const READER_ATTEMPTS = 5

let sharedCache: PageCache | undefined

function defaultCache(): PageCache {
  sharedCache ??= new PageCache(64 * 1024 * 1024)
  return sharedCache
}

/** Opens, or makes, the store at `path`. Rejects with the codes that errors.ts lists. */
export async function openStore(path: string, options: StoreOptions = {}): Promise<Store> {
  const fileSystem = options.fileSystem ?? nodeFileSystem
  if (options.readOnly === true) {
    if (!(await fileSystem.exists(path))) throw notFound(path)
    return FileStore.openForReading(path, options, fileSystem)
  }
  const lock = await (options.lock ?? acquireLock)(path)
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

function notFound(path: string): StorageError {
  return new StorageError('NOT_FOUND', `there is no store at ${path}`, { path })
}

interface Parts {
  file: StorageFile
  located: Located
  loaded: LoadedTrees
  space: CacheSpace
  ledger: Ledger
}

class FileStore implements Store {
  readonly path: string
  readonly uuid: string
  readonly recovery: RecoveryReport
  readonly #options: StoreOptions
  readonly #file: StorageFile
  readonly #salt: bigint
  readonly #space: CacheSpace
  #ledger: Ledger
  readonly #source: PageSource
  readonly #values: ValueReader
  #trees: Map<string, Tree>
  #readCommit: number
  #located: Located
  readonly #writer: Writer | undefined
  readonly #lock: { release(): Promise<void> } | undefined
  readonly #snapshots = new Set<StoreSnapshot>()
  #whenNoSnapshots: (() => void) | undefined
  #closing: Promise<void> | undefined
  #refreshing: Promise<void> = Promise.resolve()
  #closed: StorageError | undefined

  private constructor(
    path: string,
    options: StoreOptions,
    parts: Parts,
    recovery: RecoveryReport,
    lock: { release(): Promise<void> } | undefined,
  ) {
    const { file, located, loaded, space, ledger } = parts
    this.path = path
    this.uuid = located.uuid.toString('hex')
    this.recovery = recovery
    this.#options = options
    this.#file = file
    this.#salt = located.salt
    this.#space = space
    this.#ledger = ledger
    this.#source = new PageSource(file, located.salt, space)
    this.#values = new ValueReader(file, located.salt, space.values)
    this.#trees = loaded.trees
    this.#readCommit = located.end.commit
    this.#located = located
    this.#lock = lock
    if (lock !== undefined) this.#writer = this.#makeWriter(parts)
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
      return new FileStore(path, options, parts, reportOf(parts, created), lock)
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
      const parts = await loadBesideWriter(file, options, spaceOf(options))
      return new FileStore(path, options, parts, reportOf(parts, false), undefined)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  #makeWriter({ located, loaded, ledger }: Parts): Writer {
    const options = this.#options
    const budget = (options.cache ?? defaultCache()).budgetBytes
    const writer = new Writer({
      file: this.#file,
      clock: options.clock ?? systemClock,
      ledger,
      source: this.#source,
      values: this.#values,
      trees: this.#trees,
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
        commit: located.end.commit,
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

  get commit(): number {
    return this.#writer?.commit ?? this.#readCommit
  }

  #assertReadable(): void {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#writer?.broken !== undefined) throw this.#writer.broken
  }

  #tree(name: string): Tree {
    this.#assertReadable()
    const tree = this.#trees.get(name)
    if (tree === undefined) throw new StorageError('UNKNOWN_TREE', `there is no tree ${name}`, { tree: name })
    tree.assertReadable()
    return tree
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    const tree = this.#tree(name)
    return getValue(tree.root, key, this.#source, this.#values, tree.compare)
  }

  has(name: string, key: Uint8Array): boolean {
    const tree = this.#tree(name)
    const leaf = this.#source.leafFor(tree.root, key, tree.compare)
    return leaf !== undefined && cellHasKey(leaf, lowerBound(leaf, key, tree.compare), key, tree.compare)
  }

  snapshot(): Snapshot {
    return this.#snapshot()
  }

  #snapshot(): StoreSnapshot {
    this.#assertReadable()
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
    const snapshot = new StoreSnapshot(
      this.commit,
      this.#trees.values(),
      this.#source,
      this.#values,
      (closed) => {
        this.#snapshots.delete(closed)
        if (this.#snapshots.size === 0) this.#whenNoSnapshots?.()
      },
    )
    this.#snapshots.add(snapshot)
    return snapshot
  }

  read(reference: Reference): Buffer {
    this.#assertReadable()
    return this.#values.read(reference)
  }

  lengthOf(reference: Reference): number {
    return partsOf(reference).length
  }

  readStream(reference: Reference, start = 0, end?: number): AsyncGenerator<Buffer, void, void> {
    this.#assertReadable()
    const length = partsOf(reference).length
    const last = end ?? length
    if (!(start >= 0 && start <= last && last <= length)) {
      throw new StorageError('INVALID_ARGUMENT', `bytes ${start} to ${last} of a value of ${length}`)
    }
    return this.#values.stream(reference, start, last)
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    const writer = this.#assertWritable()
    const references: Reference[] = []
    let total = 0
    let pending: Uint8Array[] = []
    let pendingBytes = 0
    const send = async () => {
      if (references.length >= MAX_STREAM_CHUNKS) {
        throw new StorageError('VALUE_TOO_LARGE', `a stream of more than ${total} bytes`)
      }
      const bytes = pending.length === 1 ? pending[0]! : Buffer.concat(pending)
      pending = []
      pendingBytes = 0
      references.push(
        await writer.submit('chunk', bytes.length, (_tx, builder) => builder.appendValue(bytes)),
      )
    }
    for await (const piece of source) {
      for (let at = 0; at < piece.length; ) {
        const taken = Buffer.from(piece.subarray(at, at + STREAM_CHUNK_BYTES - pendingBytes))
        pending.push(taken)
        pendingBytes += taken.length
        total += taken.length
        at += taken.length
        if (pendingBytes === STREAM_CHUNK_BYTES) await send()
      }
    }
    if (pendingBytes > 0 || references.length === 0) await send()
    if (references.length === 1) return references[0]!
    return writer.submit('chunk', references.length * 16, (_tx, builder) =>
      builder.appendIndex(references, total),
    )
  }

  #assertWritable(): Writer {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#closing !== undefined) throw new StorageError('CLOSED', 'the store is closing')
    if (this.#writer === undefined) throw new StorageError('READ_ONLY', 'the store was opened for reading')
    if (this.#writer.broken !== undefined) throw this.#writer.broken
    return this.#writer
  }

  async transact<T>(build: (tx: Transaction) => T, options: TransactOptions = {}): Promise<T> {
    const writer = this.#assertWritable()
    return writer.submit('transaction', options.sizeHint ?? 256, (tx) => build(tx), options.signal)
  }

  async checkpoint(): Promise<void> {
    await this.#assertWritable().checkpoint()
  }

  async check(onProgress?: (done: number, total: number) => void): Promise<CheckReport> {
    const snapshot = this.#snapshot()
    const durableEnd = this.#writer?.durableEnd ?? this.#located.end.position
    try {
      return await checkStore(this.#file, this.#source, this.#salt, snapshot.roots(), durableEnd, onProgress)
    } finally {
      snapshot.close()
    }
  }

  stats(): StoreStats {
    const trees: StoreStats['trees'] = {}
    for (const [name, tree] of this.#trees) {
      trees[name] = { count: tree.root?.count ?? 0, bytes: tree.root?.bytes ?? 0, depth: depthOf(tree) }
    }
    const writer = this.#writer
    return {
      fileBytes: this.#file.size(),
      commit: this.commit,
      dirtyBytes: this.#ledger.totalBytes,
      cachedBytes: this.#space.cache.cachedBytes + this.#space.cache.valueBytes,
      openSnapshots: this.#snapshots.size,
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
    const parts = await loadBesideWriter(this.#file, this.#options, this.#space)
    if (this.#closing !== undefined) {
      parts.ledger.clear()
      throw new StorageError('CLOSED', 'the store is closing')
    }
    this.#ledger.clear()
    this.#ledger = parts.ledger
    this.#located = parts.located
    this.#trees = parts.loaded.trees
    this.#readCommit = parts.located.end.commit
  }

  close(timeoutMs = 0): Promise<void> {
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
    this.#writer?.release()
    this.#ledger.clear()
    this.#space.clear()
    await this.#file.close()
    await this.#lock?.release()
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
async function loadBesideWriter(file: StorageFile, options: StoreOptions, space: CacheSpace): Promise<Parts> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await loadParts(file, await locate(file, false), options, space)
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
