/**
 * The `Store` interface in memory, for tests and as a model. It keeps the interface's promises in the
 * plainest way: a commit makes new sorted arrays, a snapshot holds on to old ones, transactions are built in
 * the order they came and become visible only once the group's sync (an awaited turn) returned, bytes that they appended
 * as well. `store-contract.test.ts` holds it to what the engine does.
 */
import type {
  CheckReport,
  EntryPlace,
  RecoveryReport,
  Reference,
  Snapshot,
  Store,
  StoreStats,
  Transaction,
  TransactOptions,
  TreeOptions,
  ValuePlace,
} from '../../native-free-btree/index.ts'
import {
  type Compare,
  lowerBound,
  MemoryStoreError,
  MemoryTreeReader,
  placeEntry,
  type Tree,
} from './memory-tree.ts'
import { Pending } from './memory-writes.ts'

type Trees = Record<string, Tree>

interface Waiting {
  build: (tx: Transaction) => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** What a file would hold. */
export class Contents {
  uuid = ''
  commit = 0
  trees: Trees = {}
  /** By the numbers in their references, which are never given twice. */
  values: Buffer[] = []
  /** References given so far. */
  references = 0
  fileBytes = 8192
}

const REFERENCE_BYTES = 16
const MAX_KEY_BYTES = 65_536

function refuse(what: string): never {
  throw new MemoryStoreError('INVALID_ARGUMENT', what)
}

function requireBytes(bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) refuse('no Uint8Array')
}

export class MemoryStore implements Store {
  readonly path: string
  readonly recovery: RecoveryReport
  readonly #contents: Contents
  readonly #options: Record<string, TreeOptions>
  readonly #release: () => void
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined
  #closing: Promise<void> | undefined
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

  async settled(): Promise<void> {}

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

