/**
 * The file of an index, in the thread that writes it. What holds:
 * - A commit has all rows of the documents up to its state, and none that such a document had before.
 * - What is in the file follows from the database alone: a file that cannot be read, or was made for something else, or in
 *   another order, is removed and made anew.
 */
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { openStore, type PageCache, StorageError, type Store } from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { visitRows } from '../scripting/rows.ts'
import type { IndexDefinition } from './api.ts'
import type { Batch, BatchDocument } from './batch.ts'
import { decodeDocumentRows, encodeDocumentRows } from './document-rows.ts'
import { canonicalRow, type RowText } from './engine-text.ts'
import {
  type IndexState,
  readIndexRecord,
  readState,
  recordOf,
  writeIndexRecord,
  writeState,
} from './index-record.ts'
import { IDS_TREE, orderOf, rowsTree, treeCountOf, treeOptionsOf } from './index-trees.ts'
import type { KeyOrder } from './keys/key-order.ts'
import { rowKey } from './keys/row-key.ts'
import { encodeRowValue } from './keys/row-value.ts'
import type { MadeRows } from './row-making.ts'

/** Errors after which a file is made anew. */
const UNUSABLE: ReadonlySet<string> = new Set([
  'DAMAGED',
  'NOT_A_STORE',
  'UNSUPPORTED_VERSION',
  'COMPARATOR_MISMATCH',
  'REDUCER_MISMATCH',
])
/** What lies beside the file, by suffix. */
const COMPANIONS = ['', '.lock', '.compact', '.compact.creating']
const START: IndexState = { updateSeq: 0, sequence: '', purgeSeq: 0, newUpTo: '' }
const COLON = 0x3a

export interface IndexFileOptions {
  readonly path: string
  /** The database's uuid. */
  readonly database: string
  readonly definition: IndexDefinition
  readonly cache: PageCache
  readonly clock: Clock
  readonly random: RandomBytes
  readonly log: Log
}

/** A row before it is written. */
interface FoundRow extends RowText {
  readonly tree: number
}

export function isUnusable(error: unknown): boolean {
  return error instanceof StorageError && UNUSABLE.has(error.code)
}

/** Removes the file of an index that nobody has open. */
export async function removeIndexFile(path: string): Promise<void> {
  for (const suffix of COMPANIONS) await rm(`${path}${suffix}`, { force: true })
}

interface Transaction {
  get(tree: string, key: Uint8Array): Buffer | undefined
  put(tree: string, key: Uint8Array, value: Uint8Array): void
  delete(tree: string, key: Uint8Array): void
}

export class IndexFile {
  readonly store: Store
  readonly #options: IndexFileOptions
  /** By tree. */
  readonly #orders: readonly KeyOrder[]
  readonly #trees: readonly string[]
  #state: IndexState

  private constructor(store: Store, options: IndexFileOptions) {
    this.store = store
    this.#options = options
    this.#trees = Array.from({ length: treeCountOf(options.definition) }, (_, tree) => rowsTree(tree))
    this.#orders = this.#trees.map((_name, tree) => orderOf(options.definition, tree))
    this.#state = readState(store) ?? START
  }

  /** Opens the file, or makes it. */
  static async open(options: IndexFileOptions): Promise<IndexFile> {
    const { path, database, definition, log } = options
    try {
      const file = await IndexFile.#open(options)
      const record = readIndexRecord(file.store)
      const expected = recordOf(database, definition)
      if (JSON.stringify(record) === JSON.stringify(expected)) return file
      if (record === undefined && file.#state === START) {
        await file.store.transact((tx) => writeIndexRecord(tx, expected))
        return file
      }
      await file.close()
      log.warning('an index was made for something else and is built anew', { path })
    } catch (error) {
      if (!isUnusable(error)) throw error
      log.warning('an index cannot be read and is built anew', { path, reason: describeError(error) })
    }
    await removeIndexFile(path)
    const file = await IndexFile.#open(options)
    await file.store.transact((tx) => writeIndexRecord(tx, recordOf(database, definition)))
    return file
  }

