/**
 * One database on one store. Writes go through the store's one writer; reads see its last durable commit. The
 * object holds no timers and no documents: settings, a cached flag, and numbers. Reads are here; what changes documents
 * is in `write/write-path.ts`.
 */
import {
  type Backup,
  type Snapshot,
  type Store,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { RandomBytes } from '../base/random.ts'
import type { Steps } from '../base/time-slice.ts'
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
  MissingRevisions,
  OpenRevision,
  PartitionInfo,
  PurgedRevisions,
  PurgeRequest,
  UpdateOptions,
} from './api/database.ts'
import type { ByteSource, IncomingAttachment } from './attachments/content.ts'
import { reading } from './errors/layer-errors.ts'
import type { AttachmentContent } from './layout/attachment-records.ts'
import { firstExpiry } from './layout/expiry.ts'
import { idKey, LAYOUT_VERSION, readSummary, TREES } from './layout/layout.ts'
import {
  type DatabaseProperties,
  type DatabaseRecord,
  DEFAULT_SEQUENCES,
  readEpochs,
  readRecord,
} from './layout/meta-records.ts'
import { checkNamesPartition, partitionBounds } from './layout/partition.ts'
import { SequenceCodec } from './layout/sequence.ts'
import { openAllDocs, rowOf } from './read/all-docs.ts'
import { lastChange, openChanges } from './read/changes.ts'
import type { ViewSource } from './read/document-view.ts'
import { OpenStore } from './read/open-store.ts'
import { type DocumentSource, getDocument, missingRevisions, openRevisions } from './read/reads.ts'
import type { Revision } from './revisions/revision-id.ts'
import {
  getLocalDocument,
  listLocalDocuments,
  localKey,
  nextLocalNumber,
  removeLocalDocument,
  writeLocalDocument,
} from './write/local-documents.ts'
import { listPurges } from './write/purge.ts'
import { DatabaseSettings } from './write/settings.ts'
import { WritePath } from './write/write-path.ts'

export class StoredDatabase implements Database {
  readonly name: string
  readonly uuid: string
  readonly instanceStartTime: string
  readonly properties: DatabaseProperties
  readonly #store: OpenStore
  readonly #settings: DatabaseSettings
  readonly #sequences: SequenceCodec
  readonly #writes: WritePath
  #compaction: StoreCompactionSource | undefined

