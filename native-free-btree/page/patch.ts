/**
 * Pages that say only what has changed since another, the base, was written whole. A patch is
 *
 *   0  u8   kind: 3 for a leaf, 4 for an inner node
 *   1  u8   zero
 *   2  u16  number of changes
 *   4  u32  length of the patch
 *   8  u48  position of the base; 14 u32 its length; 18 u64 its hash
 *   26      the changes
 *
 * A change is a varint, 4 * s + k: after s more cells of the base that stay as they are, with k 0 the base's next
 * cell is left out; with k 1 a cell stands here that the base does not have, and follows; with k 2 the base's next
 * cell keeps its key and has another tag and payload, which follow. What is left of the base after the last change stays.
 * Changes name places, not keys, so they are applied without the tree's order.
 *
 * A patch never has a patch for a base: whoever reads a node reads two pages at most. One random update dirties a
 * whole leaf; without patches its cost is the leaf, with them little more than the entry.
 */
import { ByteReader, type ByteWriter, copyBytes, varintLength, writeVarint } from '../disk/bytes.ts'
import { PATCH_HEADER_BYTES, PATCH_INNER, PATCH_LEAF } from '../format.ts'
import { CellView, readCell } from './cell.ts'
import { cellCount, cellOffset } from './layout.ts'
import type { MutableNode } from './mutable-node.ts'
import type { PageOrigin, PagePlace } from './origin.ts'
import { compareCellKey, findCell } from './search.ts'

const view = new CellView()
const NOTHING = Buffer.alloc(0)
const NONE: readonly number[] = []

const DROP = 0
const INSERT = 1
const PAYLOAD = 2
/** Kinds have two bits. */
const KINDS = 4

/** The changes of a node since its base, one after the other; memory that is used again for the next node. */
class Changes {
  /** Of the change that `next` went to: its kind, and the cells of the base that were passed before it. */
  kind = DROP
  passed = 0
  #page: Buffer = NOTHING
  #cells = 0
  #baseTop = 0
  #removed: readonly number[] = NONE
  #changed: readonly number[] = NONE
  #cell = 0
  #baseSlot = 0
  #nextRemoved = 0
  #nextChanged = 0

  begin(page: Buffer, { baseTop, removed, changed }: PageOrigin): void {
    this.#page = page
    this.#cells = cellCount(page)
    this.#baseTop = baseTop
    this.#removed = removed
    this.#changed = changed
    this.#cell = 0
    this.#baseSlot = 0
    this.#nextRemoved = 0
    this.#nextChanged = 0
  }

