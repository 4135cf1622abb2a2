/** A view of one commit: the roots as they were, kept from change by copy-on-write until it is closed. */
import type { Snapshot, TreeReader, ValueSource } from '../api.ts'
import { unknownTree } from '../arguments.ts'
import { assertOutside } from '../callbacks.ts'
import { StorageError } from '../errors.ts'
import { RootReader } from '../tree/reader.ts'
import type { Root, Share } from '../tree/shares.ts'
import type { Tree } from '../tree/tree.ts'
import type { LoadedFile } from './loaded-file.ts'

export class StoreSnapshot implements Snapshot {
  readonly commit: number
  readonly #file: LoadedFile
  readonly #unpin: () => void
  readonly #roots = new Map<string, { tree: Tree; root: Root; share: Share }>()
  readonly #onClose: (snapshot: StoreSnapshot) => void
  #open = true

  constructor(commit: number, file: LoadedFile, onClose: (snapshot: StoreSnapshot) => void) {
    this.commit = commit
    this.#file = file
    this.#unpin = file.pin()
    this.#onClose = onClose
    file.source.addReader()
    for (const tree of file.trees.values()) {
      const share = tree.share()
      this.#roots.set(tree.definition.name, { tree, root: share.root, share })
    }
  }

  tree(name: string): TreeReader {
    assertOutside()
    if (!this.#open) throw new StorageError('CLOSED', 'the snapshot was closed')
    const entry = this.#roots.get(name)
    if (entry === undefined) throw unknownTree(name)
    entry.tree.assertReadable()
    const { source, values } = this.#file
    return new RootReader(entry.tree, entry.root, source, values, () => this.#open)
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
    return this.#roots.values()
  }

  close(): void {
    assertOutside()
    if (!this.#open) return
    this.#open = false
    this.#file.source.removeReader()
    for (const { tree, share } of this.#roots.values()) tree.unshare(share)
    this.#roots.clear()
    this.#unpin()
    this.#onClose(this)
  }
}
