/**
 * One database on one store, in the thread that writes it. Writes go through the store's one writer. The reads are those
 * of every open database (`reading-database.ts`), what changes documents is in `write/`.
 */
import { type Store, StoreCompactionSource } from '../../native-free-btree/index.ts'
import type { Clock } from '../base/clock.ts'
import type { Compression } from '../base/compression.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import type { RandomBytes } from '../base/random.ts'
import { giveWay } from '../base/time-slice.ts'
import type {
  DocumentEdit,
  DocumentView,
  EditResult,
  OwnedDatabase,
  PurgedRevisions,
  PurgeRequest,
  UpdateOptions,
} from './api/database.ts'
import type { SharedDatabase } from './api/remote-writer.ts'
import { type ByteSource, type IncomingAttachment, takeAttachment } from './attachments/content.ts'
import { awaiting } from './errors/layer-errors.ts'
import type { AttachmentContent } from './layout/attachment-records.ts'
import { firstExpiry } from './layout/expiry.ts'
import { TREES } from './layout/layout.ts'
import { type DatabaseRecord, readEpochs } from './layout/meta-records.ts'
import { SequenceCodec } from './layout/sequence.ts'
import { lastNumbers } from './read/changes.ts'
import { WritableStore } from './read/open-store.ts'
import { SettingsView } from './read/settings-view.ts'
import { DatabaseWords } from './read/words.ts'
import { ReadingDatabase } from './reading-database.ts'
import { type PackedPart, type PackedResults, packedParts } from './write/apply-packed.ts'
import { CheckedState } from './write/checked-state.ts'
import { allOf, EditPath } from './write/edit-path.ts'
import type { EditContext, ReadyEdits } from './write/edits.ts'
import {
  localKey,
  nextLocalNumber,
  removeLocalDocument,
  writeLocalDocument,
} from './write/local-documents.ts'
import { holdContent, MovedContent } from './write/moved-content.ts'
import type { PackedEdits } from './write/packed-edits.ts'
import { offerPacked } from './write/packed-way.ts'
import { SettingsWrites } from './write/settings.ts'
import { updateWinner } from './write/winner-edits.ts'
import { WritePath } from './write/write-path.ts'

export interface StoredParts {
  random: RandomBytes
  clock: Pick<Clock, 'now' | 'monotonic'>
  /** Takes what is counted. */
  metrics: Metrics
  /** Why documents may not be written now: the disk has no room. Undefined: they may. */
  refusal: () => string | undefined
  /** Of bodies that are written now. */
  compression: () => Compression
  /** Bytes from which a partition is full; 0: none is. */
  maxPartitionBytes: () => number
}

export class StoredDatabase extends ReadingDatabase implements OwnedDatabase {
  readonly #store: WritableStore
  readonly #words: DatabaseWords
  readonly #sequences: SequenceCodec
  readonly #settings: SettingsWrites
  readonly #writes: WritePath
  readonly #edits: EditPath
  readonly #metrics: Metrics
  #compaction: StoreCompactionSource | undefined

