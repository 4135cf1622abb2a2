/**
 * A map of a file: which of its bytes are for what. The groups say what every record is; the trees say which nodes and
 * values are still of use, and what is left over is old. Its memory is bounded by the number of stretches, whatever the
 * length of the file.
 */
import type { PageSource } from '../cache/page-source.ts'
import { ByteReader } from '../disk/bytes.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { giveWay } from '../disk/system.ts'
import { StorageError } from '../errors.ts'
import {
  BLOCK_HEADER_BYTES,
  GENESIS_POSITION,
  GROUP_ALIGNMENT,
  GROUP_HEADER_BYTES,
  RECORD_CHECKPOINT,
  RECORD_INDEX,
  RECORD_NODE,
  RECORD_VALUE,
  VALUE_HEADER_BYTES,
} from '../format.ts'
import type { FileMap, MapOptions, MappedTree, NamedValue } from '../inspection.ts'
import type { CheckpointPointer, GroupHeader } from '../log/group.ts'
import { passRecord } from '../log/records.ts'
import { locate, requireGenesis } from '../log/recovery.ts'
import { walkGroups } from '../log/walk.ts'
import { CellView, readCell } from '../page/cell.ts'
import { cellCount, cellOffset, isLeaf } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import type { PageOrigin } from '../page/origin.ts'
import { type NodePointer, readPointer } from '../page/pointer.ts'
import { type ReferenceParts, readReference } from '../page/reference.ts'
import type { Root } from '../tree/shares.ts'
import type { Tree } from '../tree/tree.ts'
import { ValueReader } from '../values/values.ts'
import { readCheckpoint } from './load.ts'
import { MapColumns, ValueMarks } from './map-columns.ts'

const DEFAULT_BUCKETS = 2000
/** Steps between two turns of the event loop. */
const STEPS = 64

/** What is mapped: the trees as of one commit, and where the groups end that count. */
export interface Mapped {
  readonly file: StorageFile
  readonly source: PageSource
  readonly salt: bigint
  readonly commit: number
  readonly roots: Iterable<{ tree: Tree; root: Root }>
  readonly durableEnd: number
  /** The file ends here for the map. */
  readonly fileBytes: number
}

/** `values` is safe to call in the middle of the engine's work. */
export async function mapFile(
  mapped: Mapped,
  options: Omit<MapOptions, 'values'>,
  values: ((tree: string, value: Uint8Array) => NamedValue[]) | undefined,
): Promise<FileMap> {
  const run = new Mapping(mapped, options, values)
  await run.groups()
  for (const { tree, root } of run.trees) await run.tree(tree, root)
  return run.result()
}

type TreeCounts = { -readonly [Name in keyof MappedTree]: MappedTree[Name] }

const view = new CellView()

class Mapping {
  readonly trees: readonly { tree: Tree; root: Root }[]
  readonly #mapped: Mapped
  readonly #options: Omit<MapOptions, 'values'>
  readonly #valuesOf: ((tree: string, value: Uint8Array) => NamedValue[]) | undefined
  readonly #columns: MapColumns
  readonly #marks: ValueMarks
  readonly #values: ValueReader
  readonly #allNodes: Float64Array
  readonly #allValues: Float64Array
  readonly #found: Record<string, TreeCounts> = {}
  readonly #total: number
  #groups = 0
  #damaged = 0
  #done = 0
  #steps = 0

  constructor(
    mapped: Mapped,
    options: Omit<MapOptions, 'values'>,
    values: ((tree: string, value: Uint8Array) => NamedValue[]) | undefined,
  ) {
    this.#mapped = mapped
    this.#options = options
    this.#valuesOf = values
    this.trees = [...mapped.roots]
    this.#columns = new MapColumns(mapped.fileBytes, options.buckets ?? DEFAULT_BUCKETS)
    this.#marks = new ValueMarks(mapped.fileBytes)
    this.#values = new ValueReader(mapped.file, mapped.salt)
    this.#allNodes = new Float64Array(this.#columns.buckets)
    this.#allValues = new Float64Array(this.#columns.buckets)
    const entries = this.trees.reduce((sum, { root }) => sum + (root?.count ?? 0), 0)
    this.#total = mapped.durableEnd + entries
  }

