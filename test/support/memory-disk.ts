import type { Store, StoreOptions } from '../../native-free-btree/index.ts'
import { Contents, MemoryStore } from './memory-store.ts'
import { MemoryStoreError } from './memory-tree.ts'

/** Files by path; `openStore` has the engine's shape. */
export class MemoryDisk {
  readonly files = new Map<string, Contents>()
  readonly stores = new Map<string, MemoryStore>()
  #made = 0

  /** What a file holds now, as a copy of it would. */
  copy(path: string): Contents {
    const { uuid, commit, trees, values, references, fileBytes } = this.files.get(path)!
    return { uuid, commit, trees, values: [...values], references, fileBytes }
  }

  openStore = async (path: string, options: StoreOptions = {}): Promise<Store> => {
    await Promise.resolve()
    if (this.stores.has(path)) throw new MemoryStoreError('LOCKED', `${path} is open`)
    let contents = this.files.get(path)
    if (contents === undefined) {
      if (options.create === false) throw new MemoryStoreError('NOT_FOUND', `no file ${path}`)
      contents = new Contents()
      this.#made += 1
      contents.uuid = this.#made.toString(16).padStart(32, '0')
      this.files.set(path, contents)
    }
    const store = new MemoryStore(path, contents, options.trees ?? {}, () => this.stores.delete(path))
    this.stores.set(path, store)
    return store
  }
}
