/**
 * The way of every change of documents to the store: edits, the end of documents that expire, purges. Numbers of the
 * update sequence are taken when a transaction is built and never given twice; a group that could not be written leaves a
 * gap.
 */
import type { Clock } from '../../base/clock.ts'
import { DatabaseError } from '../../base/errors.ts'
import { runAtOnce, runInTurns, type Steps } from '../../base/time-slice.ts'
import type {
  DocumentEdit,
  DocumentView,
  EditResult,
  PurgedRevisions,
  PurgeRequest,
  UpdateOptions,
} from '../api/database.ts'
import { type ByteSource, type IncomingAttachment, takeAttachment } from '../attachments/content.ts'
import { awaiting, reading } from '../errors/layer-errors.ts'
import type { AttachmentContent } from '../layout/attachment-records.ts'
import { listDue } from '../layout/expiry.ts'
import { readSummary, TREES } from '../layout/layout.ts'
import { type SequencesRecord, writeEpochs } from '../layout/meta-records.ts'
import { checkPartitionedId } from '../layout/partition.ts'
import type { SequenceCodec } from '../layout/sequence.ts'
import type { OpenStore } from '../read/open-store.ts'
import { getDocument } from '../read/reads.ts'
import { type EditContext, partsOf, type ReadyEdits, readyEdits, readySteps } from './edits.ts'
import { expireDocuments } from './expire.ts'
import {
  hasMovedContent,
  holdContent,
  MovedContent,
  releaseContent,
  withPresentContent,
} from './moved-content.ts'
import { applyPurges, readyPurges } from './purge.ts'
import type { DatabaseSettings } from './settings.ts'
import { type AppendedBodies, turnSource } from './turn-source.ts'
import { applyEdits, refusedOutcome, requireAll, type UpdateContext, type UpdateOutcome } from './update.ts'

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

export interface WritePathOptions {
  readonly store: OpenStore
  readonly settings: DatabaseSettings
  readonly sequences: SequenceCodec
  readonly partitioned: boolean
  readonly clock: Pick<Clock, 'now'>
  /** Why documents may not be written now: the disk has no room. Undefined: they may. */
  readonly refusal: () => string | undefined
}

export class WritePath {
  readonly #store: OpenStore
  readonly #settings: DatabaseSettings
  readonly #sequences: SequenceCodec
  readonly #partitioned: boolean
  readonly #clock: Pick<Clock, 'now'>
  readonly #refusal: () => string | undefined
  readonly #listeners = new Set<(updateSeqNumber: number) => void>()
  /** Bodies of transactions that were built and have not settled. */
  readonly #unsettled = new Set<AppendedBodies>()
  #expiryListener: ((expiresAtMs: number) => Promise<void> | undefined) | undefined
  #purgeSeq: number
  /** Of the last change that is durable. */
  #updateSeq: number
  /** Of the last change that a transaction took. */
  #builtSeq: number
  /** The epoch of the sequence that began with this opening is stored. */
  #epochStored = false
  #notifying = false
  /** Undefined: to be looked up. */
  #validation: boolean | undefined

  /** `floors` are the numbers that are durable. */
  constructor(options: WritePathOptions, floors: Pick<SequencesRecord, 'update' | 'purge'>) {
    this.#store = options.store
    this.#settings = options.settings
    this.#sequences = options.sequences
    this.#partitioned = options.partitioned
    this.#clock = options.clock
    this.#refusal = options.refusal
    this.#purgeSeq = floors.purge
    this.#updateSeq = floors.update
    this.#builtSeq = floors.update
  }

  /** Number of the last change that is durable. */
  get updateSeq(): number {
    return this.#updateSeq
  }

  get purgeSeq(): number {
    return this.#purgeSeq
  }

