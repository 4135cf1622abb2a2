/**
 * The file of an index, in the thread that writes it. What holds:
 * - A commit has all rows of the documents up to its state, and none that such a document had before.
 * - Of an index that is built from nothing the first rows are collected in memory, sorted, and become a file as a whole, which
 *   takes the place of the one without rows. What was collected and is not in a file is nowhere.
 * - What is in the file follows from the database alone: a file that cannot be read, or was made for something else, or in
 *   another order, is removed and made anew.
 */
import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type Filling,
  NewFile,
  nodeFileSystem,
  openStore,
  type PageCache,
  removeNewFile,
  StorageError,
  type Store,
} from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { restIfDue } from '../base/rest.ts'
import { giveWay } from '../base/time-slice.ts'
import type { IndexDefinition } from './api.ts'
import type { Batch } from './batch.ts'
import { CollectedEntries, type Entry, MOST_ENTRIES } from './collected-entries.ts'
import { CollectedRows } from './collected-rows.ts'
import {
  type IndexRecord,
  type IndexState,
  readIndexRecord,
  readState,
  recordOf,
  writeIndexRecord,
  writeState,
} from './index-record.ts'
import { IDS_TREE, META_TREE, orderOf, treeOptionsOf } from './index-trees.ts'
import type { MadeRows } from './row-making.ts'
import { type RowTransaction, RowWriter } from './row-writer.ts'

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
const START: IndexState = { updateSeq: 0, sequence: '', purgeSeq: 0, newUpTo: undefined }
/** What is collected before it becomes a file: then bytes, or this time, have been enough. A crash costs no more than that. */
const MOST_COLLECTED_BYTES = 64 * 1024 * 1024
const MOST_COLLECTED_MS = 5000

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

export function isUnusable(error: unknown): boolean {
  return error instanceof StorageError && UNUSABLE.has(error.code)
}

/** Removes the file of an index that nobody has open. */
export async function removeIndexFile(path: string): Promise<void> {
  for (const suffix of COMPANIONS) await rm(`${path}${suffix}`, { force: true })
}

export class IndexFile {
  readonly store: Store
  readonly #options: IndexFileOptions
  readonly #rows: RowWriter
  #state: IndexState
  #collected: Collected | undefined
  /** Resolves when no other file is being made for the place of this one. */
  #replacing: Promise<unknown> = Promise.resolve()

