/**
 * A tree made from entries that come in order: leaves are filled to the brim and written at once, then their
 * parents, so that memory holds one node a level. Invariants:
 * - What is in the file is complete: a node is written when the next entry does not fit in it, its children before.
 * - `save` keeps everything that is not in the file; a load that goes on from it makes the same tree.
 * Entries come in the tree's order, no two of one key: others are refused.
 */
import { ByteReader, ByteWriter } from '../disk/bytes.ts'
import { invariant, StorageError } from '../errors.ts'
import { assertKey, type GroupBuilder } from '../log/builder.ts'
import { cellLength, writeCell } from '../page/cell.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { wholePage } from '../page/origin.ts'
import { encodePointer, type NodePointer } from '../page/pointer.ts'
import { mapCell, mapCells } from '../tree/reader.ts'
import { INNER_BYTES, LEAF_BYTES } from '../tree/rebalance.ts'
import type { Tree } from '../tree/tree.ts'
import { INLINE_BYTES } from '../write/transaction.ts'

const EPOCH = 0
/** At most, of one cell. */
const SLOT_BYTES = 8
const NOWHERE = { position: 0, length: 0, hash: 0n }
const EMPTY = Buffer.alloc(0)
/** Where a cell is made before it is put in its page. */
const cellDesk = Buffer.allocUnsafeSlow(1024)

/** The node of one level that is being filled. */
interface Level {
  node: MutableNode
  /** Lower bound of its keys, for its parent. */
  low: Buffer
  /** Of its first entries, in a tree with a reducer. */
  parts: Uint8Array[]
  /** How many entries these are. Those behind them are in the page with their values. */
  mapped: number
}

function emptyLevel(isLeaf: boolean, low: Buffer): Level {
  const node = MutableNode.empty(isLeaf, (isLeaf ? LEAF_BYTES : INNER_BYTES) + 64, EPOCH)
  return { node, low, parts: [], mapped: 0 }
}

export class TreeLoad {
  readonly #tree: Tree
  readonly #levels: Level[] = []
  #lastKey: Buffer = EMPTY

  /** `saved` is what `save` gave. */
  constructor(tree: Tree, saved?: Buffer) {
    this.#tree = tree
    if (saved !== undefined) this.#restore(saved)
  }

  /**
   * Adds the entry behind all before it; a long value is appended first. The key is kept. Throws INVALID_ARGUMENT when it
   * is not above the last one.
   */
  add(builder: GroupBuilder, key: Buffer, value: Uint8Array): void {
    assertKey(key)
    if (this.#levels.length > 0 && (this.#tree.compare ?? Buffer.compare)(this.#lastKey, key) >= 0) {
      throw new StorageError('INVALID_ARGUMENT', 'an entry is not behind the one before it')
    }
    const isReference = value.length > INLINE_BYTES
    const payload = isReference ? builder.appendValue(value) : value
    const length = cellLength(key.length, payload.length)
    const cell = length <= cellDesk.length ? cellDesk : Buffer.allocUnsafe(length)
    writeCell(cell, 0, key, payload, isReference)
    const full = this.#levels[0]
    if (full !== undefined && full.node.cells > 0 && full.node.size + length + SLOT_BYTES > LEAF_BYTES) {
      const low = this.#separator(key)
      this.#close(builder, 0)
      this.#levels[0] = emptyLevel(true, low)
    }
    this.#levels[0] ??= emptyLevel(true, EMPTY)
    const leaf = this.#levels[0]
    const { node } = leaf
    if (isReference) this.#mapPending(leaf)
    node.insertCell(node.cells, cell, 0, length)
    node.count += 1
    node.bytes += key.length + value.length
    // What is out of line cannot be read yet.
    if (isReference && this.#tree.reducer !== undefined) {
      leaf.parts.push(this.#tree.reducer.map(key, value))
      leaf.mapped = node.cells
    }
    this.#lastKey = key
  }

  /** Writes what is left. Returns the root; undefined without entries. The load is over. */
  finish(builder: GroupBuilder): NodePointer | undefined {
    if (this.#levels.length === 0) return undefined
    for (let level = 0; ; level++) {
      const { node } = this.#levels[level]!
      const isTop = level === this.#levels.length - 1
      // A root with one child would be one level too many.
      if (isTop && !node.leaf && node.cells === 1) return this.#onlyChild!
      const pointer = this.#write(builder, level)
      if (isTop) return pointer
      this.#addChild(builder, level + 1, this.#levels[level]!.low, pointer)
    }
  }

  #onlyChild: NodePointer | undefined

  #write(builder: GroupBuilder, level: number): NodePointer {
    const { node } = this.#levels[level]!
    builder.appendNode(node, this.#reductionOf(level))
    return node.pending!
  }

  #reductionOf(level: number): Uint8Array | undefined {
    const { reducer } = this.#tree
    if (reducer === undefined) return undefined
    const filled = this.#levels[level]!
    if (level === 0) this.#mapPending(filled)
    return reducer.combine(filled.parts)
  }

  /** One after the other behind others: sums of numbers depend on the order in which they are added up. */
  #mapPending(leaf: Level): void {
    const { reducer } = this.#tree
    if (reducer === undefined) return
    const { node, parts, mapped } = leaf
    if (mapped === 0) mapCells(node.page, 0, node.cells, reducer, undefined, parts)
    else for (let i = mapped; i < node.cells; i++) parts.push(mapCell(node.page, i, reducer, undefined))
    leaf.mapped = node.cells
  }