  /** True while a design document with a `validate_doc_update` is stored. */
  hasValidation(): boolean {
    this.#validation ??= this.#store.withSnapshot(
      (snapshot) => readSummary(snapshot.tree(TREES.id).reduce().reduction).validating > 0,
    )
    return this.#validation
  }

  /** As `Database.onChange`. */
  onChange(listener: (updateSeqNumber: number) => void): () => void {
    const entry = (updateSeqNumber: number): void => listener(updateSeqNumber)
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  /** Listeners hear of nothing more. */
  forgetListeners(): void {
    this.#listeners.clear()
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
    const outcome = await this.#store
      .transact((tx) => {
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
      }, sizeHint)
      .finally(() => this.#unsettled.delete(appended))
    if (last > 0) this.#epochStored = true
    this.#changed(last)
    return outcome
  }

  /** Deletions go on where the disk has no room: they are how it gets some. Throws insufficientStorage. */
  #requireRoom(): void {
    const reason = this.#refusal()
    if (reason !== undefined) throw new DatabaseError('insufficientStorage', reason)
  }

  /** As `Database.update`. */
  async update(edits: readonly DocumentEdit[], options: UpdateOptions = {}): Promise<EditResult[]> {
    if (edits.some(({ deleted }) => !deleted)) this.#requireRoom()
    try {
      for (let given = edits; ; ) {
        if (hasMovedContent(given)) given = await awaiting(withPresentContent(this.#store.get(), given))
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
    return { newEdits, partitioned: this.#partitioned, nowMs: this.#clock.now() }
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
    if (this.#partitioned) for (const { id } of edits) checkPartitionedId(id)
    return yield* readySteps(edits, this.#context(options.newEdits !== false))
  }

  #updated(outcome: UpdateOutcome): Promise<void> | undefined {
    if (outcome.design) this.#validation = undefined
    return outcome.expiresAtMs === undefined ? undefined : this.#expiryListener?.(outcome.expiresAtMs)
  }

  /** As `Database.updateInTurn`, of an id that the database may hold. */
  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    this.#requireRoom()
    const store = this.#store.get()
    const outcome = await this.#change((context) => {
      const source = turnSource(context.tx, store, this.#settings.revsLimit, this.#unsettled)
      const edit = make(getDocument(source, id, {}))
      return applyEdits(context, readyEdits([edit], this.#context(true)))
    }, TURN_BYTES)
    await this.#updated(outcome)
    return outcome.results[0]!
  }

  /** As `Database.expire`. */
  async expire(nowMs: number, limit: number): Promise<number> {
    const due = this.#store.withSnapshot((snapshot) => listDue(snapshot, nowMs, limit))
    if (due.length === 0) return 0
    const bytes = due.length * TOMBSTONE_BYTES
    const outcome = await this.#change((context) => expireDocuments(context, due, nowMs), bytes)
    if (outcome.design) this.#validation = undefined
    return outcome.count
  }

  /** As `Database.onExpirySet`. */
  onExpirySet(listener: (expiresAtMs: number) => Promise<void> | undefined): void {
    this.#expiryListener = listener
  }

  /** As `Database.purge`, of ids that the database may hold. */
  async purge(requests: readonly PurgeRequest[]): Promise<PurgedRevisions[]> {
    const ready = reading(() => readyPurges(requests))
    const outcome = await this.#change(({ tx, takeSeq }) => {
      const { purgedInfosLimit } = this.#settings
      return applyPurges({ tx, purgedInfosLimit, takeSeq }, ready)
    }, ready.length * PURGE_BYTES)
    this.#purgeSeq = Math.max(this.#purgeSeq, outcome.sequences.purge)
    if (outcome.design) this.#validation = undefined
    return outcome.purged
  }

  /** As `Database.takeAttachment`. */
  async takeAttachment(source: ByteSource, incoming: IncomingAttachment): Promise<AttachmentContent> {
    this.#requireRoom()
    const content = await awaiting(takeAttachment(this.#store.get(), source, incoming))
    holdContent(content)
    return content
  }
}
