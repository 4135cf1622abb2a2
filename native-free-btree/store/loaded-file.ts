/** An open file whose trees are in memory as of one commit: that of a store with a writer, and of a reader beside one. */
import type { Located } from '../log/recovery.ts'
import type { Tree } from '../tree/tree.ts'
import type { Ledger } from '../write/ledger.ts'
import { OpenFile } from './open-file.ts'
import type { Parts } from './parts.ts'

export class LoadedFile extends OpenFile {
  #ledger: Ledger
  #trees: Map<string, Tree>
  #located: Located

  constructor({ file, located, loaded, space, ledger }: Parts) {
    super(file, located.salt, space)
    this.#ledger = ledger
    this.#trees = loaded.trees
    this.#located = located
  }

  get ledger(): Ledger {
    return this.#ledger
  }

  get trees(): ReadonlyMap<string, Tree> {
    return this.#trees
  }

  /** What was found in the file when it was last loaded. */
  get located(): Located {
    return this.#located
  }

  /** Takes over what the same file holds by now. `parts` were loaded with this file's space. */
  reload({ located, loaded, ledger }: Parts): void {
    this.#ledger.clear()
    this.#ledger = ledger
    this.#trees = loaded.trees
    this.#located = located
  }

  protected forgetChanges(): void {
    this.#ledger.clear()
  }
}
