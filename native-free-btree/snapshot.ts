/** A view of one commit: the roots as they were, kept from change by copy-on-write until it is closed. */
import type { Snapshot, TreeReader } from './api.ts'
import { StorageError } from './errors.ts'
import type { PageSource } from './page-source.ts'
import type { Root, Share, Tree } from './tree.ts'
import { RootReader } from './tree-reader.ts'
import type { ValueReader } from './values.ts'

export class StoreSnapshot implements Snapshot {
  readonly commit: number
  readonly #source: PageSource
  readonly #values: ValueReader
  readonly #roots = new Map<string, { tree: Tree; root: Root; share: Share }>()
  readonly #onClose: (snapshot: StoreSnapshot) => void
  #open = true

  constructor(
    commit: number,
    trees: Iterable<Tree>,
    source: PageSource,
    values: ValueReader,
    onClose: (snapshot: StoreSnapshot) => void,
  ) {
    this.commit = commit
    this.#source = source
    this.#values = values
    this.#onClose = onClose
    source.addReader()
    for (const tree of trees) {
      const share = tree.share()
      this.#roots.set(tree.definition.name, { tree, root: share.root, share })
    }
  }

  tree(name: string): TreeReader {
    if (!this.#open) throw new StorageError('CLOSED', 'the snapshot was closed')
    const entry = this.#roots.get(name)
    if (entry === undefined)
      throw new StorageError('UNKNOWN_TREE', `there is no tree ${name}`, { tree: name })
    entry.tree.assertReadable()
    return new RootReader(entry.tree, entry.root, this.#source, this.#values, () => this.#open)
  }

  /** The frozen roots, for `check`. */
  roots(): Iterable<{ tree: Tree; root: Root }> {
    return this.#roots.values()
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#source.removeReader()
    for (const { tree, share } of this.#roots.values()) tree.unshare(share)
    this.#roots.clear()
    this.#onClose(this)
  }
}
