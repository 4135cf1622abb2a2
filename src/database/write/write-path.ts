/**
 * The way of every change of documents to the store: edits, the end of documents that expire, purges. Numbers of the
 * update sequence are taken when a transaction is built and never given twice; a group that could not be written leaves a
 * gap. What other threads are told of a change (`words`) is stored when it is durable and before it is acknowledged.
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import type { Clock } from '../../base/clock.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { Metrics } from '../../base/metrics.ts'
import { Places } from '../../base/places.ts'
import type {
  DocumentEdit,
  DocumentView,
  EditResult,
  PurgedRevisions,
  PurgeRequest,
} from '../api/database.ts'
import { reading } from '../errors/layer-errors.ts'
import { listDue } from '../layout/expiry.ts'
import { writeEpochs } from '../layout/meta-records.ts'
import type { SequenceCodec } from '../layout/sequence.ts'
import type { WritableStore } from '../read/open-store.ts'
import { getDocument } from '../read/reads.ts'
import type { SettingsView } from '../read/settings-view.ts'
import type { DatabaseWords } from '../read/words.ts'
import type { PackedPart, PackedResults } from './apply-packed.ts'
import type { CheckedState, CheckStamp } from './checked-state.ts'
import { type EditContext, type ReadyEdits, readyEdits } from './edits.ts'
import { expireDocuments } from './expire.ts'
import { fullPartitions } from './full-partitions.ts'
import { applyPurges, type ReadyPurge, readyPurges } from './purge.ts'
import { AppendedBodies, turnSource } from './turn-source.ts'
import {
  applyEdits,
  refusedOutcome,
  refuseOutdated,
  requireAll,
  type UpdateContext,
  type UpdateOutcome,
} from './update.ts'

/** About what a purge of one document writes. */
const PURGE_BYTES = 512
/** About what the end of one document writes. */
const TOMBSTONE_BYTES = 512
/** What a patch of a document may write is not known before its turn. */
const TURN_BYTES = 4096

const MICROSECONDS = 1000

const UNBOUNDED = (): number => 0

export interface WritePathOptions {
  readonly store: WritableStore
  readonly settings: SettingsView
  readonly words: DatabaseWords
  readonly checked: CheckedState
  readonly sequences: SequenceCodec
  /** Why documents may not be written now: the disk has no room. Undefined: they may. */
  readonly refusal: () => string | undefined
  /** Bytes from which a partition is full, 0 for none; undefined in a database without partitions. */
  readonly maxPartitionBytes: (() => number) | undefined
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  /** Takes what is counted. */
  readonly metrics: Metrics
  /** Hears of every durable change, once its number is in `words`. */
  readonly onChange: () => void
}

/** Edits of any form, which are one transaction. */
interface WrittenEdits extends Pick<ReadyEdits, 'grows' | 'stamp' | 'bytes' | 'newEdits'> {
  /** How many requests they are of. */
  readonly requests: number
  apply(context: UpdateContext): UpdateOutcome
  /** They were checked against what is no more. */
  refuseOutdated(): UpdateOutcome
  /** See `WritePath.writePacked`. */
  readonly onDurable?: (() => void) | undefined
}

export class WritePath {
  readonly #store: WritableStore
  readonly #settings: SettingsView
  readonly #words: DatabaseWords
  readonly #checked: CheckedState
  readonly #sequences: SequenceCodec
  readonly #refusal: () => string | undefined
  readonly #maxPartitionBytes: () => number
  readonly #clock: Pick<Clock, 'now' | 'monotonic'>
  readonly #metrics: Metrics
  readonly #onChange: () => void
  /** Bodies of transactions that were built and have not settled. */
  readonly #unsettled = new Places<AppendedBodies>()
  #expiryListener: ((expiresAtMs: number) => Promise<void> | undefined) | undefined
  /** Of the last change that a transaction took. */
  #builtSeq: number
  /** Of the last change that listeners heard of. */
  #toldSeq: number
  /** That of the last change that was durable. */
  #lastCommit = -1
  /** The epoch of the sequence that began with this opening is stored. */
  #epochStored = false

  /** `words` has the number of the last change that is durable. */
  constructor(options: WritePathOptions) {
    this.#store = options.store
    this.#settings = options.settings
    this.#words = options.words
    this.#checked = options.checked
    this.#sequences = options.sequences
    this.#refusal = options.refusal
    this.#maxPartitionBytes = options.maxPartitionBytes ?? UNBOUNDED
    this.#clock = options.clock
    this.#metrics = options.metrics
    this.#onChange = options.onChange
    this.#builtSeq = options.words.updateSeq
    this.#toldSeq = this.#builtSeq
  }

  readonly #nextSeq = (): number => this.#builtSeq + 1