  static async #open(options: IndexFileOptions): Promise<IndexFile> {
    const { path, definition, cache, clock, random } = options
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const store = await openStore(path, {
      trees: treeOptionsOf(definition),
      cache,
      clock,
      random,
      // The data folder is locked, and one thread of its process has the file.
      lock: async () => ({ release: async () => undefined }),
    })
    return new IndexFile(store, options)
  }

  get state(): IndexState {
    return this.#state
  }

  /**
   * Commits the rows of some documents of a batch, from the one at `from` on. The state stays, so that after a crash they come
   * again; then they are not new.
   */
  async writePart(batch: Batch, from: number, made: MadeRows): Promise<void> {
    const state = { ...this.#state, newUpTo: '' }
    await this.store.transact((tx) => {
      this.#putAll(tx, batch.documents, from, made)
      writeState(tx, state)
    })
    this.#state = state
  }

  /** Commits the rest of a batch, and that the index has all of it. */
  async writeLast(batch: Batch, from: number, made: MadeRows | undefined): Promise<void> {
    if (from + (made?.count ?? 0) !== batch.documents.length) throw new Error('not all documents were mapped')
    await this.store.transact((tx) => {
      for (const document of batch.rowless) this.#remove(tx, document.id)
      if (made !== undefined) this.#putAll(tx, batch.documents, from, made)
      writeState(tx, batch.state)
    })
    this.#state = batch.state
  }

  #remove(tx: Transaction, id: Buffer): void {
    const before = tx.get(IDS_TREE, id)
    if (before === undefined) return
    this.#removeRows(tx, id, decodeDocumentRows(before), [])
    tx.delete(IDS_TREE, id)
  }

  /** Those of `before` that are not in the same place of `after`. */
  #removeRows(
    tx: Transaction,
    id: Uint8Array,
    before: readonly (readonly Uint8Array[])[],
    after: readonly (readonly Uint8Array[])[],
  ): void {
    for (const [tree, keys] of before.entries()) {
      for (const [number, key] of keys.entries()) {
        const stays = after[tree]?.[number]
        if (stays !== undefined && Buffer.compare(stays, key) === 0) continue
        tx.delete(this.#trees[tree]!, rowKey(key, id, number))
      }
    }
  }

  #putAll(tx: Transaction, documents: readonly BatchDocument[], from: number, made: MadeRows): void {
    const { rows, count } = made
    let current = from
    let found: FoundRow[] = []
    const finish = (until: number): void => {
      for (; current < until; current++) {
        const document = documents[current]!
        this.#finish(tx, document, this.#putRows(tx, document, found))
        found = []
      }
    }
    visitRows(rows, this.#trees.length, (offset, tree, keyStart, keyEnd, valueStart, valueEnd) => {
      finish(from + offset)
      const text = canonicalRow(rows, keyStart, keyEnd, valueStart, valueEnd)
      found.push({ tree, ...text })
    })
    finish(from + count)
  }

  /**
   * By tree and number, the sort keys of a document's rows. Those of equal keys stand in the order in which CouchDB shows them:
   * what was emitted last comes first.
   */
  #putRows(tx: Transaction, { id }: BatchDocument, found: readonly FoundRow[]): Uint8Array[][] {
    const keys = this.#noKeys()
    for (let at = found.length - 1; at >= 0; at--) {
      const { tree, source, keyStart, keyEnd, valueStart, valueEnd } = found[at]!
      const sortKey = this.#orders[tree]!.sortKey(source.subarray(keyStart, keyEnd), this.#partitionOf(id))
      const ofTree = keys[tree]!
      const value = encodeRowValue(source, keyStart, keyEnd, valueStart, valueEnd)
      tx.put(this.#trees[tree]!, rowKey(sortKey, id, ofTree.length), value)
      ofTree.push(sortKey)
    }
    return keys
  }

  #noKeys(): Uint8Array[][] {
    return this.#trees.map(() => [])
  }

  #partitionOf(id: Buffer): Uint8Array | undefined {
    if (!this.#options.definition.isPartitioned) return undefined
    return id.subarray(0, Math.max(0, id.indexOf(COLON)))
  }

  /** Old rows go, and what the new ones are keyed by is kept. */
  #finish(tx: Transaction, { id, isNew }: BatchDocument, keys: Uint8Array[][]): void {
    const before = isNew ? undefined : tx.get(IDS_TREE, id)
    if (before !== undefined) this.#removeRows(tx, id, decodeDocumentRows(before), keys)
    const after = encodeDocumentRows(keys)
    if (after !== undefined) tx.put(IDS_TREE, id, after)
    else if (before !== undefined) tx.delete(IDS_TREE, id)
  }

  async close(): Promise<void> {
    await this.store.close()
  }
}
