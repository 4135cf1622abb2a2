/**
 * Pages of the file by position: from the cache, or read, verified against the hash that the parent holds,
 * and cached. No page is ever seen that was not verified.
 */

import type { Compare } from '../callbacks.ts'
import {
  hashOfLanded,
  hashOfPlaced,
  landing,
  ROOM_BYTES,
  ROOM_START,
  type SaltHalves,
  saltHalves,
} from '../disk/checksum.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { NODE_LEAF, PATCH_LEAF } from '../format.ts'
import { CellView, readCell } from '../page/cell.ts'
import { cellOffset, isLeaf, pageDefect } from '../page/layout.ts'
import { MutableNode } from '../page/mutable-node.ts'
import { copyOfPage, filledBytes, type KeptPage, wholePage } from '../page/origin.ts'
import { applyPatch, baseOfPatch, findInPatched, isPatch, patchDefect } from '../page/patch.ts'
import type { NodePointer } from '../page/pointer.ts'
import { PagePool, pagePool } from '../page/pool.ts'
import { childIndex, findCell } from '../page/search.ts'
import type { CacheSpace } from './page-cache.ts'
import type { PageRoom } from './page-rooms.ts'

const view = new CellView()

/** Room for the slots of a patch's cells, so that most need no larger page. */
const SLOT_ROOM_BYTES = 128

/** Room that a node gets at least when its page stays in the cache beside it. */
const ROOM_TO_GROW_BYTES = 256

/** Hears which child of a node is taken, from the root down. */
export interface OnChild {
  add(index: number): void
}

export class PageSource {
  readonly file: StorageFile
  readonly #saltHalves: SaltHalves
  readonly #cache: CacheSpace
  /** The page of a leaf that was looked at to be changed next: it goes to its node as it is, and to the cache only when it is not. */
  #loose: KeptPage | undefined
  #loosePosition = 0

  constructor(file: StorageFile, salt: bigint, cache: CacheSpace) {
    this.file = file
    this.#saltHalves = saltHalves(salt)
    this.#cache = cache
  }

  /** Throws DAMAGED when the bytes are not what was written. */
  load(position: number, length: number, hash: bigint): Buffer {
    const cached = this.#cache.get(position)
    if (cached !== undefined) return cached
    return this.#take(position, length, this.#readVerified(position, length, hash))
  }

  /** Takes what was read just now into the cache, and gives the page as it is to be looked at by the code that runs now. */
  #take(position: number, length: number, bytes: Buffer): Buffer {
    if (isPatch(bytes)) return this.adopt(position, this.#patched(position, Buffer.from(bytes)))
    const defect = pageDefect(bytes)
    if (defect !== undefined) throw damagedNode(position, `it is ${defect}`)
    const whole = wholePage(bytes)
    const added = this.#cache.add(position, whole, PagePool.lengthFor(length))
    if (added !== undefined) return added
    const { page } = copyOfPage(whole, pagePool.take(length))
    pagePool.giveBack(page)
    return page
  }

  /** As `load`, past the cache in both directions. */
  readPage(position: number, length: number, hash: bigint): KeptPage {
    return this.#ownPage(position, this.#readVerified(position, length, hash), 0)
  }

  /** Verified bytes, to be copied at once: most stand where the next ones will, or those behind `offset` of them. */
  #readVerified(position: number, length: number, hash: bigint, offset = 0): Buffer {
    const lands = offset + length <= ROOM_BYTES
    const start = ROOM_START + offset
    // Not a byte more is asked for: what lies behind a page may be unreadable.
    const target = lands ? landing.subarray(start, start + length) : Buffer.allocUnsafeSlow(length)
    const read = this.file.readSync(target, position)
    if (read < length) throw damagedNode(position, `only ${read} of ${length} bytes are there`)
    const found = lands
      ? hashOfLanded(start, start + length, this.#saltHalves, position)
      : hashOfPlaced(target, this.#saltHalves, position)
    if (found !== hash) {
      throw damagedNode(position, 'its checksum does not match the one in its parent')
    }
    return target
  }

  /** Takes what was read just now as the loose page, and gives it as it is to be looked at by the code that runs now. */
  #takeLoose(position: number, bytes: Buffer): Buffer {
    const kept = this.#ownPage(position, bytes, ROOM_TO_GROW_BYTES)
    this.keepLoose()
    this.#loose = kept
    this.#loosePosition = position
    return kept.page
  }

