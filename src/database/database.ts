/**
 * One database on one store. Writes go through the store's one writer; reads see its last durable commit. The
 * object holds no timers and no documents: a cached flag, the settings, and numbers. Numbers of the update
 * sequence are taken when a transaction is built and never given twice; a group that could not be written
 * leaves a gap.
 */
import {
  type Backup,
  type Snapshot,
  type Store,
  StoreCompactionSource,
  type Transaction,
} from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { RandomBytes } from '../base/random.ts'
import { runAtOnce, runInTurns, type Steps } from '../base/time-slice.ts'
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
  UpdateOptions,
} from './api/database.ts'
import { type ByteSource, type IncomingAttachment, takeAttachment } from './attachments/content.ts'
import { awaiting, reading } from './errors/layer-errors.ts'
import type { AttachmentContent } from './layout/attachment-records.ts'
import { firstExpiry, listDue } from './layout/expiry.ts'
import { type IdSummary, idKey, LAYOUT_VERSION, readSummary, TREES } from './layout/layout.ts'
import {
  type DatabaseProperties,
  type DatabaseRecord,
  DEFAULT_SEQUENCES,
  DEFAULT_SETTINGS,
  readEpochs,
  readRecord,
  readSecurity,
  type SettingsRecord,
  writeEpochs,
  writeRecord,
  writeSecurity,
} from './layout/meta-records.ts'
import { checkNamesPartition, checkPartitionedId, partitionBounds } from './layout/partition.ts'
import { SequenceCodec } from './layout/sequence.ts'
import { openAllDocs, rowOf } from './read/all-docs.ts'
import { lastChange, openChanges } from './read/changes.ts'
import type { ViewSource } from './read/document-view.ts'
import { type DocumentSource, getDocument, missingRevisions, openRevisions } from './read/reads.ts'
import { type EditContext, partsOf, type ReadyEdits, readyEdits, readySteps } from './write/edits.ts'
import { expireDocuments } from './write/expire.ts'
import {
  getLocalDocument,
  listLocalDocuments,
  localKey,
  nextLocalNumber,
  removeLocalDocument,
  writeLocalDocument,
} from './write/local-documents.ts'
import {
  hasMovedContent,
  holdContent,
  MovedContent,
  releaseContent,
  withPresentContent,
} from './write/moved-content.ts'
import { applyPurges, listPurges, readyPurges, trimPurges } from './write/purge.ts'
import { type AppendedBodies, turnSource } from './write/turn-source.ts'
import {
  applyEdits,
  refusedOutcome,
  requireAll,
  type UpdateContext,
  type UpdateOutcome,
} from './write/update.ts'

/** About what a purge of one document writes. */
const PURGE_BYTES = 512
/** About what the end of one document writes. */
const TOMBSTONE_BYTES = 512
/** So many edits are made ready in one go. */
const SHORT_REQUEST = 256
/** What a patch of a document may write is not known before its turn. */
const TURN_BYTES = 4096

