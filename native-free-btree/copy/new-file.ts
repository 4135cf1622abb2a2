/**
 * A file that is being made to take a store's name: `NAME.compact` beside the store, of the store's uuid, with a salt
 * of its own. It is a store from its first byte, with one tree more, `compaction`, which holds
 * - `mark`: how far the making has come, JSON, and
 * - whatever the maker has to remember, under keys of its own.
 * Invariants:
 * - A mark is committed after everything that it counts on, and a commit's sync covers all groups before it. So
 *   whoever goes on from a mark finds all of it; what was appended behind the mark is named by nothing.
 * - A file without a mark, or with the mark of another file than the one that has the name now, is of no use to
 *   anybody, and is removed when the store is opened or a compaction begins.
 * - `finish` takes the mark away, and what else is in the tree, as the last thing: the file that takes the name
 *   carries an empty tree.
 */
import type { FileSnapshot, Reference, SnapshotHandle, Store, Transaction } from '../api.ts'
import { bytesOf, refuse, requireObject, requirePath, requireWhole, storeOptions } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { systemClock, systemRandom } from '../disk/system.ts'
import { typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import type { GroupBuilder } from '../log/builder.ts'
import type { BulkStore } from '../store/bulk-store.ts'
import { createFile } from '../store/create.ts'
import { openStore } from '../store/open-store.ts'
import type { StoreOptions } from '../store/options.ts'
import { TreeLoad } from './bulk-load.ts'

/** The tree of the maker's own. */
export const COMPACTION_TREE = 'compaction'
const MARK = Buffer.from('mark')
const FILL_BYTES = 1024 * 1024
/** Nothing is replayed but marks and the last changes: checkpoints are far apart. */
const CHECKPOINT_LOG_BYTES = 128 * 1024 * 1024

/** `NAME.compact`. */
export function newFileOf(path: string): string {
  return `${path}.compact`
}

interface Mark {
  /** Of the file that is copied: hex. */
  salt: string
  checkpoint: { position: number; length: number; hash: string }
  definitions: [number, string][]
  loads: Record<string, string>
  /** The maker's. */
  state: unknown
}

export type NewFileOptions = Pick<StoreOptions, 'trees' | 'fileSystem' | 'cache' | 'clock' | 'random'> & {
  /** A group of appended values and nodes is closed beyond this. Default 1 MiB. */
  fillBytes?: number
}

const noLock = async () => ({ release: async () => {} })

/** What is appended in one turn of the writer. */
export interface Filling {
  /** Bytes appended so far; beyond `FILL_BYTES` the turn should end. */
  readonly isFull: boolean
  readonly bytes: number
  append(value: Uint8Array): Reference
  /** Adds an entry to the tree's load, behind all before it. */
  add(tree: string, key: Uint8Array, value: Uint8Array): void
}

export class NewFile {
  readonly path: string
  /** What the mark said that was found; undefined for a new file. */
  readonly found: { handle: SnapshotHandle; definitions: Map<number, string>; state: unknown } | undefined
  readonly #store: BulkStore
  readonly #fillBytes: number
  readonly #loads = new Map<string, TreeLoad>()
  /** Why what is in memory is no longer what the file holds: it has to be opened again, and goes on from its mark. */
  #broken: StorageError | undefined
  /** It carries no mark any more: it takes the name, or is of no use. */
  isFinished = false

  private constructor(
    path: string,
    store: BulkStore,
    mark: Mark | undefined,
    sourcePath: string,
    fillBytes = FILL_BYTES,
  ) {
    this.path = path
    this.#store = store
    this.#fillBytes = fillBytes
    if (mark === undefined) return
    const { position, length, hash } = mark.checkpoint
    const checkpoint = { position, length, hash: BigInt(`0x${hash}`) }
    const handle = { path: sourcePath, uuid: store.uuid, salt: BigInt(`0x${mark.salt}`), checkpoint }
    this.found = { handle, definitions: new Map(mark.definitions), state: mark.state }
    for (const [name, saved] of Object.entries(mark.loads)) {
      this.#loads.set(name, new TreeLoad(store.treeOf(name), Buffer.from(saved, 'base64')))
    }
  }

  /**
   * Opens the file that was begun for the store at `path`, whose file has this uuid and salt, or makes a new one.
   * One that cannot be gone on with is removed. Nobody else may be doing the same.
   */
  static async open(
    path: string,
    source: { uuid: string; salt: bigint },
    given: NewFileOptions = {},
  ): Promise<NewFile> {
    requirePath(path)
    requireObject('source', source)
    if (!/^[0-9a-f]{32}$/.test(String(source.uuid))) refuse('uuid', '32 hex digits', source.uuid)
    if (typeof source.salt !== 'bigint') refuse('salt', 'a bigint', source.salt)
    const options = storeOptions(given)
    const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
    const { fillBytes } = options
    if (fillBytes !== undefined) requireWhole('fillBytes', fillBytes, 1)
    const target = newFileOf(path)
    const begun = await openBegun(fileSystem, target, source, options)
    if (begun !== undefined) return new NewFile(target, begun.store, begun.mark, path, fillBytes)
    await removeNewFile(fileSystem, path)
    const { clock = systemClock, random = systemRandom } = options
    await createFile(fileSystem, target, clock, random, undefined, Buffer.from(source.uuid, 'hex'))
    const store = await openTarget(target, options)
    try {
      // The trees' definitions are committed before anything is loaded: a root stands in a checkpoint only, and a
      // definition that is replayed behind that would make its tree empty again.
      await store.transact((tx) => tx.delete(COMPACTION_TREE, MARK))
    } catch (error) {
      await store.close()
      throw error
    }
    return new NewFile(target, store, undefined, path, fillBytes)
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.#store.get(tree, key)
  }

  /** Durable length. */
  get fileBytes(): number {
    return this.#store.durableEnd
  }

  /**
   * Runs `build` until the group is full; what it appended is durable with the next mark. When it fails, whatever the
   * reason, the file has to be closed and opened again: the loads count on nodes that were not kept. Throws POISONED then.
   */
  fill<T>(build: (filling: Filling) => T): Promise<T> {
    const fillBytes = this.#fillBytes
    return this.#loading(() =>
      this.#store.bulk(fillBytes, (builder) => {
        const filling = new OpenFilling(builder, fillBytes, (name) => this.#load(name))
        try {
          return build(filling)
        } finally {
          filling.end()
        }
      }),
    )
  }

  /** Work on the loads, which a failure leaves in doubt. */
  async #loading<T>(work: () => Promise<T>): Promise<T> {
    this.#assertWhole()
    try {
      return await work()
    } catch (error) {
      this.#broken ??= new StorageError(
        'POISONED',
        `${this.path} has to be opened again: something went wrong while it was filled`,
        { path: this.path },
        error,
      )
      throw error
    }
  }

  #assertWhole(): void {
    if (this.#broken !== undefined) throw this.#broken
  }

  #load(name: string): TreeLoad {
    let load = this.#loads.get(name)
    if (load === undefined) {
      load = new TreeLoad(this.#store.treeOf(name))
      this.#loads.set(name, load)
    }
    return load
  }

  /** Copies a value that is too long for one group, a chunk at a time. */
  copyLong(source: Pick<FileSnapshot, 'readStream'>, reference: Reference): Promise<Reference> {
    return this.#store.appendStream(source.readStream(reference))
  }

  /** The tree is loaded: from here on it can be read and written. */
  async finishLoad(name: string): Promise<void> {
    this.#assertWhole()
    const load = this.#load(name)
    const tree = this.#store.treeOf(name)
    // Set in the writer's turn: every checkpoint that is frozen after this group names the root.
    await this.#loading(() =>
      this.#store.bulk(FILL_BYTES, (builder) => {
        tree.root = load.finish(builder)
      }),
    )
    this.#loads.delete(name)
    // Nothing but a checkpoint's record names it; the mark that counts on it comes after.
    if (tree.root !== undefined) await this.#store.checkpoint()
  }

  /** Commits how far the making has come, with `also` in the same transaction. Everything before is durable then. */
  async mark(
    source: Pick<FileSnapshot, 'handle' | 'definitions'>,
    state: unknown,
    also: (tx: Transaction) => void = () => {},
  ): Promise<void> {
    this.#assertWhole()
    const { checkpoint, salt } = source.handle
    const mark: Mark = {
      salt: salt.toString(16),
      checkpoint: { ...checkpoint, hash: checkpoint.hash.toString(16) },
      definitions: [...source.definitions],
      loads: Object.fromEntries(
        [...this.#loads].map(([name, load]) => [name, load.save().toString('base64')]),
      ),
      state,
    }
    const text = Buffer.from(JSON.stringify(mark))
    await this.#store.transact((tx) => {
      also(tx)
      tx.put(COMPACTION_TREE, MARK, text)
    })
  }

  checkpoint(): Promise<void> {
    return this.#store.checkpoint()
  }

  /** Empties the maker's tree and closes the file, complete and durable. It can take the store's name then. */
  async finish(): Promise<void> {
    this.#assertWhole()
    this.isFinished = true
    await this.#store.transact((tx) => tx.delete(COMPACTION_TREE, MARK))
    if (this.#store.treeOf(COMPACTION_TREE).root !== undefined) {
      // Dropped whole, not key by key. Until the checkpoint is there the keys are only of no use.
      this.#store.treeOf(COMPACTION_TREE).root = undefined
      await this.#store.checkpoint()
    }
    await this.#store.close()
  }

  /** Leaves the file for another time. */
  close(): Promise<void> {
    return this.#store.close()
  }
}