  /** The page of what was read just now, in memory of its own; a whole one with so much room to grow. */
  #ownPage(position: number, bytes: Buffer, roomBytes: number): KeptPage {
    if (isPatch(bytes)) return this.#patched(position, Buffer.from(bytes))
    const defect = pageDefect(bytes)
    if (defect !== undefined) throw damagedNode(position, `it is ${defect}`)
    return copyOfPage(wholePage(bytes), pagePool.take(bytes.length + roomBytes))
  }

  /** The page that a patch makes of its base. */
  #patched(position: number, patch: Buffer): KeptPage {
    const base = this.#baseOf(position, patch, 0)
    const bytes = base.length + patch.length + SLOT_ROOM_BYTES
    const node = MutableNode.fromPage(wholePage(base), baseOfPatch(patch), 0, bytes)
    fitting(position, () => applyPatch(node, patch))
    node.settle()
    return node.keep(true)
  }

  /** The base of a patch, read to `offset` of the room. */
  #baseOf(position: number, patch: Buffer, offset: number): Buffer {
    const defect = patchDefect(patch)
    if (defect !== undefined) throw damagedNode(position, `it is ${defect}`)
    const place = baseOfPatch(patch)
    const base = this.#readVerified(place.position, place.length, place.hash, offset)
    const baseDefect = isPatch(base) ? 'a patch itself' : pageDefect(base)
    if (baseDefect !== undefined) throw damagedNode(place.position, `it is ${baseDefect}`)
    return base
  }

  /**
   * Takes a page over from its owner: one that was made of verified bytes, or written just now. Returns it as it is to be
   * looked at by the code that runs now.
   */
  adopt(position: number, kept: KeptPage): Buffer {
    const page = this.#cache.add(position, kept, kept.page.length) ?? kept.page
    pagePool.giveBack(kept.page)
    return page
  }

  /** A node to be changed in the place of the one that `pointer` names. Throws DAMAGED. */
  changeable(pointer: NodePointer, epoch: number): MutableNode {
    const { position, length, hash } = pointer
    const cached = this.#cache.kept(position)
    let node: MutableNode
    if (cached === undefined) {
      const own = this.#giveLoose(position) ?? this.readPage(position, length, hash)
      node = MutableNode.fromOwnPage(own, pointer, epoch)
    } else {
      // A snapshot may go on reading the page as it is in the file.
      const isShared = this.#cache.readers > 0
      const bytes = isShared
        ? filledBytes(cached) + Math.max(length >>> 2, ROOM_TO_GROW_BYTES)
        : cached.length
      node = MutableNode.fromPage(cached, pointer, epoch, bytes)
      if (!isShared) this.#cache.drop(position)
    }
    node.count = pointer.count
    node.bytes = pointer.bytes
    node.reduction = pointer.reduction
    return node
  }

  /** The loose page, if there is one, goes to the cache. */
  keepLoose(): void {
    if (this.#loose !== undefined) this.adopt(this.#loosePosition, this.#loose)
    this.#loose = undefined
  }

  #loosePageAt(position: number): Buffer | undefined {
    return this.#loosePosition === position ? this.#loose?.page : undefined
  }

  /** The loose page, when it is the one at `position`: whoever asks owns it. */
  #giveLoose(position: number): KeptPage | undefined {
    if (this.#loose === undefined || this.#loosePosition !== position) return undefined
    const kept = this.#loose
    this.#loose = undefined
    return kept
  }

  /** Changes when a page that was handed out before may be used for another: see page-rooms.ts. */
  get generation(): number {
    return this.#cache.cache.rooms.generation
  }

  /** A snapshot was opened: its cursors stand on pages from one turn of the event loop to another. */
  addReader(): void {
    this.#cache.readers += 1
    pagePool.readers += 1
  }

  removeReader(): void {
    this.#cache.readers -= 1
    pagePool.readers -= 1
  }

  /** Where the page of the file that a link names is cached, if it is. */
  #roomOf(link: MutableNode | NodePointer): PageRoom | undefined {
    const pointer = link instanceof MutableNode ? link.pointer : link
    return pointer && this.#cache.useIfHere(pointer.position)
  }

  pageOf(link: MutableNode | NodePointer): Buffer {
    if (link instanceof MutableNode) {
      if (link.pointer === undefined) return link.page
      return this.load(link.pointer.position, link.pointer.length, link.pointer.hash)
    }
    return this.load(link.position, link.length, link.hash)
  }

  /** The page of child `index` of an inner page of the file. */
  childPage(page: Buffer, index: number): Buffer {
    readCell(page, cellOffset(page, index), view)
    const at = view.payloadStart
    const position = page.readUIntLE(at, 6)
    const cached = this.#cache.get(position)
    if (cached !== undefined) return cached
    return this.load(position, page.readUInt32LE(at + 6), page.readBigUInt64LE(at + 10))
  }

  /** The leaf whose range holds the key in `key` from `start` to `end`; undefined in an empty tree. */
  leafFor(
    root: MutableNode | NodePointer | undefined,
    key: Uint8Array,
    compare: Compare | undefined,
    start = 0,
    end = key.length,
  ): Buffer | undefined {
    if (root === undefined) return undefined
    let page = this.pageOf(root)
    let children = root instanceof MutableNode ? root.children : undefined
    while (!isLeaf(page)) {
      const index = childIndex(page, key, compare, start, end)
      const child = children?.[index]
      if (child === undefined) {
        page = this.childPage(page, index)
        children = undefined
      } else {
        page = this.pageOf(child)
        children = child.children
      }
    }
    return page
  }

  /**
   * Finds the entry whose key is bytes 0 to `end` of `key`: returns the bytes that have its payload, and says in `into` where. They stay as they are
   * until the next read of anybody: a leaf that is not in the cache, and shall not be, is looked at where it was read.
   * `isToChange`: whoever asks will mostly change the leaf next. `onChild` hears of the way to it.
   */
  findEntry(
    root: MutableNode | NodePointer | undefined,
    key: Uint8Array,
    compare: Compare | undefined,
    into: CellView,
    isToChange: boolean,
    end = key.length,
    onChild?: OnChild,
  ): Buffer | undefined {
    if (root === undefined) return undefined
    let room = this.#roomOf(root)
    let page = room?.page ?? this.pageOf(root)
    let children = root instanceof MutableNode ? root.children : undefined
    while (!isLeaf(page)) {
      const index = childIndex(page, key, compare, 0, end)
      onChild?.add(index)
      const child = children?.[index]
      if (child !== undefined) {
        room = this.#roomOf(child)
        page = room?.page ?? this.pageOf(child)
        children = child.children
        continue
      }
      children = undefined
      const known = room && this.#cache.useLinked(room, index)
      if (known !== undefined) {
        page = known
        if (!isLeaf(page)) room = room!.children![index]
        continue
      }
      readCell(page, cellOffset(page, index), view)
      const at = view.payloadStart
      const position = page.readUIntLE(at, 6)
      room = this.#cache.useChild(room, index, position)
      const cached = room?.page ?? (isToChange ? this.#loosePageAt(position) : undefined)
      if (cached !== undefined) {
        page = cached
        continue
      }
      const length = page.readUInt32LE(at + 6)
      const bytes = this.#readVerified(position, length, page.readBigUInt64LE(at + 10))
      const isOfLeaf = bytes[0] === NODE_LEAF || bytes[0] === PATCH_LEAF
      if (isOfLeaf && isToChange) {
        page = this.#takeLoose(position, bytes)
        continue
      }
      // A caller's order may throw anything, and what a patch throws is damage.
      if (isOfLeaf && compare === undefined && !this.#cache.wants(length, isPatch(bytes))) {
        return this.#findThere(position, bytes, key, into)
      }
      page = this.#take(position, length, bytes)
    }
    return findInLeaf(page, key, compare, into, end)
  }

  /** Finds the entry in the leaf that `bytes`, which were read just now, are or make of their base. */
  #findThere(position: number, bytes: Buffer, key: Uint8Array, into: CellView): Buffer | undefined {
    if (!isPatch(bytes)) {
      const defect = pageDefect(bytes)
      if (defect !== undefined) throw damagedNode(position, `it is ${defect}`)
      return findInLeaf(bytes, key, undefined, into)
    }
    const fit = patchDefect(bytes) === undefined && bytes.length + baseOfPatch(bytes).length <= ROOM_BYTES
    const patch = fit ? bytes : Buffer.from(bytes)
    const base = this.#baseOf(position, patch, fit ? patch.length : 0)
    return fitting(position, () => findInPatched(base, patch, key, into))
  }
}

function findInLeaf(
  leaf: Buffer,
  key: Uint8Array,
  compare: Compare | undefined,
  into: CellView,
  end = key.length,
): Buffer | undefined {
  const index = findCell(leaf, key, compare, 0, end)
  if (index < 0) return undefined
  readCell(leaf, cellOffset(leaf, index), into)
  return leaf
}

/** What `work` gives. Changes of a patch that do not fit are damage. */
function fitting<T>(position: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof RangeError) throw damagedNode(position, error.message)
    throw error
  }
}

function damagedNode(position: number, what: string): StorageError {
  return new StorageError('DAMAGED', `the node at ${position} is damaged: ${what}`, { position })
}
