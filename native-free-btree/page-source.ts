/**
 * Pages of the file by position: from the cache, or read, verified against the hash that the parent holds,
 * and cached. No page is ever seen that was not verified.
 */
import type { CacheSpace } from './cache.ts'
import { hash64, positionSeed } from './checksum.ts'
import { StorageError } from './errors.ts'
import type { StorageFile } from './file.ts'
import { MutableNode, type OwnPage } from './node.ts'
import {
  CellView,
  type Compare,
  cellOffset,
  childIndex,
  isLeaf,
  type NodePointer,
  pageDefect,
  readCell,
} from './page.ts'

const view = new CellView()

export class PageSource {
  readonly file: StorageFile
  readonly salt: bigint
  /** Open snapshots: their cursors stand on pages from one turn of the event loop to another. */
  readers = 0
  readonly #cache: CacheSpace

  constructor(file: StorageFile, salt: bigint, cache: CacheSpace) {
    this.file = file
    this.salt = salt
    this.#cache = cache
  }

  /** Throws DAMAGED when the bytes are not what was written. */
  load(position: number, length: number, hash: bigint): Buffer {
    const cached = this.#cache.get(position)
    if (cached !== undefined) return cached
    const page = this.readPage(position, length, hash)
    this.#cache.add(position, page)
    return page
  }

  /** As `load`, past the cache in both directions. */
  readPage(position: number, length: number, hash: bigint): Buffer {
    const page = Buffer.allocUnsafeSlow(length)
    const read = this.file.readSync(page, position)
    if (read !== length) throw damagedNode(position, `only ${read} of ${length} bytes are there`)
    if (hash64(page, positionSeed(this.salt, position)) !== hash) {
      throw damagedNode(position, 'its checksum does not match the one in its parent')
    }
    const defect = pageDefect(page)
    if (defect !== undefined) throw damagedNode(position, `it is ${defect}`)
    return page
  }

  /**
   * A page that was written just now, and verified by nothing but the write. `top`: where its cells begin, when
   * there is room before them that the file does not have.
   */
  adopt(position: number, page: Buffer, top = 0): void {
    this.#cache.add(position, page, top)
  }

  /** The page of a leaf out of the cache, for the caller to change; undefined when somebody may be reading it. */
  take(position: number): OwnPage | undefined {
    if (this.readers > 0) return undefined
    return this.#cache.take(position)
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

  /** The leaf whose range holds `key`; undefined in an empty tree. */
  leafFor(
    root: MutableNode | NodePointer | undefined,
    key: Uint8Array,
    compare: Compare | undefined,
  ): Buffer | undefined {
    if (root === undefined) return undefined
    let page = this.pageOf(root)
    let children = root instanceof MutableNode ? root.children : undefined
    while (!isLeaf(page)) {
      const index = childIndex(page, key, compare)
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
}

function damagedNode(position: number, what: string): StorageError {
  return new StorageError('DAMAGED', `the node at ${position} is damaged: ${what}`, { position })
}
