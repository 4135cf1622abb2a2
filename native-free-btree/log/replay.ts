/** Reads the records of verified groups back into the trees. */
import { ByteReader } from '../disk/bytes.ts'
import { StorageError } from '../errors.ts'
import {
  BLOCK_HEADER_BYTES,
  GROUP_CHUNK,
  GROUP_PART,
  RECORD_CHECKPOINT,
  RECORD_DELETE,
  RECORD_INDEX,
  RECORD_NODE,
  RECORD_PUT,
  RECORD_TREE,
  RECORD_VALUE,
  VALUE_HEADER_BYTES,
} from '../format.ts'
import { CellView, readCell } from '../page/cell.ts'
import { readDefinition, type TreeDefinition } from '../tree/definition.ts'
import type { GroupHeader } from './group.ts'

const view = new CellView()

/** What operations are applied to. */
export interface ReplayTree {
  /** The cell at `offset` of `source` is a leaf's; the bytes may be used again. */
  put(source: Buffer, offset: number): void
  /** The key lies in `source` from `keyStart` to `keyEnd`. */
  delete(source: Buffer, keyStart: number, keyEnd: number): unknown
  /** The group has no more operations on any tree that it changed. */
  finishGroup?(): void
}

export interface ReplayTarget {
  /** A tree record: the tree exists from here on. */
  define(definition: TreeDefinition): void
  treeById(id: number): ReplayTree | undefined
}

/** Takes groups in order; a transaction in parts is applied when its commit group comes. */
export class Replay {
  readonly #target: ReplayTarget
  readonly #changed = new Set<ReplayTree>()
  #parts: { header: GroupHeader; payload: Buffer }[] = []
  records = 0

  constructor(target: ReplayTarget) {
    this.#target = target
  }

  /** `payload` may be a view that the caller reuses. Throws DAMAGED when a record makes no sense. */
  group(header: GroupHeader, payload: Buffer): void {
    if (header.type === GROUP_CHUNK) return
    if (header.type === GROUP_PART) {
      this.#parts.push({ header, payload: Buffer.from(payload) })
      return
    }
    for (const part of this.#parts) this.#apply(part.header, part.payload)
    this.#parts = []
    this.#apply(header, payload)
    for (const tree of this.#changed) tree.finishGroup?.()
    this.#changed.clear()
  }

  #apply(header: GroupHeader, payload: Buffer): void {
    try {
      const reader = new ByteReader(payload)
      for (let left = header.recordCount; left > 0; left--) this.#record(reader)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      throw new StorageError(
        'DAMAGED',
        `the group at ${header.position} is whole but holds a record that makes no sense: ${error.message}`,
        { position: header.position },
        error,
      )
    }
  }

  #record(reader: ByteReader): void {
    const type = reader.u8()
    switch (type) {
      case RECORD_PUT: {
        const tree = this.#tree(reader.varint())
        readCell(reader.bytes, reader.at, view)
        const start = reader.at
        reader.skip(view.end - start)
        tree.put(reader.bytes, start)
        break
      }
      case RECORD_DELETE: {
        const tree = this.#tree(reader.varint())
        const length = reader.varint()
        const start = reader.at
        reader.skip(length)
        tree.delete(reader.bytes, start, start + length)
        break
      }
      case RECORD_TREE: {
        const end = reader.u32() + reader.at
        this.#target.define(readDefinition(reader))
        if (reader.at !== end) throw new RangeError('a tree record has another length than it says')
        break
      }
      default:
        reader.skip(bytesBehindType(type, reader))
        return
    }
    this.records += 1
  }

  #tree(id: number): ReplayTree {
    const tree = this.#target.treeById(id)
    if (tree === undefined) throw new RangeError(`tree ${id} was never defined`)
    if (tree.finishGroup !== undefined) this.#changed.add(tree)
    return tree
  }
}

/** Length of the rest of a record of a type that has its length behind it. Throws RangeError for any other. */
export function bytesBehindType(type: number, reader: ByteReader): number {
  reader.need(4)
  const length = reader.bytes.readUInt32LE(reader.at)
  if (type === RECORD_VALUE || type === RECORD_INDEX) return VALUE_HEADER_BYTES - 1 + length
  if (type === RECORD_NODE || type === RECORD_CHECKPOINT || type === RECORD_TREE) {
    return BLOCK_HEADER_BYTES - 1 + length
  }
  throw new RangeError(`record type ${type} is unknown`)
}
