/**
 * The `Store` interface in memory, for tests and as a model. It keeps the interface's promises in the
 * plainest way: a commit makes new sorted arrays, a snapshot holds on to old ones, transactions are built in
 * the order they came and become visible only once the group's sync (an awaited turn) returned.
 */
import type {
  CheckReport,
  RecoveryReport,
  Reference,
  Snapshot,
  Store,
  StoreOptions,
  StoreStats,
  Transaction,
  TransactOptions,
  TreeOptions,
} from '../../native-free-btree/index.ts'
import {
  type Compare,
  type Entry,
  lowerBound,
  MemoryStoreError,
  MemoryTreeReader,
  type Tree,
} from './memory-tree.ts'

type Trees = Record<string, Tree>
type Overlay = Map<string, Map<string, Entry | null>>

interface Waiting {
  build: (tx: Transaction) => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** What a file would hold. */
class Contents {
  uuid = ''
  commit = 0
  trees: Trees = {}
  values: Buffer[] = []
  fileBytes = 8192
}

const textKey = (key: Uint8Array): string => Buffer.from(key).toString('latin1')

export class MemoryStore implements Store {
  readonly path: string
  readonly recovery: RecoveryReport
  readonly #contents: Contents
  readonly #options: Record<string, TreeOptions>
  readonly #release: () => void
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #closing = false
  #closed = false
  #poisoned: string | undefined
  #snapshots = 0
  /** Refuses the next group with this code; POISONED poisons for good. */
  failNext: string | undefined

  constructor(path: string, contents: Contents, trees: Record<string, TreeOptions>, release: () => void) {
    this.path = path
    this.#contents = contents
    this.#options = trees
    this.#release = release
    for (const name of Object.keys(trees)) contents.trees[name] ??= []
    this.recovery = {
      outcome: contents.commit === 0 ? 'created' : 'clean',
      cutBytes: 0,
      cutAt: 0,
      lastCommit: contents.commit,
      groupsReplayed: 0,
      recordsReplayed: 0,
      badSuperblocks: 0,
    }
  }

  get uuid(): string {
    return this.#contents.uuid
  }

  get commit(): number {
    return this.#contents.commit
  }

  readonly salt = 0n
  /** Nothing replaces these contents. */
  readonly isCurrent = true

  hold(): () => void {
    return () => {}
  }

  get values(): this {
    return this
  }

  get durableEnd(): number {
    return this.#contents.fileBytes
  }

  backup(): never {
    throw new MemoryStoreError('READ_ONLY', 'there is no file')
  }

  async exportSnapshot(): Promise<never> {
    throw new MemoryStoreError('READ_ONLY', 'there is no file')
  }

  async turn(): Promise<never> {
    throw new MemoryStoreError('READ_ONLY', 'there is no file')
  }

  slowDown(): void {}

  get openSnapshots(): number {
    return this.#snapshots
  }

  #compare(tree: string): Compare {
    return this.#options[tree]?.comparator?.compare ?? Buffer.compare
  }