  /** `openDatabase` and `createDatabase` make these. */
  constructor(
    store: Store,
    name: string,
    record: DatabaseRecord,
    random: RandomBytes,
    clock: Pick<Clock, 'now'>,
    refusal: () => string | undefined = () => undefined,
  ) {
    this.name = name
    this.uuid = record.uuid
    this.instanceStartTime = record.instanceStartTime
    this.properties = record.properties
    this.#store = new OpenStore(store)
    const floors = { ...DEFAULT_SEQUENCES, ...readRecord(store, 'sequences') }
    this.#settings = new DatabaseSettings(this.#store)
    const last = this.#store.withSnapshot(lastChange)
    const update = Math.max(floors.update, last)
    this.#sequences = new SequenceCodec(readEpochs(store), update, random)
    const { partitioned } = record.properties
    this.#writes = new WritePath(
      {
        store: this.#store,
        settings: this.#settings,
        sequences: this.#sequences,
        partitioned,
        clock,
        refusal,
      },
      { update, purge: floors.purge },
    )
  }

  get updateSeqNumber(): number {
    return this.#writes.updateSeq
  }

  /**
   * The bytes are those of the file that is current now: a view reads what its references name later, when a compaction may
   * have given the store another file.
   */
  #documents(): DocumentSource {
    const store = this.#store.get()
    const { values } = store
    return { get: (tree, key) => store.get(tree, key), values, revsLimit: this.#settings.revsLimit }
  }

  #viewsOf(snapshot: Snapshot): ViewSource {
    return { values: snapshot.values, revsLimit: this.#settings.revsLimit }
  }

  /** The last change that a snapshot just taken shows; the last one may have been a purge and have no entry. */
  #changeIn(snapshot: Snapshot): number {
    return Math.max(this.#writes.updateSeq, lastChange(snapshot))
  }

  /**
   * Sizes: `file` is the file's length; `external` the JSON of all leaf revisions; `active` the stored bodies
   * of leaf revisions and the keys and values of all trees, which is what a compaction would keep.
   */
  info(): DatabaseInfo {
    return this.#store.withSnapshot((snapshot) => {
      const summary = readSummary(snapshot.tree(TREES.id).reduce().reduction)
      const trees = Object.values(TREES).map((tree) => snapshot.tree(tree).reduce().bytes)
      return {
        docCount: summary.live,
        docDelCount: summary.deleted,
        updateSeq: this.#sequences.format(this.#changeIn(snapshot)),
        purgeSeq: this.#sequences.format(this.#writes.purgeSeq),
        sizes: {
          file: this.#store.get().fileBytes,
          active: trees.reduce((sum, bytes) => sum + bytes, summary.active),
          external: summary.external,
        },
        instanceStartTime: this.instanceStartTime,
        compactRunning: this.#compaction !== undefined,
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
    return this.#writes.onChange(listener)
  }

  update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    return this.#writes.update(edits, options)
  }

  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    this.#requireReadable(id)
    return this.#writes.updateInTurn(id, make)
  }

  nextExpiry(): number | undefined {
    return this.#store.withSnapshot(firstExpiry)
  }

  expire(nowMs: number, limit: number): Promise<number> {
    return this.#writes.expire(nowMs, limit)
  }

  onExpirySet(listener: (expiresAtMs: number) => Promise<void> | undefined): void {
    this.#writes.onExpirySet(listener)
  }

  async purge(requests: readonly PurgeRequest[]): Promise<PurgedRevisions[]> {
    for (const { id } of requests) this.#requireReadable(id)
    return this.#writes.purge(requests)
  }

  purgedInfos(): IterableIterator<PurgedRevisions> {
    return this.#store.page(listPurges)
  }

  takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent> {
    return this.#writes.takeAttachment(source, incoming)
  }

  /** Throws illegalDocumentId for an id that no document of a partitioned database can have. */
  #requireReadable(id: string): void {
    if (this.properties.partitioned) checkNamesPartition(id)
  }

  get(id: string, options: GetOptions = {}): DocumentView {
    this.#requireReadable(id)
    return reading(() => getDocument(this.#documents(), id, options))
  }

  openRevs(id: string, revs: 'all' | readonly string[], options: { latest?: boolean } = {}): OpenRevision[] {
    this.#requireReadable(id)
    return reading(() => openRevisions(this.#documents(), id, revs, options))
  }

  lookup(id: string): AllDocsRow | undefined {
    return reading(() => {
      const value = this.#store.get().get(TREES.id, idKey(id))
      return value === undefined ? undefined : rowOf(this.#documents(), id, value)
    })
  }

  allDocs(options: AllDocsOptions = {}): AllDocsPage {
    return this.#store.page((snapshot) =>
      openAllDocs(
        snapshot,
        this.#viewsOf(snapshot),
        this.#sequences.format(this.#changeIn(snapshot)),
        options,
      ),
    )
  }

  changes(options: ChangesOptions = {}): ChangesPage {
    return this.#store.page((snapshot) => {
      const current = this.#changeIn(snapshot)
      return openChanges(
        snapshot,
        { views: this.#viewsOf(snapshot), sequences: this.#sequences, current },
        options,
      )
    })
  }

  hasValidation(): boolean {
    return this.#writes.hasValidation()
  }

  getLocal(id: string): LocalDocument | undefined {
    return reading(() => getLocalDocument(this.#store.get(), id))
  }

  async putLocal(id: string, body: Uint8Array, rev: string | undefined): Promise<string> {
    const key = localKey(id)
    const number = nextLocalNumber(rev)
    return this.#store.transact((tx) => writeLocalDocument(tx, key, body, number), body.length)
  }

  async deleteLocal(id: string, _rev: string | undefined): Promise<string> {
    const key = localKey(id)
    return this.#store.transact((tx) => {
      if (tx.get(TREES.local, key) === undefined) throw new DatabaseError('missing')
      return removeLocalDocument(tx, key)
    })
  }

  localDocs(options: AllDocsOptions = {}): IterableIterator<LocalDocument> {
    return this.#store.page((snapshot) => listLocalDocuments(snapshot, options))
  }

  missingRevs(id: string, revisions: readonly Revision[]): Steps<MissingRevisions> {
    this.#requireReadable(id)
    return missingRevisions(() => this.#documents(), id, revisions)
  }

  security(): Buffer | undefined {
    return this.#settings.security()
  }

  setSecurity(body: Uint8Array): Promise<void> {
    return this.#settings.setSecurity(body)
  }

  revsLimit(): number {
    return this.#settings.revsLimit
  }

  setRevsLimit(limit: number): Promise<void> {
    return this.#settings.setRevsLimit(limit)
  }

  purgedInfosLimit(): number {
    return this.#settings.purgedInfosLimit
  }

  setPurgedInfosLimit(limit: number): Promise<void> {
    return this.#settings.setPurgedInfosLimit(limit)
  }

  async ensureFullCommit(): Promise<void> {
    this.#store.get()
  }

  backup(): Backup {
    return reading(() => this.#store.get().backup())
  }

  beginCompaction(): StoreCompactionSource {
    const store = this.#store.get()
    if (this.#compaction !== undefined) throw new DatabaseError('conflict', 'A compaction is running.')
    this.#compaction = new StoreCompactionSource(store)
    return this.#compaction
  }

  async endCompaction({ discard = false } = {}): Promise<void> {
    const compaction = this.#compaction
    await compaction?.end()
    if (discard) await compaction?.discard()
    this.#compaction = undefined
  }

  /** `timeoutMs` is how long to wait for rows that are still being read. */
  async close(timeoutMs = 0): Promise<void> {
    this.#store.beginClosing()
    this.#writes.forgetListeners()
    await this.endCompaction()
    await this.#store.close(timeoutMs)
  }
}