  readonly #takeSeq = (): number => {
    this.#builtSeq += 1
    return this.#builtSeq
  }

  #changed(seq: number): void {
    this.#raiseSeq(seq)
    if (seq <= this.#toldSeq) return
    this.#toldSeq = seq
    this.#onChange()
  }

  #raiseSeq(seq: number): void {
    if (seq > this.#words.updateSeq) this.#words.updateSeq = seq
  }

  /**
   * A transaction that may take numbers of the update sequence; listeners hear of them when it is durable. `onDurable` is called as
   * the engine's is; from then on nobody reads the bodies where the edits have them.
   */
  #change<T extends { design: boolean }>(
    build: (context: UpdateContext) => T,
    sizeHint: number,
    kind: 'interactive' | 'replicated' = 'interactive',
    requests = 1,
    onDurable?: (outcome: T) => void,
  ): Promise<T> {
    let last = 0
    let taken = 0
    let settle = (): void => {}
    const appended = new AppendedBodies()
    const startMs = this.#clock.monotonic()
    const store = this.#store.get()
    const unsettled = this.#unsettled.add(appended)
    const end = (): void => {
      this.#unsettled.take(unsettled)
      settle()
    }
    const tell = (outcome: T): void => {
      this.#unsettled.take(unsettled)
      this.#raiseSeq(last)
      onDurable!(outcome)
    }
    const run = (tx: Transaction): T => {
      const first = this.#builtSeq
      try {
        const { salt } = store
        const { revsLimit } = this.#settings
        const maxBytes = this.#maxPartitionBytes()
        const isFull = maxBytes > 0 ? fullPartitions(() => store.snapshot(), maxBytes) : undefined
        const built = build({
          tx,
          salt,
          revsLimit,
          nextSeq: this.#nextSeq,
          takeSeq: this.#takeSeq,
          appended,
          isFull,
        })
        taken = this.#builtSeq - first
        last = taken > 0 ? this.#builtSeq : 0
        if (last > 0 && !this.#epochStored) writeEpochs(tx, this.#sequences.record())
        if (built.design) settle = this.#checked.begin()
        return built
      } catch (error) {
        this.#builtSeq = first
        throw error
      }
    }
    const transaction = this.#store.transact(run, sizeHint, onDurable && tell)
    return transaction.then(
      (outcome) => {
        try {
          if (last > 0) this.#epochStored = true
          const changes = Math.min(taken, requests)
          this.#countChange(store.commit, this.#clock.monotonic() - startMs, { changes, requests, kind })
          if (outcome.design) this.#words.raiseDesign()
          this.#changed(last)
          return outcome
        } finally {
          end()
        }
      },
      (error: unknown) => {
        end()
        throw error
      },
    )
  }

  /** What is durable in the same commit as a change before it was coalesced with that. */
  #countChange(
    commit: number,
    durationMs: number,
    written: { changes: number; requests: number; kind: 'interactive' | 'replicated' },
  ): void {
    const metrics = this.#metrics
    const { changes, requests, kind } = written
    metrics.observe('couchdb.collect_results_time', durationMs * MICROSECONDS, this.#clock.now())
    if (changes > 0) metrics.count('couchdb.database_writes', changes)
    const coalesced = commit === this.#lastCommit ? requests : requests - 1
    if (coalesced > 0) metrics.count(`couchdb.coalesced_updates.${kind}`, coalesced)
    this.#lastCommit = commit
  }

  /** Deletions go on where the disk has no room: they are how it gets some. Throws insufficientStorage. */
  requireRoom(): void {
    const reason = this.#refusal()
    if (reason !== undefined) throw new DatabaseError('insufficientStorage', reason)
  }

  /**
   * Writes edits that were made ready as one transaction, and puts the results into their places. Rejects with
   * MovedContent, insufficientStorage and what `Database.update` says of a request of which nothing was written.
   */
  write(ready: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void> {
    try {
      return this.#write(ready, results, allOrNothing)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Throws insufficientStorage and databaseClosed; else as `write`. */
  #write(ready: ReadyEdits, results: EditResult[], allOrNothing: boolean): Promise<void> {
    const { grows, stamp, bytes, newEdits } = ready
    const edits: WrittenEdits = {
      grows,
      stamp,
      bytes,
      newEdits,
      requests: 1,
      apply: (context) => {
        const applied = applyEdits(context, ready, results)
        if (allOrNothing) requireAll(applied.results)
        return applied
      },
      refuseOutdated: () => refuseOutdated(ready, results),
    }
    return this.#written(edits, (change) =>
      allOrNothing ? change.catch((error) => refusedOutcome(error, results)) : change,
    )
  }

  /**
   * As `write`, of a part of packed edits. `onDurable` is called where they are written as they were checked: before it resolves, and
   * before a read in this thread shows them, but not before one in another thread does. Nothing here looks at the edits from then on.
   */
  writePacked(part: PackedPart, results: PackedResults, onDurable?: () => void): Promise<void> {
    const { grows, stamp, bytes, newEdits, requests } = part
    const edits: WrittenEdits = {
      grows,
      stamp,
      bytes,
      newEdits,
      requests,
      apply: (context) => part.apply(context, results),
      refuseOutdated: () => part.refuseOutdated(results),
      onDurable,
    }
    try {
      return this.#written(edits, (change) => change)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #written(
    edits: WrittenEdits,
    settle: (change: Promise<UpdateOutcome>) => Promise<UpdateOutcome>,
  ): Promise<void> {
    const { grows, stamp, bytes, newEdits, requests, onDurable } = edits
    if (grows) this.requireRoom()
    let isOutdated = false
    // What else is to happen before a write is acknowledged takes its time.
    const tell = ({ design, expiresAtMs }: UpdateOutcome): void => {
      if (!isOutdated && !design && expiresAtMs === undefined) onDurable!()
    }
    const change = this.#change(
      (context) => {
        isOutdated = stamp !== undefined && this.#checked.isOutdated(stamp)
        return isOutdated ? edits.refuseOutdated() : edits.apply(context)
      },
      bytes,
      newEdits ? 'interactive' : 'replicated',
      requests,
      onDurable && tell,
    )
    return settle(change).then((outcome) =>
      isOutdated ? this.#checked.settled().then(() => this.#updated(outcome)) : this.#updated(outcome),
    )
  }

  #updated(outcome: UpdateOutcome): Promise<void> | undefined {
    const { counts } = outcome
    if (counts !== undefined) {
      this.#metrics.count('couchdb.document_writes', counts.written)
      this.#metrics.count('couchdb.document_inserts', counts.inserted)
      this.#metrics.count('couchdb.local_document_writes', counts.local)
    }
    return outcome.expiresAtMs === undefined ? undefined : this.#expiryListener?.(outcome.expiresAtMs)
  }

  /**
   * As `Database.updateInTurn`, of an id that the database may hold. `context` is that of edits made in the turn. Undefined:
   * the edit has to be checked, since what was so at the stamp is no more.
   */
  async updateInTurn(
    id: string,
    make: (winner: DocumentView) => DocumentEdit,
    context: () => EditContext,
    stamp: CheckStamp | undefined,
  ): Promise<EditResult | undefined> {
    this.requireRoom()
    const store = this.#store.get()
    const outcome = await this.#change((turn): UpdateOutcome => {
      if (stamp !== undefined && this.#checked.isOutdated(stamp)) return { results: [], design: false }
      const source = turnSource(turn.tx, store, this.#settings.revsLimit, this.#unsettled)
      const edit = make(getDocument(source, id, {}))
      return applyEdits(turn, readyEdits([edit], context()))
    }, TURN_BYTES)
    await this.#updated(outcome)
    return outcome.results[0]
  }

  /** As `Database.expire`. */
  async expire(nowMs: number, limit: number): Promise<number> {
    const due = this.#store.withSnapshot((snapshot) => listDue(snapshot, nowMs, limit))
    if (due.length === 0) return 0
    const bytes = due.length * TOMBSTONE_BYTES
    const outcome = await this.#change((context) => expireDocuments(context, due, nowMs), bytes)
    this.#metrics.count('couchdb.document_writes', outcome.count)
    return outcome.count
  }

  /** As `Database.onExpirySet`. */
  onExpirySet(listener: (expiresAtMs: number) => Promise<void> | undefined): void {
    this.#expiryListener = listener
  }

  #countPurges(ready: readonly ReadyPurge[], purged: readonly PurgedRevisions[]): void {
    const asked = ready.reduce((sum, { revisions }) => sum + revisions.length, 0)
    const removed = purged.reduce((sum, { revs }) => sum + revs.length, 0)
    this.#metrics.count('couchdb.database_purges')
    this.#metrics.count('couchdb.document_purges.total', asked)
    this.#metrics.count('couchdb.document_purges.success', removed)
    this.#metrics.count('couchdb.document_purges.failure', asked - removed)
  }

  /** As `Database.purge`, of ids that the database may hold. */
  async purge(requests: readonly PurgeRequest[]): Promise<PurgedRevisions[]> {
    const ready = reading(() => readyPurges(requests))
    const outcome = await this.#change(({ tx, takeSeq }) => {
      const { purgedInfosLimit } = this.#settings
      return applyPurges({ tx, purgedInfosLimit, takeSeq }, ready)
    }, ready.length * PURGE_BYTES)
    this.#countPurges(ready, outcome.purged)
    return outcome.purged
  }
}
