/**
 * A store's commit read by its handle, on a descriptor of one's own: in another thread, beside the writer, without
 * a lock. What the handle names is durable and is never written again, so nothing of the writer's memory is
 * needed. The file is known by its salt, with which all its hashes are seeded.
 */
import type {
  FileSnapshot,
  LogPoint,
  LogStretch,
  Reference,
  SnapshotHandle,
  TreeReader,
  ValuePlace,
} from '../api.ts'
import {
  bytesOf,
  referenceOf,
  refuse,
  requireObject,
  requirePath,
  requireWhole,
  storeOptions,
  unknownTree,
} from '../arguments.ts'
import { type CacheSpace, PageCache } from '../cache/page-cache.ts'
import { PageSource } from '../cache/page-source.ts'
import { assertOutside } from '../callbacks.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import { REFERENCE_BYTES } from '../format.ts'
import { LogReader } from '../log/log-reader.ts'
import { identify, requireGenesis } from '../log/recovery.ts'
import { RootReader } from '../tree/reader.ts'
import { Tree } from '../tree/tree.ts'
import { partsOf, ValueReader } from '../values/values.ts'
import { Ledger } from '../write/ledger.ts'
import { readCheckpoint } from './load.ts'
import type { StoreOptions } from './options.ts'

/**
 * Opens the commit; trees are read with the orders and summaries of `options.trees`. `definitions` are trees that
 * the log behind the commit has named already, by id. Throws NOT_FOUND when the file at the handle's path is
 * another one by now.
 */
export async function openSnapshot(
  handle: SnapshotHandle,
  given: Pick<StoreOptions, 'trees' | 'fileSystem' | 'cache'> = {},
  definitions: ReadonlyMap<number, string> = new Map(),
): Promise<FileSnapshot> {
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  requireHandle(handle)
  const file = await typedFileSystem(options.fileSystem ?? nodeFileSystem).open(handle.path, 'read')
  try {
    const { salt, uuid } = await identify(file)
    if (salt !== handle.salt || uuid.toString('hex') !== handle.uuid) {
      throw new StorageError('NOT_FOUND', `${handle.path} is not the file of this snapshot any more`)
    }
    return await StoredSnapshot.read(file, handle, options, definitions)
  } catch (error) {
    await file.close()
    throw error
  }
}

function requireHandle(handle: SnapshotHandle): void {
  requireObject('a handle', handle)
  requirePath(handle.path)
  if (typeof handle.salt !== 'bigint') refuse('salt', 'a bigint', handle.salt)
  requireObject('checkpoint', handle.checkpoint)
  const { position, length, hash } = handle.checkpoint
  requireWhole('position', position)
  requireWhole('length', length)
  if (typeof hash !== 'bigint') refuse('hash', 'a bigint', hash)
}

class StoredSnapshot implements FileSnapshot {
  readonly handle: SnapshotHandle
  readonly logStart: LogPoint
  readonly definitions: Map<number, string>
  readonly #file: StorageFile
  readonly #space: CacheSpace
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #trees: ReadonlyMap<string, Tree>
  readonly #log: LogReader
  #open = true

  private constructor(
    file: StorageFile,
    handle: SnapshotHandle,
    parts: {
      space: CacheSpace
      source: PageSource
      trees: ReadonlyMap<string, Tree>
      definitions: Map<number, string>
      logStart: LogPoint
    },
  ) {
    this.handle = handle
    this.logStart = parts.logStart
    this.definitions = parts.definitions
    this.#file = file
    this.#space = parts.space
    this.#source = parts.source
    this.#values = new ValueReader(file, handle.salt)
    this.#trees = parts.trees
    this.#log = new LogReader(file, handle.salt, this.#values, parts.definitions)
    this.#source.addReader()
  }

  static async read(
    file: StorageFile,
    handle: SnapshotHandle,
    options: Pick<StoreOptions, 'trees' | 'cache'>,
    known: ReadonlyMap<number, string>,
  ): Promise<StoredSnapshot> {
    const { checkpoint: pointer, salt } = handle
    const record = pointer.position === 0 ? undefined : readCheckpoint(file, salt, pointer)
    const cache = options.cache ?? new PageCache(16 * 1024 * 1024)
    const space = cache.space()
    const source = new PageSource(file, salt, space)
    const trees = new Map<string, Tree>()
    const definitions = new Map(known)
    for (const { definition, root } of record?.trees ?? []) {
      const tree = new Tree(definition, options.trees?.[definition.name] ?? {}, source, new Ledger(cache))
      tree.root = root
      trees.set(definition.name, tree)
      definitions.set(definition.id, definition.name)
    }
    const logStart = record?.replay ?? (await firstGroup(file))
    return new StoredSnapshot(file, handle, { space, source, trees, definitions, logStart })
  }

  get treeNames(): string[] {
    return [...this.#trees.keys()]
  }

  #assertOpen(): void {
    assertOutside()
    if (!this.#open) throw new StorageError('CLOSED', 'the snapshot was closed')
  }

  tree(name: string): TreeReader {
    this.#assertOpen()
    const tree = this.#trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    tree.assertReadable()
    return new RootReader(tree, tree.root, this.#source, this.#values, () => this.#open)
  }

  read(reference: Reference): Buffer {
    this.#assertOpen()
    return this.#values.read(referenceOf(reference))
  }

  locate(bytes: Uint8Array, offset: number): Readonly<ValuePlace> {
    this.#assertOpen()
    const holder = bytesOf('what holds a reference', bytes)
    requireWhole('offset', offset, 0, holder.length - REFERENCE_BYTES)
    return this.#values.locate(holder, offset)
  }

  lengthOf(reference: Reference): number {
    return partsOf(referenceOf(reference)).length
  }

  readStream(given: Reference): AsyncGenerator<Buffer, void, void> {
    this.#assertOpen()
    const reference = Buffer.from(referenceOf(given))
    return this.#values.stream(reference, 0, partsOf(reference).length)
  }

  async readLog(from: LogPoint, end: number, maxBytes: number): Promise<LogStretch> {
    this.#assertOpen()
    requireObject('a point of the log', from)
    requireWhole('a position', from.position)
    if (typeof from.previousHash !== 'bigint') refuse('previousHash', 'a bigint', from.previousHash)
    requireWhole('end', end)
    requireWhole('maxBytes', maxBytes, 1)
    return this.#log.read(from, end, maxBytes)
  }

  async close(): Promise<void> {
    if (this.#open) this.#source.removeReader()
    this.#open = false
    this.#space.clear()
    await this.#file.close()
  }
}

async function firstGroup(file: StorageFile): Promise<LogPoint> {
  const { start } = await requireGenesis(file)
  return { position: start.position, previousHash: start.lastHash }
}
