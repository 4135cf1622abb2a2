/**
 * What every open database does, in the writer's thread or in another one: reads of the last durable commit, and telling
 * of changes. It holds no timers and no documents. Numbers that a read answers beside rows are those of the rows'
 * snapshot: never behind a write that was acknowledged before the snapshot was taken, never ahead of what it shows.
 */
import type { Backup, Snapshot, ValueSource } from '../../native-free-btree/index.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Steps } from '../base/time-slice.ts'
import type {
  AllDocsOptions,
  AllDocsPage,
  AllDocsRow,
  ChangesOptions,
  ChangesPage,
  DatabaseInfo,
  DocumentEdit,
  DocumentView,
  GetOptions,
  LocalDocument,
  MissingRevisions,
  OpenRevision,
  PartitionInfo,
  PurgedRevisions,
  StoredDocument,
} from './api/database.ts'
import { databaseErrorOf, reading } from './errors/layer-errors.ts'
import { idKey, LAYOUT_VERSION, readSummary, TREES } from './layout/layout.ts'
import type { DatabaseProperties, DatabaseRecord } from './layout/meta-records.ts'
import { checkNamesPartition, partitionBounds } from './layout/partition.ts'
import type { SequenceCodec } from './layout/sequence.ts'
import { openAllDocs, rowOf } from './read/all-docs.ts'
import { lastNumbers, openChanges } from './read/changes.ts'
import { Derivation } from './read/derivation.ts'
import { DocumentReader } from './read/document-reader.ts'
import type { ViewSource } from './read/document-view.ts'
import type { OpenStore, ReadableStore } from './read/open-store.ts'
import {
  type DocumentSource,
  getDocument,
  missingRevisions,
  openRevisions,
  type Replaced,
  replacedLeaf,
  storedAncestor,
} from './read/reads.ts'
import type { SettingsView } from './read/settings-view.ts'
import { Versioned } from './read/versioned.ts'
import type { DatabaseWords } from './read/words.ts'
import type { Revision } from './revisions/revision-id.ts'
import { type CheckStamp, stampOf } from './write/checked-state.ts'
import { ancestorsOf } from './write/edits.ts'
import { getLocalDocument, listLocalDocuments } from './write/local-documents.ts'
import { listPurges } from './write/purge.ts'

export interface ReadingParts {
  readonly name: string
  readonly record: Omit<DatabaseRecord, 'format'>
  readonly store: OpenStore
  readonly settings: SettingsView
  readonly sequences: SequenceCodec
  readonly words: DatabaseWords
  /** Takes what is counted. */
  readonly metrics: Metrics
}

/** Of one snapshot. A class, since every listing makes one, and most ask for no limit. */
class SnapshotViews implements ViewSource {
  readonly values: ValueSource
  readonly metrics: Metrics
  readonly #settings: SettingsView

  constructor(values: ValueSource, settings: SettingsView, metrics: Metrics) {
    this.values = values
    this.metrics = metrics
    this.#settings = settings
  }

  get revsLimit(): number {
    return this.#settings.revsLimit
  }
}

/** A class, since every read makes one. */
class StoreDocuments implements DocumentSource {
  readonly values: ValueSource
  readonly revsLimit: number
  readonly metrics: Metrics
  readonly #store: Pick<ReadableStore, 'get'>

  constructor(store: ReadableStore, revsLimit: number, metrics: Metrics) {
    this.values = store.values
    this.revsLimit = revsLimit
    this.metrics = metrics
    this.#store = store
  }

  get(tree: string, key: Uint8Array): Buffer | undefined {
    return this.#store.get(tree, key)
  }
}

export abstract class ReadingDatabase {
  readonly name: string
  readonly uuid: string
  readonly instanceStartTime: string
  readonly properties: DatabaseProperties
  readonly #store: OpenStore
  readonly #settings: SettingsView
  readonly #sequences: SequenceCodec
  readonly #words: DatabaseWords
  readonly #metrics: Metrics
  readonly #validation: Versioned<boolean>
  readonly #listeners = new Set<(updateSeqNumber: number) => void>()
  #notifying = false
  /** What `storedRow` gives. */
  #row: DocumentReader | undefined