  #tree(name: string, trees: Trees): Tree {
    const tree = trees[name]
    if (tree === undefined) throw new MemoryStoreError('UNKNOWN_TREE', `no tree ${name}`)
    return tree
  }

  #assertOpen(): void {
    if (this.#closed) throw new MemoryStoreError('CLOSED', `${this.path} is closed`)
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    this.#assertOpen()
    const entries = this.#tree(tree, this.#contents.trees)
    const entry = entries[lowerBound(entries, key, this.#compare(tree))]
    return entry && this.#compare(tree)(entry.key, key) === 0 ? Buffer.from(entry.value) : undefined
  }

  has(tree: string, key: Uint8Array): boolean {
    return this.get(tree, key) !== undefined
  }

  snapshot(): Snapshot {
    this.#assertOpen()
    const trees = this.#contents.trees
    let open = true
    this.#snapshots += 1
    const live = (): void => {
      if (!open) throw new MemoryStoreError('SNAPSHOT_CLOSED', 'the snapshot is closed')
    }
    return {
      commit: this.#contents.commit,
      values: this,
      tree: (name) => {
        live()
        return new MemoryTreeReader(this.#tree(name, trees), this.#options[name] ?? {}, live)
      },
      close: () => {
        if (open) this.#snapshots -= 1
        open = false
      },
    }
  }

  read(reference: Reference): Buffer {
    this.#assertOpen()
    const value = this.#contents.values[Buffer.from(reference).readUIntBE(0, 6)]
    if (value === undefined || value.length !== this.lengthOf(reference)) {
      throw new MemoryStoreError('DAMAGED', 'no value behind the reference')
    }
    return Buffer.from(value)
  }

  lengthOf(reference: Reference): number {
    return Buffer.from(reference).readUIntBE(6, 6)
  }

  async *readStream(reference: Reference, start = 0, end?: number): AsyncGenerator<Buffer, void, void> {
    yield this.read(reference).subarray(start, end)
  }

  #append(value: Uint8Array): Reference {
    const reference = Buffer.alloc(16)
    reference.writeUIntBE(this.#contents.values.length, 0, 6)
    reference.writeUIntBE(value.length, 6, 6)
    this.#contents.values.push(Buffer.from(value))
    this.#contents.fileBytes += value.length
    return reference
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    const chunks: Uint8Array[] = []
    for await (const chunk of source) chunks.push(chunk)
    return this.#append(Buffer.concat(chunks))
  }

  transact<T>(build: (tx: Transaction) => T, _options?: TransactOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing) throw new MemoryStoreError('CLOSED', `${this.path} is closed`)
      this.#waiting.push({ build, resolve: resolve as (value: unknown) => void, reject })
      this.#running ??= this.#run()
    })
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    while (this.#waiting.length > 0) await this.#commitGroup(this.#waiting.splice(0))
    this.#running = undefined
  }

  async #commitGroup(group: Waiting[]): Promise<void> {
    if (this.#poisoned !== undefined) {
      for (const { reject } of group) reject(new MemoryStoreError('POISONED', this.#poisoned))
      return
    }
    const overlay: Overlay = new Map()
    const built: { waiting: Waiting; result: unknown }[] = []
    const valuesBefore = this.#contents.values.length
    for (const waiting of group) {
      const own: Overlay = new Map()
      try {
        built.push({ waiting, result: waiting.build(this.#transaction(overlay, own)) })
        for (const [tree, writes] of own) {
          const target = overlay.get(tree) ?? new Map<string, Entry | null>()
          for (const [key, entry] of writes) target.set(key, entry)
          overlay.set(tree, target)
        }
      } catch (error) {
        waiting.reject(error)
      }
    }
    await Promise.resolve()
    const failure = this.failNext
    this.failNext = undefined
    if (failure !== undefined) {
      if (failure === 'POISONED') this.#poisoned = 'a sync failed'
      this.#contents.values.length = valuesBefore
      for (const { waiting } of built) waiting.reject(new MemoryStoreError(failure, 'the group was not kept'))
      return
    }
    this.#apply(overlay)
    for (const { waiting, result } of built) waiting.resolve(result)
  }

  #transaction(overlay: Overlay, own: Overlay): Transaction {
    const write = (tree: string, key: Uint8Array, entry: Entry | null): void => {
      this.#tree(tree, this.#contents.trees)
      const writes = own.get(tree) ?? new Map<string, Entry | null>()
      writes.set(textKey(key), entry)
      own.set(tree, writes)
    }
    return {
      get: (tree, key) => {
        const text = textKey(key)
        const written = own.get(tree)?.get(text) ?? overlay.get(tree)?.get(text)
        const removed = own.get(tree)?.get(text) === null
        if (written && !removed) return Buffer.from(written.value)
        if (removed || written === null) return undefined
        return this.get(tree, key)
      },
      put: (tree, key, value) => write(tree, key, { key: Buffer.from(key), value: Buffer.from(value) }),
      delete: (tree, key) => write(tree, key, null),
      append: (value) => this.#append(value),
    }
  }

  #apply(overlay: Overlay): void {
    const trees = { ...this.#contents.trees }
    for (const [name, writes] of overlay) {
      const kept = this.#tree(name, trees).filter((entry) => !writes.has(textKey(entry.key)))
      const added = [...writes.values()].filter((entry) => entry !== null)
      const compare = this.#compare(name)
      trees[name] = [...kept, ...added].sort((a, b) => compare(a.key, b.key))
      for (const entry of added) this.#contents.fileBytes += entry.key.length + entry.value.length
    }
    this.#contents.trees = trees
    this.#contents.commit += 1
  }

  async checkpoint(): Promise<void> {
    await this.#running
  }

  async check(): Promise<CheckReport> {
    const problems = []
    let values = 0
    for (const [name, tree] of Object.entries(this.#contents.trees)) {
      for (const entry of tree) {
        for (const reference of this.#options[name]?.references?.(entry.value) ?? []) {
          values += 1
          try {
            this.read(reference)
          } catch (error) {
            problems.push({ where: name, what: (error as Error).message })
          }
        }
      }
    }
    const entries = Object.values(this.#contents.trees).reduce((sum, tree) => sum + tree.length, 0)
    return {
      problems,
      problemCount: problems.length,
      leftovers: [],
      groups: this.commit,
      nodes: 0,
      entries,
      values,
      bytes: this.#contents.fileBytes,
    }
  }

  get fileBytes(): number {
    return this.#contents.fileBytes
  }

  stats(): StoreStats {
    return {
      fileBytes: this.#contents.fileBytes,
      commit: this.commit,
      dirtyBytes: 0,
      cachedBytes: 0,
      openSnapshots: this.#snapshots,
      retiredFiles: 0,
      checkpointRunning: false,
      queuedBytes: 0,
      recordBytesWritten: 0,
      nodeBytesWritten: 0,
      poisoned: this.#poisoned,
      trees: {},
    }
  }

  async refresh(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    await this.#running
    this.#closed = true
    this.#release()
    if (this.#snapshots > 0)
      throw new MemoryStoreError('SNAPSHOTS_OPEN', `${this.#snapshots} snapshots are open`)
  }
}

/** Files by path; `openStore` has the engine's shape. */
export class MemoryDisk {
  readonly files = new Map<string, Contents>()
  readonly stores = new Map<string, MemoryStore>()
  #made = 0

  /** What a file holds now, as a copy of it would. */
  copy(path: string): Contents {
    const { uuid, commit, trees, values, fileBytes } = this.files.get(path)!
    return { uuid, commit, trees, values: [...values], fileBytes }
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