  /** `openDatabase` and `createDatabase` make these. */
  constructor(
    store: Store,
    name: string,
    record: DatabaseRecord,
    { random, clock, metrics, refusal, compression, maxPartitionBytes }: StoredParts,
  ) {
    const open = new WritableStore(store, metrics)
    const words = new DatabaseWords()
    const settings = new SettingsView(open, words)
    const checked = new CheckedState(words)
    const { update } = open.withSnapshot(lastNumbers)
    const sequences = SequenceCodec.begin(readEpochs(store), update, random)
    super({ name, record, store: open, settings, sequences, words, metrics })
    words.updateSeq = update
    this.#store = open
    this.#words = words
    this.#metrics = metrics
    this.#sequences = sequences
    this.#settings = new SettingsWrites(open, words, checked)
    const onChange = (): void => this.noteChange()
    const { partitioned } = record.properties
    this.#writes = new WritePath({
      store: open,
      settings,
      words,
      checked,
      sequences,
      refusal,
      maxPartitionBytes: partitioned ? maxPartitionBytes : undefined,
      onChange,
      clock,
      metrics,
    })
    this.#edits = new EditPath({
      writer: {
        write: (part, results, allOrNothing) => this.#writes.write(part, results, allOrNothing),
        writePacked: (edits) => this.writePacked(edits),
        append: (source) => this.append(source),
      },
      database: this,
      partitioned,
      clock,
      compression,
    })
    offerPacked(this, this.#edits)
  }

  get path(): string {
    return this.#store.get().path
  }

  async refresh(): Promise<void> {
    this.#store.get()
  }

  /** What other threads need to read the database beside this one. Throws databaseClosed. */
  share(): SharedDatabase {
    const progress = this.#store.get().shareProgress()
    const { name, uuid, instanceStartTime, properties } = this
    return {
      name,
      progress,
      record: { uuid, instanceStartTime, properties },
      epochs: Uint8Array.from(this.#sequences.record()),
      words: this.#words.buffer,
    }
  }

  update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    return this.#edits.update(edits, options)
  }

  /** As `WritePath.write`, of edits that were made ready elsewhere. */
  write(ready: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void> {
    return this.#writes.write(ready, results, allOrNothing)
  }

  /**
   * Writes edits in parts, each as a whole. Rejects as `update`, when all of them have settled. `onDurable` as in
   * `WritePath.writePacked`, with the results, once all parts are written so.
   */
  writePacked(edits: PackedEdits, onDurable?: (results: PackedResults) => void): Promise<PackedResults> {
    const results: PackedResults = new Array(edits.count).fill(undefined)
    const parts = packedParts(edits)
    let left = parts.length
    const tell = (): void => {
      left -= 1
      if (left === 0) onDurable!(results)
    }
    const onPart = onDurable && tell
    if (parts.length === 1) return this.#writes.writePacked(parts[0]!, results, onPart).then(() => results)
    return this.#writeParts(parts, results, onPart)
  }

  async #writeParts(
    parts: readonly PackedPart[],
    results: PackedResults,
    onPart: (() => void) | undefined,
  ): Promise<PackedResults> {
    const writing: Promise<void>[] = []
    for (const part of parts) {
      if (writing.length > 0) await giveWay()
      const written = this.#writes.writePacked(part, results, onPart)
      // It may reject while the others are still handed over; all are looked at when they have been.
      written.catch(() => undefined)
      writing.push(written)
    }
    await allOf(writing)
    return results
  }

  /** Appends as `Store.appendStream`. Rejects with insufficientStorage where documents may not be written. */
  async append(source: AsyncIterable<Uint8Array>) {
    this.#writes.requireRoom()
    const store = this.#store.get()
    const reference = await awaiting(store.appendStream(source))
    // Nothing is awaited between the two: `values` is the source of the reference.
    return { reference, source: store.values }
  }

  async updateInTurn(
    id: string,
    make: (winner: DocumentView) => DocumentEdit,
    { check }: Pick<UpdateOptions, 'check'> = {},
  ): Promise<EditResult> {
    this.requireReadable(id)
    const stamp = check && this.checkStamp()
    const isChecked = check?.isNeeded() === true
    try {
      const context = (): EditContext => this.#edits.context(true, undefined)
      const result = isChecked ? undefined : await this.#writes.updateInTurn(id, make, context, stamp)
      if (result !== undefined) return result
    } catch (error) {
      if (!(error instanceof MovedContent)) throw error
    }
    // What takes longer than a turn: a check, and content that has to be brought to the present file first.
    return updateWinner(this, this.#edits, id, make, check)
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
    for (const { id } of requests) this.requireReadable(id)
    return this.#writes.purge(requests)
  }

  async takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent> {
    this.#writes.requireRoom()
    this.#store.get()
    const content = await awaiting(takeAttachment((bytes) => this.append(bytes), source, incoming))
    holdContent(content)
    return content
  }

  async putLocal(id: string, body: Uint8Array, rev: string | undefined): Promise<string> {
    const key = localKey(id)
    const number = nextLocalNumber(rev)
    const written = await this.#store.transact((tx) => writeLocalDocument(tx, key, body, number), body.length)
    this.#metrics.count('couchdb.local_document_writes')
    return written
  }

  async deleteLocal(id: string, _rev: string | undefined): Promise<string> {
    const key = localKey(id)
    const removed = await this.#store.transact((tx) => {
      if (tx.get(TREES.local, key) === undefined) throw new DatabaseError('missing')
      return removeLocalDocument(tx, key)
    })
    this.#metrics.count('couchdb.local_document_writes')
    return removed
  }

  setSecurity(body: Uint8Array): Promise<void> {
    return this.#settings.setSecurity(body)
  }

  setRevsLimit(limit: number): Promise<void> {
    return this.#settings.setRevsLimit(limit)
  }

  setPurgedInfosLimit(limit: number): Promise<void> {
    return this.#settings.setPurgedInfosLimit(limit)
  }

  async ensureFullCommit(): Promise<void> {
    this.#store.get()
  }

  beginCompaction(): StoreCompactionSource {
    const store = this.#store.get()
    if (this.#compaction !== undefined) throw new DatabaseError('conflict', 'A compaction is running.')
    this.#compaction = new StoreCompactionSource(store)
    this.#words.isCompacting = true
    return this.#compaction
  }

  async endCompaction({ discard = false } = {}): Promise<void> {
    const compaction = this.#compaction
    await compaction?.end()
    if (discard) await compaction?.discard()
    this.#compaction = undefined
    this.#words.isCompacting = false
  }

  /** `timeoutMs` is how long to wait for rows that are still being read. */
  async close(timeoutMs = 0): Promise<void> {
    this.#store.beginClosing()
    this.forgetListeners()
    await this.endCompaction()
    await this.#store.close(timeoutMs)
  }
}