/** Good for the turn that it was made for: later the builder forms another group. */
class OpenFilling implements Filling {
  #builder: GroupBuilder | undefined
  readonly #fillBytes: number
  readonly #load: (name: string) => TreeLoad

  constructor(builder: GroupBuilder, fillBytes: number, load: (name: string) => TreeLoad) {
    this.#builder = builder
    this.#fillBytes = fillBytes
    this.#load = load
  }

  end(): void {
    this.#builder = undefined
  }

  get #open(): GroupBuilder {
    assertOutside()
    if (this.#builder === undefined) throw new StorageError('CLOSED', 'the filling is over')
    return this.#builder
  }

  get isFull(): boolean {
    return this.bytes >= this.#fillBytes
  }

  get bytes(): number {
    return this.#open.length
  }

  append(value: Uint8Array): Reference {
    return this.#open.appendValue(bytesOf('a value', value))
  }

  add(tree: string, key: Uint8Array, value: Uint8Array): void {
    this.#load(tree).add(this.#open, Buffer.from(bytesOf('a key', key)), bytesOf('a value', value))
  }
}

async function openTarget(path: string, options: NewFileOptions): Promise<BulkStore> {
  const { fillBytes: _, ...others } = options
  const store = await openStore(path, {
    ...others,
    trees: { ...options.trees, [COMPACTION_TREE]: {} },
    create: false,
    lock: noLock,
    checkpointLogBytes: CHECKPOINT_LOG_BYTES,
  })
  return store as BulkStore
}

