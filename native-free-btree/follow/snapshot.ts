/**
 * A follower's view of one commit. Of each tree it notes how far the log had been taken in; it takes a root, which later
 * changes leave as it is, when the tree is asked for more than single keys, or when somebody else has it moved on.
 */
import type { Cursor, CursorOptions, Range, Snapshot, Summary, TreeReader, ValueSource } from '../api.ts'
import { bytesOf, unknownTree } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import type { OpenFile } from '../store/open-file.ts'
import type { Place } from '../store/open-list.ts'
import { RootReader } from '../tree/reader.ts'
import type { Share } from '../tree/shares.ts'
import type { FollowedTree } from './followed-tree.ts'
import type { Stand, Viewer } from './stand.ts'

export class FollowerSnapshot implements Snapshot, Viewer {
  readonly commit: number
  readonly #file: OpenFile
  readonly #stand: Stand
  readonly #unpin: () => void
  readonly #onClose: (snapshot: FollowerSnapshot) => void
  readonly #trees: readonly FollowedTree[]
  /** Of each tree the number of the next operation. */
  readonly #ends: readonly number[]
  readonly #shares: (Share | undefined)[]
  /** Among those who look at the stand. */
  readonly #place: Place<Viewer>
  #open = true

  constructor(commit: number, file: OpenFile, stand: Stand, onClose: (snapshot: FollowerSnapshot) => void) {
    this.commit = commit
    this.#file = file
    this.#stand = stand
    this.#unpin = file.pin()
    this.#onClose = onClose
    this.#trees = stand.trees
    this.#ends = stand.trees.map((tree) => tree.end)
    this.#shares = new Array<Share | undefined>(stand.trees.length).fill(undefined)
    file.source.addReader()
    this.#place = stand.viewers.add(this)
  }

  get isOpen(): boolean {
    return this.#open
  }

  tree(name: string): TreeReader {
    assertOutside()
    if (!this.#open) throw closed()
    const trees = this.#trees
    for (let index = 0; index < trees.length; index++) {
      const tree = trees[index]!
      if (tree.name !== name) continue
      tree.tree.assertReadable()
      return new FollowedReader(this, tree, this.#ends[index]!)
    }
    throw unknownTree(name)
  }

  get values(): ValueSource {
    return this.#file.bytes
  }

  settle(tree: FollowedTree): void {
    const index = this.#trees.indexOf(tree)
    if (index < 0 || this.#shares[index] !== undefined) return
    tree.moveTo(this.#ends[index]!)
    this.#shares[index] = tree.tree.share()
  }

  wanted(tree: FollowedTree): number | undefined {
    const index = this.#trees.indexOf(tree)
    return index < 0 || this.#shares[index] !== undefined ? undefined : this.#ends[index]
  }

  /** Whether the tree's root is this snapshot's own. */
  hasRoot(tree: FollowedTree): boolean {
    return this.#shares[this.#trees.indexOf(tree)] !== undefined
  }

  /** Reads the tree as of the snapshot's commit. */
  rootOf(tree: FollowedTree): RootReader {
    const index = this.#trees.indexOf(tree)
    if (this.#shares[index] === undefined) this.#stand.settle(tree, this)
    const { source, values } = this.#file
    return new RootReader(tree.tree, this.#shares[index]!.root, source, values, () => this.#open)
  }

  close(): void {
    assertOutside()
    if (!this.#open) return
    this.#open = false
    this.#file.source.removeReader()
    const shares = this.#shares
    for (let index = 0; index < shares.length; index++) {
      const share = shares[index]
      if (share !== undefined) this.#trees[index]!.tree.unshare(share)
    }
    this.#stand.viewers.remove(this.#place)
    this.#unpin()
    this.#onClose(this)
  }
}

class FollowedReader implements TreeReader {
  readonly #snapshot: FollowerSnapshot
  readonly #tree: FollowedTree
  readonly #end: number
  #root: RootReader | undefined

  constructor(snapshot: FollowerSnapshot, tree: FollowedTree, end: number) {
    this.#snapshot = snapshot
    this.#tree = tree
    this.#end = end
  }

  #whole(): RootReader {
    this.#assertOpen()
    this.#root ??= this.#snapshot.rootOf(this.#tree)
    return this.#root
  }

  #assertOpen(): void {
    assertOutside()
    if (!this.#snapshot.isOpen) throw closed()
  }

  /** Whether the tree, moved on or not, says of the key what it said at the snapshot's commit. */
  #isAsBefore(key: Uint8Array): boolean {
    if (this.#snapshot.hasRoot(this.#tree)) return false
    this.#tree.assertReadable()
    return this.#tree.isAsBefore(this.#end, key)
  }

  get(given: Uint8Array): Buffer | undefined {
    this.#assertOpen()
    const key = bytesOf('a key', given)
    return this.#isAsBefore(key) ? this.#tree.get(key) : this.#whole().get(key)
  }

  has(given: Uint8Array): boolean {
    this.#assertOpen()
    const key = bytesOf('a key', given)
    return this.#isAsBefore(key) ? this.#tree.has(key) : this.#whole().has(key)
  }

  count(): number {
    return this.#whole().count()
  }

  cursor(options?: CursorOptions): Cursor {
    return this.#whole().cursor(options)
  }

  rank(key: Uint8Array): number {
    return this.#whole().rank(key)
  }

  reduce(range?: Range): Summary {
    return this.#whole().reduce(range)
  }
}

function closed(): StorageError {
  return new StorageError('CLOSED', 'the snapshot was closed')
}