  shareProgress(): never {
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
    requireBytes(key)
    const entries = this.#tree(tree, this.#contents.trees)
    const entry = entries[lowerBound(entries, key, this.#compare(tree))]
    return entry && this.#compare(tree)(entry.key, key) === 0 ? Buffer.from(entry.value) : undefined
  }

  getInto(tree: string, key: Uint8Array, target: Uint8Array): number {
    const value = this.get(tree, key)
    if (value !== undefined && value.length <= target.length) target.set(value)
    return value?.length ?? -1
  }

  place(tree: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean {
    const key = Buffer.from(bytes.subarray(start, end))
    const value = this.get(tree, key)
    if (value !== undefined) placeEntry({ key, value }, into)
    return value !== undefined
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
      if (!open || this.#closed) throw new MemoryStoreError('CLOSED', 'the snapshot was closed')
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

  locate(bytes: Uint8Array, offset: number): ValuePlace {
    const value = this.read(bytes.subarray(offset, offset + 16))
    return { bytes: value, start: 0, end: value.length }
  }

  read(reference: Reference): Buffer {
    const length = this.lengthOf(reference)
    const value = this.#contents.values[Buffer.from(reference).readUIntBE(0, 6)]
    if (value === undefined || value.length !== length) {
      throw new MemoryStoreError('DAMAGED', 'no value behind the reference')
    }
    return Buffer.from(value)
  }

  lengthOf(reference: Reference): number {
    this.#assertOpen()
    requireBytes(reference)
    if (reference.length !== REFERENCE_BYTES) refuse('a reference has 16 bytes')
    return Buffer.from(reference).readUIntBE(6, 6)
  }

  async *readStream(reference: Reference, start = 0, end?: number): AsyncGenerator<Buffer, void, void> {
    const value = this.read(reference)
    const to = end ?? value.length
    if (start > to || to > value.length) refuse(`bytes ${start} to ${to} of a value of ${value.length}`)
    yield value.subarray(start, to)
  }

  /** The bytes can be read once `keep` has them. */
  #append(value: Uint8Array, keep: (number: number, value: Buffer) => void): Reference {
    requireBytes(value)
    const number = this.#contents.references
    this.#contents.references += 1
    const reference = Buffer.alloc(REFERENCE_BYTES)
    reference.writeUIntBE(number, 0, 6)
    reference.writeUIntBE(value.length, 6, 6)
    keep(number, Buffer.from(value))
    return reference
  }

  #keep(number: number, value: Buffer): void {
    this.#contents.values[number] = value
    this.#contents.fileBytes += value.length
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    const chunks: Uint8Array[] = []
    for await (const chunk of source) chunks.push(chunk)
    if (this.#poisoned !== undefined) throw new MemoryStoreError('POISONED', this.#poisoned)
    return this.#append(Buffer.concat(chunks), (number, value) => this.#keep(number, value))
  }

  transact<T>(build: (tx: Transaction) => T, _options?: TransactOptions): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closing !== undefined) throw new MemoryStoreError('CLOSED', `${this.path} is closed`)
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
    const pending = new Pending()
    const built: { waiting: Waiting; result: unknown }[] = []
    for (const waiting of group) {
      try {
        built.push({ waiting, result: this.#build(waiting, pending) })
      } catch (error) {
        waiting.reject(error)
      }
    }
    await Promise.resolve()
    const failure = this.failNext
    this.failNext = undefined
    if (failure !== undefined) {
      if (failure === 'POISONED') this.#poisoned = 'a sync failed'
      for (const { waiting } of built) waiting.reject(new MemoryStoreError(failure, 'the group was not kept'))
      return
    }
    if (!pending.isEmpty) this.#apply(pending)
    for (const { waiting, result } of built) waiting.resolve(result)
  }

  /** Adds what the transaction wrote to `group`; nothing of it when it throws. */
  #build({ build }: Waiting, group: Pending): unknown {
    const own = new Pending()
    let isOver = false
    const requireOpen = (): void => {
      if (isOver) throw new MemoryStoreError('CLOSED', 'the transaction is over')
    }
    try {
      const result = build(this.#transaction(group, own, requireOpen))
      if (result instanceof Promise) refuse('a transaction is built synchronously')
      this.#join(group, own)
      return result
    } finally {
      isOver = true
    }
  }

  #join(group: Pending, own: Pending): void {
    for (const [tree, { entries }] of own.trees) {
      const target = group.writesTo(tree, this.#compare(tree))
      for (const { key, value } of entries) target.set(key, value)
    }
    for (const [number, value] of own.values) group.values.set(number, value)
  }

  #transaction(group: Pending, own: Pending, requireOpen: () => void): Transaction {
    const write = (tree: string, key: Uint8Array, value: Uint8Array | null): void => {
      requireOpen()
      this.#tree(tree, this.#contents.trees)
      requireBytes(key)
      if (value !== null) requireBytes(value)
      if (key.length > MAX_KEY_BYTES) throw new MemoryStoreError('KEY_TOO_LARGE', `${key.length} bytes`)
      own.writesTo(tree, this.#compare(tree)).set(Buffer.from(key), value && Buffer.from(value))
    }
    const get = (tree: string, key: Uint8Array): Buffer | undefined => {
      requireOpen()
      this.#tree(tree, this.#contents.trees)
      requireBytes(key)
      const ownValue = own.trees.get(tree)?.get(key)
      const written = ownValue === undefined ? group.trees.get(tree)?.get(key) : ownValue
      if (written === undefined) return this.get(tree, key)
      return written === null ? undefined : Buffer.from(written)
    }
    return {
      get,
      getInto: (tree, key, target) => {
        const value = get(tree, key)
        if (value !== undefined && value.length <= target.length) target.set(value)
        return value?.length ?? -1
      },
      put: write,
      delete: (tree, key) => write(tree, key, null),
      append: (value) => {
        requireOpen()
        return this.#append(value, (number, bytes) => own.values.set(number, bytes))
      },
    }
  }

  /** The group is durable: from here on readers see it. */
  #apply(pending: Pending): void {
    for (const [number, value] of pending.values) this.#keep(number, value)
    const trees = { ...this.#contents.trees }
    for (const [name, writes] of pending.trees) {
      trees[name] = writes.appliedTo(this.#tree(name, trees))
      for (const { key, value } of writes.entries) {
        if (value !== null) this.#contents.fileBytes += key.length + value.length
      }
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
      filledBytesWritten: 0,
      poisoned: this.#poisoned,
      trees: {},
    }
  }

  async refresh(): Promise<void> {}

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#running
    this.#closed = true
    this.#release()
    if (this.#snapshots > 0) {
      throw new MemoryStoreError('SNAPSHOTS_OPEN', `${this.#snapshots} snapshots are open`)
    }
  }
}
