/** Opens a store's file to tell what its bytes are: beside a writer, in any thread, without a lock and without the writer's help. */
import {
  mapOptions,
  refuse,
  requireObject,
  requirePath,
  requireSignal,
  requireWhole,
  storeOptions,
  unknownTree,
} from '../arguments.ts'
import { PageCache } from '../cache/page-cache.ts'
import { assertOutside, naming } from '../callbacks.ts'
import { nodeFileSystem } from '../disk/posix-file.ts'
import { typedFileSystem } from '../disk/typed-file-system.ts'
import { StorageError } from '../errors.ts'
import { GENESIS_POSITION } from '../format.ts'
import type {
  DescribedField,
  DescribedGroup,
  DescribedNode,
  FileInspection,
  FileMap,
  MapOptions,
  NodeHandle,
} from '../inspection.ts'
import { requireGenesis } from '../log/recovery.ts'
import { walkGroups } from '../log/walk.ts'
import { describeGroup, describeSuperblocks } from './describe.ts'
import { describeNode, handleOf } from './describe-node.ts'
import { type Mapped, mapFile } from './file-map.ts'
import { LoadedFile } from './loaded-file.ts'
import type { StoreOptions } from './options.ts'
import { loadBesideWriter } from './parts.ts'

/** For the nodes that opening changes, when the caller brings no cache. */
const CACHE_BYTES = 16 * 1024 * 1024

/**
 * Opens the file as it is on the disk. Trees whose order is not among `options.trees` are mapped all the same, unless the log
 * behind the last checkpoint has changes of them. Rejects as `openStore` does.
 */
export async function openInspection(
  path: string,
  given: Pick<StoreOptions, 'trees' | 'fileSystem' | 'cache'> = {},
): Promise<FileInspection> {
  requirePath(path)
  const options = storeOptions(given)
  if (options.cache !== undefined && !PageCache.is(options.cache))
    refuse('cache', 'a PageCache', options.cache)
  const fileSystem = typedFileSystem(options.fileSystem ?? nodeFileSystem)
  if (!(await fileSystem.exists(path))) {
    throw new StorageError('NOT_FOUND', `there is no store at ${path}`, { path })
  }
  const file = await fileSystem.open(path, 'read')
  try {
    const space = (options.cache ?? new PageCache(CACHE_BYTES)).space()
    return new InspectedFile(new LoadedFile(await loadBesideWriter(file, fileSystem, options, space)))
  } catch (error) {
    await file.close()
    throw error
  }
}

class InspectedFile implements FileInspection {
  readonly uuid: string
  readonly commit: number
  readonly fileBytes: number
  readonly durableEnd: number
  readonly lastGroup: number | undefined
  readonly treeNames: readonly string[]
  readonly #open: LoadedFile
  readonly #mapped: Mapped
  #isClosed = false

  constructor(open: LoadedFile) {
    const { file, source, salt, located } = open
    const { commit, position: durableEnd, lastPosition } = located.end
    this.uuid = located.uuid.toString('hex')
    this.commit = commit
    this.lastGroup = lastPosition > GENESIS_POSITION ? lastPosition : undefined
    this.treeNames = [...open.trees.keys()]
    // The file may grow while it is looked at; nothing of what is here now changes.
    this.durableEnd = durableEnd
    this.fileBytes = Math.max(durableEnd, file.size())
    this.#open = open
    const roots = [...open.trees.values()].map((tree) => ({ tree, root: tree.root }))
    this.#mapped = { file, source, salt, commit, roots, durableEnd, fileBytes: this.fileBytes }
  }

  #file(): LoadedFile {
    assertOutside()
    if (this.#isClosed) throw new StorageError('CLOSED', 'the file was closed')
    return this.#open
  }

  async map(given?: MapOptions): Promise<FileMap> {
    const { values, ...options } = mapOptions(given)
    this.#file()
    return mapFile(this.#mapped, options, values && naming(values))
  }

  async superblocks(): Promise<DescribedField[][]> {
    return describeSuperblocks(this.#file().file)
  }

  async group(position: number, options: { most?: number; at?: number } = {}): Promise<DescribedGroup> {
    requireWhole('position', position)
    requireObject('options', options)
    const { most = Number.MAX_SAFE_INTEGER, at } = options
    requireWhole('most', most)
    if (at !== undefined) requireWhole('at', at)
    const { file, salt } = this.#file()
    if (position >= this.durableEnd) throw noGroup(position)
    return describeGroup(file, salt, position, { most, at })
  }

  async groupAt(position: number, signal?: AbortSignal): Promise<number> {
    requireWhole('position', position)
    requireSignal(signal)
    const { file, salt } = this.#file()
    const genesis = await requireGenesis(file)
    if (position >= GENESIS_POSITION && position < GENESIS_POSITION + genesis.bytes) return GENESIS_POSITION
    let found: number | undefined
    await walkGroups(file, salt, genesis.start, {
      durableEnd: 0,
      limit: Math.min(position + 1, this.durableEnd),
      visit: (header) => {
        signal?.throwIfAborted()
        if (position >= header.position && position < header.position + header.length) found = header.position
      },
    })
    if (found === undefined) throw noGroup(position)
    return found
  }

  root(name: string): NodeHandle | undefined {
    const tree = this.#file().trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    return tree.root && handleOf(tree.root)
  }

  node(handle: NodeHandle): DescribedNode {
    return describeNode(this.#file().source, handle)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#open.close()
  }
}

function noGroup(position: number): StorageError {
  return new StorageError('NOT_FOUND', `no group of this file is at ${position}`, { position })
}
