/**
 * A view of one commit: the roots as they were, kept from change by copy-on-write until it is closed. Of a tree with late
 * changes it takes the root when somebody needs it whole, or when the changes are applied, which is before any other.
 */
import type { Cursor, CursorOptions, Range, Snapshot, Summary, TreeReader, ValueSource } from '../api.ts'
import { bytesOf, unknownTree } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { TreeCursor } from '../tree/cursor.ts'
import { LateCursor } from '../tree/late-cursor.ts'
import { checkedCursor, RootReader } from '../tree/reader.ts'
import type { Root, Share } from '../tree/shares.ts'
import type { Tree } from '../tree/tree.ts'
import type { LoadedFile } from './loaded-file.ts'

/** A tree of the snapshot. */
class ShownTree {
  readonly tree: Tree
  #share: Share | undefined
  #forget: (() => void) | undefined
  /** Roots that cursors walk, from before the late changes were applied. */
  readonly #walked: Share[] = []

  constructor(tree: Tree) {
    this.tree = tree
    if (tree.isLate) {
      this.#forget = tree.whenSettled(() => {
        this.#share = tree.share()
      })
    } else this.#share = tree.share()
  }

  get isLate(): boolean {
    return this.#share === undefined
  }

  /** Throws DAMAGED where late changes cannot be applied. */
  get root(): Root {
    if (this.#share === undefined) this.tree.settle()
    return this.#share!.root
  }

  /** A cursor over a tree that is late. */
  walk(options: CursorOptions, { source, values }: LoadedFile, isOpen: () => boolean): Cursor {
    const { late, share } = this.tree.shareLate()
    this.#walked.push(share)
    const { compare } = this.tree
    const base = new TreeCursor(share.root, source, values, compare, options, isOpen)
    return new LateCursor(base, late, values, options, isOpen)
  }

  close(): void {
    this.#forget?.()
    for (const share of this.#walked) this.tree.unshare(share)
    if (this.#share !== undefined) this.tree.unshare(this.#share)
  }
}

export class StoreSnapshot implements Snapshot {
  readonly commit: number
  readonly #file: LoadedFile
  readonly #unpin: () => void
  readonly #trees = new Map<string, ShownTree>()
  readonly #onClose: (snapshot: StoreSnapshot) => void
  #open = true

  constructor(commit: number, file: LoadedFile, onClose: (snapshot: StoreSnapshot) => void) {
    this.commit = commit
    this.#file = file
    this.#unpin = file.pin()
    this.#onClose = onClose
    file.source.addReader()
    for (const tree of file.trees.values()) this.#trees.set(tree.definition.name, new ShownTree(tree))
  }

  tree(name: string): TreeReader {
    assertOutside()
    if (!this.#open) throw new StorageError('CLOSED', 'the snapshot was closed')
    const shown = this.#trees.get(name)
    if (shown === undefined) throw unknownTree(name)
    shown.tree.assertReadable()
    const isOpen = () => this.#open
    return shown.isLate ? new LateReader(shown, this.#file, isOpen) : readerOf(shown, this.#file, isOpen)
  }

  get values(): ValueSource {
    return this.#file.bytes
  }

  /** The file that it shows. */
  get file(): LoadedFile {
    return this.#file
  }

  /** The frozen roots, for `check`. */
  roots(): Iterable<{ tree: Tree; root: Root }> {
    return [...this.#trees.values()].map((shown) => ({ tree: shown.tree, root: shown.root }))
  }

  close(): void {
    assertOutside()
    if (!this.#open) return
    this.#open = false
    this.#file.source.removeReader()
    for (const shown of this.#trees.values()) shown.close()
    this.#trees.clear()
    this.#unpin()
    this.#onClose(this)
  }
}

function readerOf(shown: ShownTree, { source, values }: LoadedFile, isOpen: () => boolean): RootReader {
  return new RootReader(shown.tree, shown.root, source, values, isOpen)
}

/** Of a tree that was late when it was asked for. */
class LateReader implements TreeReader {
  readonly #shown: ShownTree
  readonly #file: LoadedFile
  readonly #isOpen: () => boolean
  #root: RootReader | undefined

  constructor(shown: ShownTree, file: LoadedFile, isOpen: () => boolean) {
    this.#shown = shown
    this.#file = file
    this.#isOpen = isOpen
  }

  #assertOpen(): void {
    assertOutside()
    if (!this.#isOpen()) throw new StorageError('CLOSED', 'the snapshot was closed')
  }

  #whole(): RootReader {
    this.#assertOpen()
    this.#root ??= readerOf(this.#shown, this.#file, this.#isOpen)
    return this.#root
  }

  get(given: Uint8Array): Buffer | undefined {
    this.#assertOpen()
    const key = bytesOf('a key', given)
    return this.#shown.isLate ? this.#shown.tree.get(key, this.#file.values) : this.#whole().get(key)
  }

  has(given: Uint8Array): boolean {
    this.#assertOpen()
    const key = bytesOf('a key', given)
    return this.#shown.isLate ? this.#shown.tree.has(key) : this.#whole().has(key)
  }

  /** Counts of subtrees do not know of the late changes. */
  cursor(options: CursorOptions = {}): Cursor {
    this.#assertOpen()
    const checked = checkedCursor(options)
    const isWalkable = this.#shown.isLate && (checked.skip ?? 0) === 0
    return isWalkable ? this.#shown.walk(checked, this.#file, this.#isOpen) : this.#whole().cursor(checked)
  }

  count(): number {
    return this.#whole().count()
  }

  rank(key: Uint8Array): number {
    return this.#whole().rank(key)
  }

  reduce(range?: Range): Summary {
    return this.#whole().reduce(range)
  }
}
