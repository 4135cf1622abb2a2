/**
 * One database on one store. Writes go through the store's one writer; reads see its last durable commit. The
 * object holds no timers and no documents: a cached flag, the settings, and numbers. Numbers of the update
 * sequence are taken when a transaction is built and never given twice; a group that could not be written
 * leaves a gap.
 */
import type { Snapshot, Store, Transaction } from '../../native-free-btree/index.ts'
import { DatabaseError } from '../base/errors.ts'
import type { RandomBytes } from '../base/random.ts'
import { openAllDocs, rowOf } from './all-docs.ts'
import type {
  AllDocsOptions,
  AllDocsPage,
  AllDocsRow,
  ChangesOptions,
  ChangesPage,
  Database,
  DatabaseInfo,
  DocumentEdit,
  DocumentView,
  EditResult,
  GetOptions,
  LocalDocument,
  OpenRevision,
  UpdateOptions,
} from './api.ts'
import { lastChange, openChanges } from './changes.ts'
import { readyEdits } from './edits.ts'
import { awaiting, reading } from './layer-errors.ts'
import { type IdSummary, idKey, LAYOUT_VERSION, readSummary, TREES } from './layout.ts'
import {
  getLocalDocument,
  listLocalDocuments,
  localKey,
  nextLocalNumber,
  removeLocalDocument,
  writeLocalDocument,
} from './local-documents.ts'
import {
  type DatabaseProperties,
  type DatabaseRecord,
  DEFAULT_SEQUENCES,
  DEFAULT_SETTINGS,
  readEpochs,
  readRecord,
  readSecurity,
  type SequencesRecord,
  type SettingsRecord,
  writeEpochs,
  writeRecord,
  writeSecurity,
} from './meta-records.ts'
import { getDocument, missingRevisions, openRevisions } from './reads.ts'
import { SequenceCodec } from './sequence.ts'
import { applyEdits } from './update.ts'

export class StoredDatabase implements Database {
  readonly name: string
  readonly uuid: string
  readonly instanceStartTime: string
  readonly properties: DatabaseProperties
  readonly #store: Store
  readonly #sequences: SequenceCodec
  readonly #floors: SequencesRecord
  readonly #listeners = new Set<(updateSeqNumber: number) => void>()
  #settings: SettingsRecord
  /** Of the last change that is durable. */
  #updateSeq: number
  /** Of the last change that a transaction took. */
  #builtSeq: number
  /** The epoch of the sequence that began with this opening is stored. */
  #epochStored = false
  #notifying = false
  #closing = false
  /** Undefined: to be looked up. */
  #validation: boolean | undefined

  /** `openDatabase` and `createDatabase` make these. */
  constructor(store: Store, name: string, record: DatabaseRecord, random: RandomBytes) {
    this.#store = store
    this.name = name
    this.uuid = record.uuid
    this.instanceStartTime = record.instanceStartTime
    this.properties = record.properties
    this.#floors = { ...DEFAULT_SEQUENCES, ...readRecord(store, 'sequences') }
    this.#settings = { ...DEFAULT_SETTINGS, ...readRecord(store, 'settings') }
    this.#updateSeq = this.#withSnapshot((snapshot) => this.#changeIn(snapshot))
    this.#builtSeq = this.#updateSeq
    this.#sequences = new SequenceCodec(readEpochs(store), this.#updateSeq, random)
  }

  get updateSeqNumber(): number {
    return this.#updateSeq
  }

  #open(): Store {
    if (this.#closing) throw new DatabaseError('databaseClosed')
    return this.#store
  }

  #changeIn(snapshot: Snapshot): number {
    return Math.max(this.#floors.update, lastChange(snapshot))
  }