  /** Throws what the signal was aborted with. */
  async #step(progress: number): Promise<void> {
    this.#done += progress
    this.#steps += 1
    if (this.#steps % STEPS !== 0) return
    this.#tell()
    await giveWay()
  }

  #tell(): void {
    this.#options.signal?.throwIfAborted()
    this.#options.onProgress?.(Math.min(this.#done, this.#total), this.#total)
  }

  /** What every record is. */
  async groups(): Promise<void> {
    const { file, salt, durableEnd, fileBytes } = this.#mapped
    const columns = this.#columns
    const genesis = await requireGenesis(file)
    const { end } = await locate(file, false, durableEnd)
    const { checkpoint } = end
    const replayFrom =
      checkpoint.position === 0
        ? genesis.start.position
        : readCheckpoint(file, salt, checkpoint).replay.position
    columns.add(columns.column('superblocks'), 0, GENESIS_POSITION)
    const genesisEnd = GENESIS_POSITION + genesis.bytes
    columns.add(columns.column('headers'), GENESIS_POSITION, genesisEnd)
    columns.add(columns.column('padding'), genesisEnd, genesis.start.position)
    const walk = await walkGroups(file, salt, genesis.start, {
      durableEnd: 0,
      limit: durableEnd,
      visit: (header, payload) => this.#group(header, payload, header.position >= replayFrom, checkpoint),
    })
    this.#groups = walk.groups
    const walked = walk.end.position
    columns.add(columns.column('unread'), walked, durableEnd)
    columns.add(columns.column('behind'), Math.max(walked, durableEnd), fileBytes)
  }

  #group(header: GroupHeader, payload: Buffer, isReplayed: boolean, newest: CheckpointPointer): void {
    const columns = this.#columns
    const start = header.position + GROUP_HEADER_BYTES
    columns.add(columns.column('headers'), header.position, start)
    const reader = new ByteReader(payload)
    let read = 0
    try {
      for (let left = header.recordCount; left > 0; left--) {
        const type = passRecord(reader)
        const isNewest = start + read + BLOCK_HEADER_BYTES === newest.position
        columns.add(this.#columnOf(type, isReplayed, isNewest), start + read, start + reader.at)
        read = reader.at
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#damaged += 1
    }
    const rest = payload.length - read < GROUP_ALIGNMENT ? 'padding' : 'unread'
    columns.add(columns.column(rest), start + read, header.position + header.length)
    this.#done += header.length
    this.#tell()
  }

  #columnOf(type: number, isReplayed: boolean, isNewest: boolean): Float64Array {
    if (type === RECORD_VALUE || type === RECORD_INDEX) return this.#allValues
    if (type === RECORD_NODE) return this.#allNodes
    const isUsed = type === RECORD_CHECKPOINT ? isNewest : isReplayed
    return this.#columns.column(isUsed ? 'log' : 'oldLog')
  }

  async tree(tree: Tree, root: Root): Promise<void> {
    const { name } = tree.definition
    const counts = { entries: root?.count ?? 0, leaves: 0, innerNodes: 0, patches: 0, unwritten: 0 }
    this.#found[name] = counts
    if (root !== undefined) await this.#node(tree, counts, this.#columns.column('nodes', name), root)
  }

  async #node(
    tree: Tree,
    counts: TreeCounts,
    column: Float64Array,
    link: MutableNode | NodePointer,
  ): Promise<void> {
    const page = this.#pageOf(counts, column, link)
    if (page === undefined) return
    if (isLeaf(page)) {
      counts.leaves += 1
      this.#leaf(tree, page)
      await this.#step(cellCount(page))
      return
    }
    counts.innerNodes += 1
    const children = link instanceof MutableNode && link.pointer === undefined ? link.children : undefined
    const cells = cellCount(page)
    for (let i = 0; i < cells; i++) {
      await this.#node(tree, counts, column, children?.[i] ?? readPointer(page, i, false))
    }
  }

  /** The page, with what it takes of the file counted; undefined when it cannot be read. */
  #pageOf(counts: TreeCounts, column: Float64Array, link: MutableNode | NodePointer): Buffer | undefined {
    if (link instanceof MutableNode && link.pointer === undefined) {
      counts.unwritten += 1
      this.#base(column, link.origin)
      return link.page
    }
    const { position, length, hash } = link instanceof MutableNode ? link.pointer! : link
    try {
      const { page, origin } = this.#mapped.source.readPage(position, length, hash)
      this.#columns.add(column, position - BLOCK_HEADER_BYTES, position + length)
      if (origin !== undefined) counts.patches += 1
      this.#base(column, origin)
      return page
    } catch (error) {
      this.#noteDamage(error)
      return undefined
    }
  }

  /** Of a node in memory its base counts too: the next checkpoint may write a patch of it. */
  #base(column: Float64Array, origin: PageOrigin | undefined): void {
    if (origin === undefined) return
    const { position, length } = origin.base
    this.#columns.add(column, position - BLOCK_HEADER_BYTES, position + length)
  }

  #noteDamage(error: unknown): void {
    if (!(error instanceof StorageError) || error.code === 'INVARIANT') throw error
    this.#damaged += 1
  }

  #leaf(tree: Tree, page: Buffer): void {
    const { name } = tree.definition
    const cells = cellCount(page)
    for (let i = 0; i < cells; i++) {
      readCell(page, cellOffset(page, i), view)
      let value: Uint8Array = page.subarray(view.payloadStart, view.end)
      if (view.isReference) {
        const reference = Buffer.from(value)
        this.#value(name, reference)
        if (this.#valuesOf === undefined && tree.references === undefined) continue
        try {
          value = this.#values.read(reference)
        } catch (error) {
          this.#noteDamage(error)
          continue
        }
      }
      if (this.#valuesOf !== undefined) {
        for (const { reference, kind } of this.#valuesOf(name, value)) this.#value(kind, reference)
      } else if (tree.references !== undefined) {
        for (const reference of tree.references(value)) this.#value(name, reference)
      }
    }
  }

  #value(kind: string, reference: Uint8Array): void {
    const parts = readReference(Buffer.from(reference.buffer, reference.byteOffset, reference.length))
    const column = this.#columns.column('values', kind)
    if (!parts.chunked) {
      this.#record(column, parts, VALUE_HEADER_BYTES + parts.length)
      return
    }
    try {
      const chunks = this.#values.chunks(parts)
      this.#record(column, parts, VALUE_HEADER_BYTES + chunks.length * reference.length)
      for (const chunk of chunks) this.#record(column, chunk, VALUE_HEADER_BYTES + chunk.length)
    } catch (error) {
      this.#noteDamage(error)
    }
  }

  #record(column: Float64Array, { position }: ReferenceParts, recordBytes: number): void {
    const end = position + recordBytes
    if (end > this.#mapped.durableEnd) {
      this.#damaged += 1
      return
    }
    const weight = this.#marks.weigh(position, recordBytes)
    if (weight > 0) this.#columns.add(column, position, end, weight)
  }

  result(): FileMap {
    const { commit, fileBytes } = this.#mapped
    const columns = this.#columns
    columns.settle(this.#allNodes, 'nodes', columns.column('oldNodes'))
    columns.settle(this.#allValues, 'values', columns.column('oldValues'))
    this.#options.onProgress?.(this.#total, this.#total)
    return {
      commit,
      fileBytes,
      bucketBytes: columns.bucketBytes,
      ...columns.table(),
      trees: this.#found,
      groups: this.#groups,
      damaged: this.#damaged,
      sampling: this.#marks.sampling,
    }
  }
}