/** Undefined when there is none that can be gone on with. */
async function openBegun(
  fileSystem: FileSystem,
  path: string,
  source: { uuid: string; salt: bigint },
  options: NewFileOptions,
): Promise<{ store: BulkStore; mark: Mark } | undefined> {
  if (!(await fileSystem.exists(path))) return undefined
  let store: BulkStore
  try {
    store = await openTarget(path, options)
  } catch (error) {
    // What cannot be read just now may be gone on with later.
    if (error instanceof StorageError && error.code !== 'IO_FAILED') return undefined
    throw error
  }
  try {
    const mark = store.uuid === source.uuid ? readMark(store) : undefined
    if (mark !== undefined && mark.salt === source.salt.toString(16)) return { store, mark }
  } catch (error) {
    if (!(error instanceof StorageError) || error.code === 'IO_FAILED') {
      await store.close()
      throw error
    }
  }
  await store.close()
  return undefined
}

function readMark(store: BulkStore): Mark | undefined {
  const text = store.get(COMPACTION_TREE, MARK)
  return text === undefined ? undefined : (JSON.parse(text.toString()) as Mark)
}

/** Removes the file that was begun for a store, unless a compaction of that store can go on from it. */
export async function removeUselessNewFile(
  store: Pick<Store, 'path' | 'uuid' | 'salt'>,
  options: NewFileOptions = {},
): Promise<void> {
  const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
  const target = newFileOf(store.path)
  const begun = await openBegun(fileSystem, target, store, options)
  if (begun !== undefined) return begun.store.close()
  if ((await fileSystem.exists(target)) || (await fileSystem.exists(`${target}.creating`))) {
    await removeNewFile(fileSystem, store.path)
  }
}

/** Removes the file that was begun for the store at `path`, if any, and what its creation left. */
export async function removeNewFile(fileSystem: FileSystem, path: string): Promise<void> {
  requirePath(path)
  const files = typedFileSystem(fileSystem)
  await files.remove(newFileOf(path))
  await files.remove(`${newFileOf(path)}.creating`)
}