  protected constructor({ name, record, store, settings, sequences, words, metrics }: ReadingParts) {
    this.name = name
    this.uuid = record.uuid
    this.instanceStartTime = record.instanceStartTime
    this.properties = record.properties
    this.#store = store
    this.#settings = settings
    this.#sequences = sequences
    this.#words = words
    this.#metrics = metrics
    this.#validation = new Versioned(
      store,
      () => words.designVersion,
      () =>
        store.withSnapshot(
          (snapshot) => readSummary(snapshot.tree(TREES.id).reduce().reduction).validating > 0,
        ),
    )
  }

  get updateSeqNumber(): number {
    return this.#words.updateSeq
  }

  sequenceOf(seqNumber: number): string {
    return this.#sequences.format(seqNumber)
  }

  isOfHistory(sequence: string): boolean {
    return this.#sequences.isOfHistory(sequence)
  }

  get isFresh(): boolean {
    return this.#store.isFresh
  }

  /** In the writer's thread there is nothing to do. */
  settle(): Promise<void> | undefined {
    return undefined
  }

  /**
   * The bytes are those of the file that is current now: a view reads what its references name later, when a compaction may
   * have given the store another file.
   */
  #documents(): DocumentSource {
    return new StoreDocuments(this.#store.get(), this.#settings.revsLimit, this.#metrics)
  }

  #viewsOf(snapshot: Snapshot): ViewSource {
    return new SnapshotViews(snapshot.values, this.#settings, this.#metrics)
  }

  /** Throws illegalDocumentId for an id that no document of a partitioned database can have. */
  protected requireReadable(id: string): void {
    if (this.properties.partitioned) checkNamesPartition(id)
  }

  /**
   * Sizes: `file` is the file's length; `external` the JSON of all leaf revisions; `active` the stored bodies
   * of leaf revisions and the keys and values of all trees, which is what a compaction would keep.
   */
  info(): DatabaseInfo {
    return this.#store.withSnapshot((snapshot) => {
      const summary = readSummary(snapshot.tree(TREES.id).reduce().reduction)
      const trees = Object.values(TREES).map((tree) => snapshot.tree(tree).reduce().bytes)
      const { update, purge } = lastNumbers(snapshot)
      return {
        docCount: summary.live,
        docDelCount: summary.deleted,
        updateSeq: this.#sequences.format(update),
        purgeSeq: this.#sequences.format(purge),
        sizes: {
          file: this.#store.get().fileBytes,
          active: trees.reduce((sum, bytes) => sum + bytes, summary.active),
          external: summary.external,
        },
        instanceStartTime: this.instanceStartTime,
        compactRunning: this.#words.isCompacting,
        diskFormatVersion: LAYOUT_VERSION,
      }
    })
  }

  partitionInfo(partition: string): PartitionInfo {
    const { start, end } = partitionBounds(partition)
    return this.#store.withSnapshot((snapshot) => {
      const range = { start: idKey(start), end: idKey(end) }
      const { live, deleted, active, external } = readSummary(snapshot.tree(TREES.id).reduce(range).reduction)
      return { docCount: live, docDelCount: deleted, sizes: { active, external } }
    })
  }

  onChange(listener: (updateSeqNumber: number) => void): () => void {
    const entry = (updateSeqNumber: number): void => listener(updateSeqNumber)
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  /** Tells the listeners of the last change, once for all that are noted before they hear of it. */
  protected noteChange(): void {
    if (this.#notifying || this.#listeners.size === 0) return
    this.#notifying = true
    queueMicrotask(() => {
      this.#notifying = false
      for (const listener of [...this.#listeners]) listener(this.updateSeqNumber)
    })
  }

  /** Listeners hear of nothing more. */
  protected forgetListeners(): void {
    this.#listeners.clear()
  }

  purgedInfos(): IterableIterator<PurgedRevisions> {
    return this.#store.page(listPurges)
  }

  get(id: string, options: GetOptions = {}): DocumentView {
    this.requireReadable(id)
    try {
      return getDocument(this.#documents(), id, options)
    } catch (error) {
      throw databaseErrorOf(error)
    }
  }

  openRevs(id: string, revs: 'all' | readonly string[], options: { latest?: boolean } = {}): OpenRevision[] {
    this.requireReadable(id)
    return reading(() => openRevisions(this.#documents(), id, revs, options))
  }

  lookup(id: string): AllDocsRow | undefined {
    return reading(() => {
      const value = this.#store.get().get(TREES.id, idKey(id))
      return value === undefined ? undefined : rowOf(this.#documents(), id, value)
    })
  }

  storedRow(bytes: Uint8Array, start: number, end: number): StoredDocument | undefined {
    this.#row ??= new DocumentReader({
      source: () => this.#store.get(),
      settings: this.#settings,
      metrics: this.#metrics,
    })
    return this.#row.find(bytes, start, end) ? this.#row : undefined
  }

  allDocs(options: AllDocsOptions = {}): AllDocsPage {
    // Noted before the snapshot is taken, which then shows that change, and does not have to be asked for the sequence.
    const noted = this.#words.updateSeq
    return this.#store.page((snapshot) => {
      const number = this.#store.isFresh ? noted : lastNumbers(snapshot).update
      return openAllDocs(snapshot, this.#viewsOf(snapshot), { number, codec: this.#sequences }, options)
    })
  }

  changes(options: ChangesOptions = {}): ChangesPage {
    return this.#store.page((snapshot) => {
      const current = lastNumbers(snapshot).update
      const views = this.#viewsOf(snapshot)
      return openChanges(snapshot, { views, sequences: this.#sequences, current }, options)
    })
  }

  /** What is derived from documents is derived from this; it must be closed. */
  derivation(): Derivation {
    return this.#store.page((snapshot) => {
      const source = { values: snapshot.values, revsLimit: this.#settings.revsLimit }
      return new Derivation(snapshot, source)
    })
  }

  get designVersion(): number {
    return this.#words.designVersion
  }

  hasValidation(): boolean {
    this.#store.get()
    return this.#validation.get()
  }

  /**
   * Whether who may write and whether writes are checked is known as of every write that was acknowledged before, however far reads
   * are behind. Then a write need not wait until they are not.
   */
  get hasFreshRules(): boolean {
    return this.#store.isOpen && this.#settings.keepsSecurity && this.#validation.isKept
  }

  /**
   * Whether what edits are checked against can be looked at without holding up others: it is known, or reads are not behind and
   * little has to be moved into the trees for it. Else `learnRules` is due.
   */
  get knowsRules(): boolean {
    return this.hasFreshRules || (this.isFresh && this.settle() === undefined)
  }

  /** As `refresh`, for who writes next. */
  async learnRules(): Promise<void> {}

  /** Looks at the rules, so that they are known when reads are behind again. Where they cannot be read, who needs them is told. */
  protected lookAtRules(): void {
    if (this.hasFreshRules) return
    try {
      this.security()
      this.hasValidation()
    } catch {
      // So it is.
    }
  }

  /** Of what the next reads see, or of something older. */
  checkStamp(): CheckStamp {
    return stampOf(this.#words)
  }

  /** What an edit finds: see `read/reads.ts`. Throws bad_request for a malformed revision. */
  replacedBy({ id, rev, deleted, revisions }: DocumentEdit, newEdits: boolean): Replaced {
    const documents = this.#documents()
    return reading(() => {
      if (newEdits) return replacedLeaf(documents, id, rev, deleted)
      return storedAncestor(documents, id, ancestorsOf(rev, revisions))
    })
  }

  getLocal(id: string): LocalDocument | undefined {
    return reading(() => getLocalDocument(this.#store.get(), id))
  }

  localDocs(options: AllDocsOptions = {}): IterableIterator<LocalDocument> {
    return this.#store.page((snapshot) => listLocalDocuments(snapshot, options))
  }

  missingRevs(id: string, revisions: readonly Revision[]): Steps<MissingRevisions> {
    this.requireReadable(id)
    return missingRevisions(() => this.#documents(), id, revisions)
  }

  security(): Buffer | undefined {
    return this.#settings.security()
  }

  revsLimit(): number {
    return this.#settings.revsLimit
  }

  purgedInfosLimit(): number {
    return this.#settings.purgedInfosLimit
  }

  backup(): Backup {
    return reading(() => this.#store.get().backup())
  }
}