  /** Goes to the next change, in order; `view` is the cell that was changed or came in. False: there is none. */
  next(): boolean {
    for (let passed = 0; ; passed++) {
      const isCell = this.#cell < this.#cells
      const offset = isCell ? cellOffset(this.#page, this.#cell) : 0
      if (isCell && offset < this.#baseTop) return this.#found(INSERT, passed, offset)
      if (this.#removed[this.#nextRemoved] === this.#baseSlot) {
        this.#nextRemoved += 1
        this.#baseSlot += 1
        this.kind = DROP
        this.passed = passed
        return true
      }
      if (!isCell) return false
      this.#baseSlot += 1
      if (this.#changed[this.#nextChanged] === this.#baseSlot - 1) {
        this.#nextChanged += 1
        return this.#found(PAYLOAD, passed, offset)
      }
      this.#cell += 1
    }
  }

  #found(kind: number, passed: number, offset: number): boolean {
    readCell(this.#page, offset, view)
    this.#cell += 1
    this.kind = kind
    this.passed = passed
    return true
  }

  /** Keeps no page alive. */
  end(): void {
    this.#page = NOTHING
    this.#removed = NONE
    this.#changed = NONE
  }
}

const changes = new Changes()

/** Appends a patch of the node to `target`, or nothing, and false, when it would be longer than `most` bytes. */
export function appendPatch(node: MutableNode, target: ByteWriter, most: number): boolean {
  if (node.origin === undefined) return false
  const { page, origin } = node
  const { base } = origin
  let count = 0
  let total = PATCH_HEADER_BYTES
  changes.begin(page, origin)
  while (total <= most && changes.next()) {
    const { kind, passed } = changes
    count += 1
    total += varintLength(passed * KINDS + kind)
    if (kind === INSERT) total += view.end - view.start
    else if (kind === PAYLOAD) total += varintLength(tagOf(view)) + view.end - view.payloadStart
  }
  changes.end()
  if (total > most || count > 0xffff) return false
  target.reserve(total)
  const out = target.bytes
  const start = target.length
  out[start] = node.leaf ? PATCH_LEAF : PATCH_INNER
  out[start + 1] = 0
  out.writeUInt16LE(count, start + 2)
  out.writeUInt32LE(total, start + 4)
  out.writeUIntLE(base.position, start + 8, 6)
  out.writeUInt32LE(base.length, start + 14)
  out.writeBigUInt64LE(base.hash, start + 18)
  let at = start + PATCH_HEADER_BYTES
  changes.begin(page, origin)
  while (changes.next()) {
    const { kind, passed } = changes
    at = writeVarint(out, at, passed * KINDS + kind)
    if (kind === DROP) continue
    if (kind === PAYLOAD) at = writeVarint(out, at, tagOf(view))
    const from = kind === PAYLOAD ? view.payloadStart : view.start
    copyBytes(page, from, out, at, view.end - from)
    at += view.end - from
  }
  changes.end()
  target.length += total
  return true
}

function tagOf(cell: CellView): number {
  return (cell.end - cell.payloadStart) * 2 + (cell.isReference ? 1 : 0)
}

export function isPatch(page: Uint8Array): boolean {
  return page[0] === PATCH_LEAF || page[0] === PATCH_INNER
}

/** Why a patch that came from the disk cannot be used, or undefined. Its hash has been verified already. */
export function patchDefect(patch: Buffer): string | undefined {
  if (patch.length < PATCH_HEADER_BYTES) return 'shorter than its header'
  if (patch.readUInt32LE(4) !== patch.length) return 'not of the length that it names'
  return undefined
}

/** The page that a patch changes. */
export function baseOfPatch(patch: Buffer): PagePlace {
  return {
    position: patch.readUIntLE(8, 6),
    length: patch.readUInt32LE(14),
    hash: patch.readBigUInt64LE(18),
  }
}

/** Of a change at cell `index` of so many. Throws RangeError where there is no such cell, or none to insert before. */
function kindOfChange(change: number, index: number, cells: number): number {
  const kind = change % KINDS
  if (index > cells || (kind !== INSERT && index === cells)) {
    throw new RangeError('a change lies behind the last cell')
  }
  return kind
}

/** Makes the changes of `patch` in `node`, a copy of its base. Throws RangeError when they do not fit. */
export function applyPatch(node: MutableNode, patch: Buffer): void {
  const reader = new ByteReader(patch, PATCH_HEADER_BYTES)
  let index = 0
  for (let left = patch.readUInt16LE(2); left > 0; left--) {
    const change = reader.varint()
    index += Math.floor(change / KINDS)
    const kind = kindOfChange(change, index, node.cells)
    if (kind === INSERT) {
      reader.need(2)
      readCell(patch, reader.at, view)
      const start = reader.at
      const length = view.end - view.start
      reader.slice(length)
      node.insertCell(index, patch, start, length)
      index += 1
    } else if (kind === DROP) {
      node.removeCell(index)
    } else if (kind === PAYLOAD) {
      const tag = reader.varint()
      node.replacePayload(index, reader.slice(Math.floor(tag / 2)), tag % 2 === 1)
      index += 1
    } else {
      throw new RangeError(`a change of unknown kind ${kind}`)
    }
  }
  if (reader.at !== reader.end) throw new RangeError('something follows the last change')
}

/**
 * Finds the entry with this key in the leaf that `patch` makes of `base`, without making it: returns which of the two has its
 * payload, and says in `into` where; undefined when there is none. For keys in bytewise order. Throws RangeError when the
 * changes do not fit.
 */
export function findInPatched(
  base: Buffer,
  patch: Buffer,
  key: Uint8Array,
  into: CellView,
): Buffer | undefined {
  const cells = cellCount(base)
  const own = findCell(base, key, undefined)
  let found: Buffer | undefined
  if (own >= 0) {
    readCell(base, cellOffset(base, own), into)
    found = base
  }
  const reader = new ByteReader(patch, PATCH_HEADER_BYTES)
  let slot = 0
  for (let left = patch.readUInt16LE(2); left > 0; left--) {
    const change = reader.varint()
    slot += Math.floor(change / KINDS)
    const kind = kindOfChange(change, slot, cells)
    if (kind === INSERT) {
      reader.need(2)
      readCell(patch, reader.at, view)
      const start = reader.at
      reader.skip(view.end - view.start)
      if (compareCellKey(patch, start, key) !== 0) continue
      readCell(patch, start, into)
      found = patch
      continue
    }
    if (kind === PAYLOAD) {
      const tag = reader.varint()
      const start = reader.at
      reader.skip(Math.floor(tag / 2))
      if (slot === own && found === base) {
        into.payloadStart = start
        into.end = reader.at
        into.isReference = tag % 2 === 1
        found = patch
      }
    } else if (kind !== DROP) {
      throw new RangeError(`a change of unknown kind ${kind}`)
    } else if (slot === own && found === base) {
      found = undefined
    }
    slot += 1
  }
  if (reader.at !== reader.end) throw new RangeError('something follows the last change')
  return found
}