  private constructor(store: Store, options: IndexFileOptions) {
    this.store = store
    this.#options = options
    this.#rows = new RowWriter(options.definition)
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
        restIfDue()
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
    restIfDue()
    const store = await openStore(path, {
      trees: treeOptionsOf(definition),
      cache,
      clock,
      random,
      // The data folder is locked, and one thread of its process has the file.
      lock: async () => ({ release: async () => undefined }),
    })
    try {
      await store.settled()
    } catch (error) {
      await store.close()
      throw error
    }
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
    if (this.#collected !== undefined && isOfNewDocuments(batch)) {
      this.#rows.putAll(this.#collected, batch.documents, from, made)
      return
    }
    await this.finishCollecting()
    const state = { ...this.#state, newUpTo: '' }
    await this.store.transact((tx) => {
      this.#rows.putAll(tx, batch.documents, from, made)
      writeState(tx, state)
    })
    this.#state = state
  }

  /** Commits the rest of a batch, and that the index has all of it. */
  async writeLast(batch: Batch, from: number, made: MadeRows | undefined): Promise<void> {
    if (from + (made?.count ?? 0) !== batch.documents.length) throw new Error('not all documents were mapped')
    const collected = this.#collected
    if (collected !== undefined && isOfNewDocuments(batch)) {
      if (made !== undefined) this.#rows.putAll(collected, batch.documents, from, made)
      collected.state = batch.state
      if (this.#isEnough(collected)) await this.finishCollecting()
      return
    }
    await this.finishCollecting()
    await this.store.transact((tx) => {
      for (const document of batch.rowless) this.#rows.remove(tx, document.id)
      if (made !== undefined) this.#rows.putAll(tx, batch.documents, from, made)
      writeState(tx, batch.state)
    })
    this.#state = batch.state
  }

  /** From now on rows of new documents are collected. To be called where there are none yet. */
  beginCollecting(): void {
    const { definition, clock } = this.#options
    const trees = treeOptionsOf(definition)
    const names = this.#rows.trees
    const entries = new Map(
      [IDS_TREE, ...names].map((name) => [name, new CollectedEntries(trees[name]!.comparator)]),
    )
    const rows = new CollectedRows(
      names.map((name) => entries.get(name)!),
      names.map((_, tree) => orderOf(definition, tree)),
      entries.get(IDS_TREE)!,
    )
    this.#collected = new Collected(entries, rows, clock.monotonic())
  }

  /** What was collected is in the file then. */
  async finishCollecting(): Promise<void> {
    const collected = this.#collected
    this.#collected = undefined
    if (collected === undefined) return
    const { entries, state } = collected
    try {
      if (state === undefined) return
      await this.replacing(() => this.#load(entries, state))
      this.#state = state
    } finally {
      collected.release()
    }
  }

  /** What was collected is forgotten. */
  dropCollected(): void {
    this.#collected?.release()
    this.#collected = undefined
  }

  #isEnough({ entries, startMs }: Collected): boolean {
    let bytes = 0
    for (const each of entries.values()) {
      if (each.count > MOST_ENTRIES / 2) return true
      bytes += each.bytes
    }
    return bytes > MOST_COLLECTED_BYTES || this.#options.clock.monotonic() - startMs > MOST_COLLECTED_MS
  }

  /** Makes a file for the place of this one; whoever else does so waits. */
  replacing<T>(make: () => Promise<T>): Promise<T> {
    const made = this.#replacing.then(make)
    this.#replacing = made.catch(() => undefined)
    return made
  }

  async #load(entries: ReadonlyMap<string, CollectedEntries>, state: IndexState): Promise<void> {
    const { path, database, definition, cache, clock, random } = this.#options
    const options = { trees: treeOptionsOf(definition), cache, clock, random }
    const file = await NewFile.open(path, this.store, options)
    try {
      for (const [name, collected] of entries) {
        restIfDue()
        await loadTree(file, name, collected)
      }
      restIfDue()
      const meta = metaEntries(recordOf(database, definition), state)
      await loadTree(file, META_TREE, meta)
      meta.release()
      restIfDue()
      await file.finish()
      restIfDue()
      const turn = await this.store.turn()
      try {
        await turn.replaceWith(file.path)
        restIfDue()
      } finally {
        turn.giveBack()
      }
    } catch (error) {
      await file.close().catch(() => undefined)
      await removeNewFile(nodeFileSystem, path).catch(() => undefined)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.store.close()
  }
}

/** Rows that are in no file yet. All documents that they are of are new. */
class Collected implements RowTransaction {
  readonly entries: ReadonlyMap<string, CollectedEntries>
  readonly collected: CollectedRows
  readonly startMs: number
  /** Of the index with all of them; undefined before the first batch. */
  state: IndexState | undefined

  constructor(entries: ReadonlyMap<string, CollectedEntries>, collected: CollectedRows, startMs: number) {
    this.entries = entries
    this.collected = collected
    this.startMs = startMs
  }

  get(): undefined {
    return undefined
  }

  getInto(): number {
    return -1
  }

  put(tree: string, key: Uint8Array, value: Uint8Array): void {
    this.entries.get(tree)!.add(key, value)
  }

  delete(): void {}

  release(): void {
    for (const each of this.entries.values()) each.release()
  }
}

function isOfNewDocuments({ documents, rowless }: Batch): boolean {
  return rowless.length === 0 && documents.every(({ isNew }) => isNew)
}

function metaEntries(record: IndexRecord, state: IndexState): CollectedEntries {
  const entries = new CollectedEntries(undefined)
  const tx = { put: (_meta: string, key: Uint8Array, value: Uint8Array) => entries.add(key, value) }
  writeIndexRecord(tx, record)
  writeState(tx, state)
  return entries
}

async function loadTree(file: NewFile, name: string, collected: CollectedEntries): Promise<void> {
  const entries = collected.sorted()
  while (await file.fill((filling) => addUntilFull(filling, name, entries))) await giveWay()
  await file.finishLoad(name)
}

/** Whether there may be more of them. */
function addUntilFull(filling: Filling, name: string, entries: Iterator<Entry, void, void>): boolean {
  while (!filling.isFull) {
    const next = entries.next()
    if (next.done === true) return false
    restIfDue()
    filling.add(name, next.value.key, next.value.value)
  }
  return true
}