/** Waits for every one of them, also when one rejects: then rejects as the first that did. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(promises)
  for (const each of settled) if (each.status === 'rejected') throw each.reason
}

export class StoredDatabase implements Database {
  readonly name: string
  readonly uuid: string
  readonly instanceStartTime: string
  readonly properties: DatabaseProperties
  readonly #store: Store
  readonly #sequences: SequenceCodec
  readonly #clock: Pick<Clock, 'now'>
  readonly #listeners = new Set<(updateSeqNumber: number) => void>()
  /** Bodies of transactions that were built and have not settled. */
  readonly #unsettled = new Set<AppendedBodies>()
  #expiryListener: ((expiresAtMs: number) => Promise<void> | undefined) | undefined
  #settings: SettingsRecord
  #purgeSeq: number
  /** Of the last change that is durable. */
  #updateSeq: number
  /** Of the last change that a transaction took. */
  #builtSeq: number
  /** The epoch of the sequence that began with this opening is stored. */
  #epochStored = false
  #notifying = false
  #compaction: StoreCompactionSource | undefined
  readonly #refusal: () => string | undefined
  #closing = false
  /** The bytes as they were last read; undefined: to be looked up. */
  #security: { stored: Buffer | undefined } | undefined
  /** Undefined: to be looked up. */
  #validation: boolean | undefined

  /** `openDatabase` and `createDatabase` make these. */
  constructor(
    store: Store,
    name: string,
    record: DatabaseRecord,
    random: RandomBytes,
    clock: Pick<Clock, 'now'>,
    refusal: () => string | undefined = () => undefined,
  ) {
    this.#store = store
    this.#refusal = refusal
    this.#clock = clock
    this.name = name
    this.uuid = record.uuid
    this.instanceStartTime = record.instanceStartTime
    this.properties = record.properties
    const floors = { ...DEFAULT_SEQUENCES, ...readRecord(store, 'sequences') }
    this.#purgeSeq = floors.purge
    this.#updateSeq = floors.update
    this.#settings = { ...DEFAULT_SETTINGS, ...readRecord(store, 'settings') }
    this.#updateSeq = this.#withSnapshot((snapshot) => this.#changeIn(snapshot))
    this.#builtSeq = this.#updateSeq
    this.#sequences = new SequenceCodec(readEpochs(store), this.#updateSeq, random)
  }

  get updateSeqNumber(): number {
    return this.#updateSeq
  }

  /**
   * The bytes are those of the file that is current now: a view reads what its references name later, when a compaction may
   * have given the store another file.
   */
  #documents(): DocumentSource {
    const store = this.#open()
    const { values } = store
    return { get: (tree, key) => store.get(tree, key), values, revsLimit: this.#settings.revsLimit }
  }

  #viewsOf(snapshot: Snapshot): ViewSource {
    return { values: snapshot.values, revsLimit: this.#settings.revsLimit }
  }

  #open(): Store {
    if (this.#closing) throw new DatabaseError('databaseClosed')
    return this.#store
  }

  /** The last change that a snapshot just taken shows; the last one may have been a purge and have no entry. */
  #changeIn(snapshot: Snapshot): number {
    return Math.max(this.#updateSeq, lastChange(snapshot))
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
        purgeSeq: this.#sequences.format(this.#purgeSeq),
        sizes: {
          file: this.#store.fileBytes,
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
    return this.#withSnapshot((snapshot) => {
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

  /** A transaction that may take numbers of the update sequence; listeners hear of them when it is durable. */
  async #change<T>(build: (context: UpdateContext) => T, sizeHint: number): Promise<T> {
    let last = 0
    const appended: AppendedBodies = []
    this.#unsettled.add(appended)
    const outcome = await this.#transact((tx) => {
      const first = this.#builtSeq
      const nextSeq = (): number => this.#builtSeq + 1
      const takeSeq = (): number => {
        this.#builtSeq += 1
        return this.#builtSeq
      }
      try {
        const built = build({ tx, revsLimit: this.#settings.revsLimit, nextSeq, takeSeq, appended })
        last = this.#builtSeq > first ? this.#builtSeq : 0
        if (last > 0 && !this.#epochStored) writeEpochs(tx, this.#sequences.record())
        return built
      } catch (error) {
        this.#builtSeq = first
        throw error
      }
    }, sizeHint).finally(() => this.#unsettled.delete(appended))
    if (last > 0) this.#epochStored = true
    this.#changed(last)
    return outcome
  }

  /** Deletions go on where the disk has no room: they are how it gets some. Throws insufficient_storage. */
  #requireRoom(): void {
    const reason = this.#refusal()
    if (reason !== undefined) throw new DatabaseError('insufficientStorage', reason)
  }

  async update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    if (edits.some(({ deleted }) => !deleted)) this.#requireRoom()
    try {
      for (let given = edits; ; ) {
        if (hasMovedContent(given)) given = await awaiting(withPresentContent(this.#open(), given))
        try {
          return await this.#update(given, options)
        } catch (error) {
          if (!(error instanceof MovedContent)) throw error
        }
      }
    } finally {
      releaseContent(edits)
    }
  }

  #context(newEdits: boolean): EditContext {
    const { partitioned } = this.properties
    return { newEdits, partitioned, nowMs: this.#clock.now() }
  }

  async #update(edits: readonly DocumentEdit[], options: UpdateOptions): Promise<EditResult[]> {
    const steps = this.#readySteps(edits, options)
    const isShort = edits.length <= SHORT_REQUEST
    const ready = isShort ? reading(() => runAtOnce(steps)) : await awaiting(runInTurns(steps))
    if (options.allOrNothing) {
      const outcome = await this.#change((context) => {
        const applied = applyEdits(context, ready)
        requireAll(applied.results)
        return applied
      }, ready.bytes).catch(refusedOutcome)
      await this.#updated(outcome)
      return outcome.results
    }
    const results: EditResult[] = new Array(edits.length)
    await allOf(partsOf(ready).map((part) => this.#updatePart(part, results)))
    return results
  }

  /** The results are put into their places. */
  async #updatePart(part: ReadyEdits, results: EditResult[]): Promise<void> {
    await this.#updated(await this.#change((context) => applyEdits(context, part, results), part.bytes))
  }

  *#readySteps(edits: readonly DocumentEdit[], options: UpdateOptions): Steps<ReadyEdits> {
    if (this.properties.partitioned) for (const { id } of edits) checkPartitionedId(id)
    return yield* readySteps(edits, this.#context(options.newEdits !== false))
  }

  #updated(outcome: UpdateOutcome): Promise<void> | undefined {
    if (outcome.design) this.#validation = undefined
    return outcome.expiresAtMs === undefined ? undefined : this.#expiryListener?.(outcome.expiresAtMs)
  }

  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    this.#requireReadable(id)
    this.#requireRoom()
    const outcome = await this.#change((context) => {
      const source = turnSource(context.tx, this.#store, this.#settings.revsLimit, this.#unsettled)
      const edit = make(getDocument(source, id, {}))
      return applyEdits(context, readyEdits([edit], this.#context(true)))
    }, TURN_BYTES)
    await this.#updated(outcome)
    return outcome.results[0]!
  }

  nextExpiry(): number | undefined {
    return this.#withSnapshot(firstExpiry)
  }

  async expire(nowMs: number, limit: number): Promise<number> {
    const due = this.#withSnapshot((snapshot) => listDue(snapshot, nowMs, limit))
    if (due.length === 0) return 0
    const bytes = due.length * TOMBSTONE_BYTES
    const outcome = await this.#change((context) => expireDocuments(context, due, nowMs), bytes)
    if (outcome.design) this.#validation = undefined
    return outcome.count
  }

  onExpirySet(listener: (expiresAtMs: number) => Promise<void> | undefined): void {
    this.#expiryListener = listener
  }

  async purge(requests: readonly PurgedRevisions[]): Promise<PurgedRevisions[]> {
    for (const { id } of requests) this.#requireReadable(id)
    const ready = reading(() => readyPurges(requests))
    const outcome = await this.#change(({ tx, takeSeq }) => {
      const { purgedInfosLimit } = this.#settings
      return applyPurges({ tx, purgedInfosLimit, takeSeq }, ready)
    }, ready.length * PURGE_BYTES)
    this.#purgeSeq = Math.max(this.#purgeSeq, outcome.sequences.purge)
    if (outcome.design) this.#validation = undefined
    return outcome.purged
  }

  purgedInfos(): IterableIterator<PurgedRevisions> {
    return this.#page(listPurges)
  }

  async takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent> {
    this.#requireRoom()
    const content = await awaiting(takeAttachment(this.#open(), source, incoming))
    holdContent(content)
    return content
  }

  /** Throws illegal_docid for an id that no document of a partitioned database can have. */
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
      const value = this.#open().get(TREES.id, idKey(id))
      return value === undefined ? undefined : rowOf(this.#documents(), id, value)
    })
  }

  allDocs(options: AllDocsOptions = {}): AllDocsPage {
    return this.#page((snapshot) =>
      openAllDocs(
        snapshot,
        this.#viewsOf(snapshot),
        this.#sequences.format(this.#changeIn(snapshot)),
        options,
      ),
    )
  }

  changes(options: ChangesOptions = {}): ChangesPage {
    return this.#page((snapshot) => {
      const current = this.#changeIn(snapshot)
      return openChanges(
        snapshot,
        { views: this.#viewsOf(snapshot), sequences: this.#sequences, current },
        options,
      )
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

  missingRevs(id: string, revs: readonly string[]): Steps<MissingRevisions> {
    this.#requireReadable(id)
    return missingRevisions(() => this.#documents(), id, revs)
  }

  security(): Buffer | undefined {
    const store = this.#open()
    this.#security ??= { stored: reading(() => readSecurity(store)) }
    return this.#security.stored
  }

  async setSecurity(body: Uint8Array): Promise<void> {
    await this.#transact((tx) => writeSecurity(tx, body), body.length)
    this.#security = undefined
  }

  revsLimit(): number {
    return this.#settings.revsLimit
  }

  /** Throws bad_request unless the limit is a positive integer. */
  async setRevsLimit(revsLimit: number): Promise<void> {
    if (!Number.isSafeInteger(revsLimit) || revsLimit < 1) {
      throw new DatabaseError('badRequest', '`rev_limit` must be a positive integer')
    }
    await this.#set({ revsLimit })
  }

  purgedInfosLimit(): number {
    return this.#settings.purgedInfosLimit
  }

  async setPurgedInfosLimit(purgedInfosLimit: number): Promise<void> {
    if (!Number.isSafeInteger(purgedInfosLimit) || purgedInfosLimit < 1) {
      throw new DatabaseError('badRequest', '`purged_infos_limit` must be positive integer')
    }
    await this.#set({ purgedInfosLimit }, (tx) => trimPurges(tx, purgedInfosLimit))
  }

  async #set(changes: Partial<SettingsRecord>, also: (tx: Transaction) => void = () => {}): Promise<void> {
    this.#settings = await this.#transact((tx) => {
      const changed = { ...DEFAULT_SETTINGS, ...readRecord(tx, 'settings'), ...changes }
      writeRecord(tx, 'settings', changed)
      also(tx)
      return changed
    })
  }

  async ensureFullCommit(): Promise<void> {
    this.#open()
  }

  backup(): Backup {
    return reading(() => this.#open().backup())
  }

  beginCompaction(): StoreCompactionSource {
    const store = this.#open()
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
    this.#closing = true
    this.#listeners.clear()
    await this.endCompaction()
    await awaiting(this.#store.close(timeoutMs))
  }
}