  #withSnapshot<T>(read: (snapshot: Snapshot) => T): T {
    return reading(() => {
      const snapshot = this.#open().snapshot()
      try {
        return read(snapshot)
      } finally {
        snapshot.close()
      }
    })
  }

  /** Hands a snapshot over to the rows that `open` makes. */
  #page<T>(open: (snapshot: Snapshot) => T): T {
    return reading(() => {
      const snapshot = this.#open().snapshot()
      try {
        return open(snapshot)
      } catch (error) {
        snapshot.close()
        throw error
      }
    })
  }

  async #transact<T>(build: (tx: Transaction) => T, sizeHint?: number): Promise<T> {
    return awaiting(this.#open().transact(build, { sizeHint }))
  }

  #summary(snapshot: Snapshot): IdSummary {
    return readSummary(snapshot.tree(TREES.id).reduce().reduction)
  }

  /**
   * Sizes: `file` is the file's length; `external` the JSON of all leaf revisions; `active` the stored bodies
   * of leaf revisions and the keys and values of all trees, which is what a compaction would keep.
   */
  info(): DatabaseInfo {
    return this.#withSnapshot((snapshot) => {
      const summary = this.#summary(snapshot)
      const trees = Object.values(TREES).map((tree) => snapshot.tree(tree).reduce().bytes)
      return {
        docCount: summary.live,
        docDelCount: summary.deleted,
        updateSeq: this.#sequences.format(this.#changeIn(snapshot)),
        purgeSeq: this.#sequences.format(this.#floors.purge),
        sizes: {
          file: this.#store.stats().fileBytes,
          active: trees.reduce((sum, bytes) => sum + bytes, summary.active),
          external: summary.external,
        },
        instanceStartTime: this.instanceStartTime,
        compactRunning: false,
        diskFormatVersion: LAYOUT_VERSION,
      }
    })
  }

  onChange(listener: (updateSeqNumber: number) => void): () => void {
    const entry = (updateSeqNumber: number): void => listener(updateSeqNumber)
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  #changed(seq: number): void {
    if (seq <= this.#updateSeq) return
    this.#updateSeq = seq
    if (this.#notifying || this.#listeners.size === 0) return
    this.#notifying = true
    queueMicrotask(() => {
      this.#notifying = false
      for (const listener of [...this.#listeners]) listener(this.#updateSeq)
    })
  }

  async update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    const ready = reading(() => readyEdits(edits, options.newEdits !== false))
    let last = 0
    const outcome = await this.#transact((tx) => {
      const first = this.#builtSeq
      const takeSeq = (): number => {
        this.#builtSeq += 1
        return this.#builtSeq
      }
      try {
        const applied = applyEdits({ tx, revsLimit: this.#settings.revsLimit, takeSeq }, ready)
        last = this.#builtSeq > first ? this.#builtSeq : 0
        if (last > 0 && !this.#epochStored) writeEpochs(tx, this.#sequences.record())
        return applied
      } catch (error) {
        this.#builtSeq = first
        throw error
      }
    }, ready.bytes)
    if (last > 0) this.#epochStored = true
    if (outcome.design) this.#validation = undefined
    this.#changed(last)
    return outcome.results
  }

  get(id: string, options: GetOptions = {}): DocumentView {
    return reading(() => getDocument(this.#open(), id, options))
  }

  openRevs(id: string, revs: 'all' | readonly string[], options: { latest?: boolean } = {}): OpenRevision[] {
    return reading(() => openRevisions(this.#open(), id, revs, options))
  }

  lookup(id: string): AllDocsRow | undefined {
    return reading(() => {
      const value = this.#open().get(TREES.id, idKey(id))
      return value === undefined ? undefined : rowOf(this.#store, id, value)
    })
  }

  allDocs(options: AllDocsOptions = {}): AllDocsPage {
    return this.#page((snapshot) =>
      openAllDocs(snapshot, this.#store, this.#sequences.format(this.#changeIn(snapshot)), options),
    )
  }

  changes(options: ChangesOptions = {}): ChangesPage {
    return this.#page((snapshot) => {
      const current = this.#changeIn(snapshot)
      return openChanges(snapshot, { bodies: this.#store, sequences: this.#sequences, current }, options)
    })
  }

  hasValidation(): boolean {
    this.#validation ??= this.#withSnapshot((snapshot) => this.#summary(snapshot).validating > 0)
    return this.#validation
  }

  getLocal(id: string): LocalDocument | undefined {
    return reading(() => getLocalDocument(this.#open(), id))
  }

  async putLocal(id: string, body: Uint8Array, rev: string | undefined): Promise<string> {
    const key = localKey(id)
    const number = nextLocalNumber(rev)
    return this.#transact((tx) => writeLocalDocument(tx, key, body, number), body.length)
  }

  async deleteLocal(id: string, _rev: string | undefined): Promise<string> {
    const key = localKey(id)
    return this.#transact((tx) => {
      if (tx.get(TREES.local, key) === undefined) throw new DatabaseError('missing')
      return removeLocalDocument(tx, key)
    })
  }

  localDocs(options: AllDocsOptions = {}): IterableIterator<LocalDocument> {
    return this.#page((snapshot) => listLocalDocuments(snapshot, options))
  }

  missingRevs(id: string, revs: readonly string[]): { missing: string[]; possibleAncestors: string[] } {
    return reading(() => missingRevisions(this.#open(), id, revs))
  }

  security(): Buffer | undefined {
    return reading(() => readSecurity(this.#open()))
  }

  async setSecurity(body: Uint8Array): Promise<void> {
    await this.#transact((tx) => writeSecurity(tx, body), body.length)
  }

  revsLimit(): number {
    return this.#settings.revsLimit
  }

  /** Throws bad_request unless the limit is a positive integer. */
  async setRevsLimit(limit: number): Promise<void> {
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new DatabaseError('badRequest', '`rev_limit` must be a positive integer')
    }
    const settings = await this.#transact((tx) => {
      const changed = { ...DEFAULT_SETTINGS, ...readRecord(tx, 'settings'), revsLimit: limit }
      writeRecord(tx, 'settings', changed)
      return changed
    })
    this.#settings = settings
  }

  async ensureFullCommit(): Promise<void> {
    this.#open()
  }

  /** `timeoutMs` is how long to wait for rows that are still being read. */
  async close(timeoutMs = 0): Promise<void> {
    this.#closing = true
    this.#listeners.clear()
    await awaiting(this.#store.close(timeoutMs))
  }
}