  #close(builder: GroupBuilder, level: number): void {
    this.#addChild(builder, level + 1, this.#levels[level]!.low, this.#write(builder, level))
  }

  #addChild(builder: GroupBuilder, level: number, low: Buffer, pointer: NodePointer): void {
    const payload = encodePointer(pointer)
    const cell = Buffer.allocUnsafe(cellLength(low.length, payload.length))
    writeCell(cell, 0, low, payload, false)
    const full = this.#levels[level]
    if (
      full !== undefined &&
      full.node.cells > 3 &&
      full.node.size + cell.length + SLOT_BYTES > INNER_BYTES
    ) {
      this.#close(builder, level)
      this.#levels[level] = emptyLevel(false, low)
    }
    this.#levels[level] ??= emptyLevel(false, low)
    const { node, parts } = this.#levels[level]
    node.insertCell(node.cells, cell, 0, cell.length)
    node.children!.push(undefined)
    node.count += pointer.count
    node.bytes += pointer.bytes
    if (pointer.reduction !== undefined) parts.push(pointer.reduction)
    this.#onlyChild = pointer
  }

  /** The shortest bound between the last key and this one, where the order is that of the bytes. */
  #separator(key: Buffer): Buffer {
    if (this.#tree.compare !== undefined) return Buffer.from(key)
    const last = this.#lastKey
    let shared = 0
    while (shared < last.length && last[shared] === key[shared]) shared += 1
    invariant(
      shared < key.length && (shared === last.length || last[shared]! < key[shared]!),
      'entries out of order',
    )
    return Buffer.from(key.subarray(0, shared + 1))
  }

  /** Everything that the file does not hold. */
  save(): Buffer {
    const out = new ByteWriter()
    blob(out, this.#lastKey)
    blob(out, this.#onlyChild === undefined ? EMPTY : encodePointer(this.#onlyChild))
    out.u32(this.#levels.length)
    for (const [level, { node, low }] of this.#levels.entries()) {
      const page = new ByteWriter()
      node.settle()
      node.serialize(page)
      blob(out, page.view())
      out.u48(node.count)
      out.u48(node.bytes)
      blob(out, low)
      blob(out, this.#reductionOf(level) ?? EMPTY)
    }
    return Buffer.from(out.view())
  }

  #restore(saved: Buffer): void {
    const reader = new ByteReader(saved)
    const hasReducer = this.#tree.reducer !== undefined
    this.#lastKey = Buffer.from(reader.slice(reader.u32()))
    const only = reader.slice(reader.u32())
    if (only.length > 0) this.#onlyChild = decodePointer(only, hasReducer)
    for (let left = reader.u32(); left > 0; left--) {
      const page = Buffer.from(reader.slice(reader.u32()))
      const node = MutableNode.fromPage(wholePage(page), NOWHERE, EPOCH, LEAF_BYTES)
      // No page of the file is like it: it goes out whole.
      node.origin = undefined
      node.count = reader.u48()
      node.bytes = reader.u48()
      const low = Buffer.from(reader.slice(reader.u32()))
      const reduction = Buffer.from(reader.slice(reader.u32()))
      this.#levels.push({ node, low, parts: hasReducer ? [reduction] : [], mapped: node.cells })
    }
  }
}

function blob(out: ByteWriter, bytes: Uint8Array): void {
  out.u32(bytes.length)
  out.raw(bytes)
}

/** What `encodePointer` wrote. */
export function decodePointer(bytes: Buffer, hasReduction: boolean): NodePointer {
  return {
    position: bytes.readUIntLE(0, 6),
    length: bytes.readUInt32LE(6),
    hash: bytes.readBigUInt64LE(10),
    count: bytes.readUIntLE(18, 6),
    bytes: bytes.readUIntLE(24, 6),
    reduction: hasReduction ? Buffer.from(bytes.subarray(30)) : undefined,
  }
}
