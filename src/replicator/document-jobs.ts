/**
 * The documents of all `_replicator` databases as jobs of the scheduler. What holds:
 * - Every document is seen when the server starts, and when it is written (followed-databases.ts). One that says that it has
 *   completed, or failed, is left alone.
 * - With `[replicator] update_docs` a document also says that its replication was begun, and why it could not be. What it says
 *   then begins nothing.
 * - A change of what is to be done ends the job and begins another one; of anything else it does nothing, and nothing is
 *   parsed. Deleting the document, or its database, ends the job.
 * - Of a job that waits only what is shown is kept; the document is read again when its turn comes.
 */
import { describeError } from '../base/log.ts'
import { NODE } from '../base/node-name.ts'
import type { RandomBytes } from '../base/random.ts'
import { giveWay } from '../base/time-slice.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { ChangeRow, Database } from '../database/api/database.ts'
import {
  type ReplicationId,
  type ReplicationJob,
  type ReplicationRunner,
  replicationIdText,
} from '../replication/api.ts'
import { needsFilterCode } from '../replication/replication-id.ts'
import type { DocumentReader } from './document-reader.ts'
import { DocumentRun, type IdentifiedJob } from './document-run.ts'
import { completedState, failedState, NO_STATE, passingState, stateOf, writeState } from './document-state.ts'
import { documentFault } from './documents/document-fault.ts'
import { replicationDigest } from './documents/replicator-document.ts'
import { type FollowedDatabase, FollowedDatabases, type FollowingOptions } from './followed-databases.ts'
import { isoTime } from './iso-time.ts'
import type { Job, Run } from './job.ts'
import { descriptionOf } from './job-description.ts'
import type { Scheduler } from './scheduler.ts'

export interface DocumentJobsOptions extends FollowingOptions {
  scheduler: Scheduler
  runner: ReplicationRunner
  reader: DocumentReader
  random: RandomBytes
  settings: Pick<SettingsRegistry, 'get'>
}

/** A document whose replication is to be done. */
interface Entry {
  readonly database: string
  readonly id: string
  /** Of what is to be done. */
  readonly digest: string
  readonly startTimeMs: number
  state: 'initializing' | 'error' | 'scheduled'
  job: Job | undefined
  error: string | undefined
  errorCount: number
  updatedMs: number
  cancelRetry: (() => void) | undefined
  /** What is being written into the document, one after the other. */
  notes: Promise<void>
}

type Followed = FollowedDatabase<Entry>

/** The code of filters is asked for by so many at once. */
const MOST_LOOKUPS = 10
const SECOND_MS = 1000
const FIRST_BACKOFF_SECONDS = 64
const MOST_DOUBLINGS = 12
/** Before a filter's code is looked at again; longer where there are many. */
const FILTER_SECONDS = 60
const DAY_SECONDS = 86_400

export class DocumentJobs {
  readonly #options: DocumentJobsOptions
  readonly #databases: FollowedDatabases<Entry>
  readonly #entries = new WeakMap<Job, Entry>()
  /** Documents with a filter, whose ids depend on its code. */
  readonly #lookups = new Set<Entry>()
  #lookupsUnderWay = 0
  /** What the job that is being added is to do. */
  #fresh: IdentifiedJob | undefined
  readonly #notes = new Set<Promise<void>>()
  #isClosed = false

  constructor(options: DocumentJobsOptions) {
    this.#options = options
    this.#databases = new FollowedDatabases<Entry>(options, {
      see: (followed, database, row) => this.#see(followed, database, row),
      forget: (followed) => void this.#dropAll(followed),
    })
  }

  /** Looks at what is there, and at what comes. */
  begin(): void {
    this.#databases.begin()
  }

  /** Resolves when nothing is looked at any more. The scheduler's jobs are its own to end. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { kept } of this.#databases) {
      for (const entry of kept.values()) entry.cancelRetry?.()
    }
    await this.#databases.close()
    await Promise.all(this.#notes)
  }

  async #dropAll(followed: Followed): Promise<void> {
    for (const entry of [...followed.kept.values()]) {
      this.#drop(followed, entry.id)
      await giveWay()
    }
  }

  async #see(followed: Followed, database: Database, row: ChangeRow): Promise<void> {
    const { id, deleted } = row
    if (id.startsWith('_design/')) return
    this.#options.metrics.count('couch_replicator.docs.db_changes')
    if (deleted) {
      this.#drop(followed, id)
      return
    }
    const body = row.document().body()
    const state = stateOf(body)
    if (state === 'completed' || state === 'failed') {
      this.#drop(followed, id)
      return
    }
    const digest = replicationDigest(body)
    // What older servers wrote of a replication that ran says nothing of ours.
    if (state !== undefined && !this.#updatesDocuments) await writeState(database, id, digest, NO_STATE)
    if (followed.kept.get(id)?.digest === digest) return
    this.#drop(followed, id)
    await this.#begin(followed, database, id, digest, body)
  }

  async #begin(
    followed: Followed,
    database: Database,
    id: string,
    digest: string,
    body: Uint8Array,
  ): Promise<void> {
    const { clock, reader } = this.#options
    const nowMs = clock.now()
    const entry: Entry = {
      database: followed.name,
      id,
      digest,
      startTimeMs: nowMs,
      state: 'initializing',
      job: undefined,
      error: undefined,
      errorCount: 0,
      updatedMs: nowMs,
      cancelRetry: undefined,
      notes: Promise.resolve(),
    }
    followed.kept.set(id, entry)
    let job: ReplicationJob
    try {
      job = await reader.read(followed.name, id, body)
    } catch (error) {
      const fault = documentFault(error)
      if (fault === undefined) this.#retryLater(entry, describeError(error))
      else await this.#fail(database, entry, fault)
      return
    }
    if (job.options.choice.kind === 'filter') this.#lookUp(entry)
    else await this.#schedule(entry, job)
  }

  /** Asks for the filter's code when its turn comes. */
  #lookUp(entry: Entry): void {
    this.#lookups.add(entry)
    while (this.#lookupsUnderWay < MOST_LOOKUPS && !this.#isClosed) {
      const [next] = this.#lookups
      if (next === undefined) return
      this.#lookups.delete(next)
      this.#lookupsUnderWay += 1
      void this.#initialize(next).finally(() => {
        this.#lookupsUnderWay -= 1
        const [waiting] = this.#lookups
        if (waiting !== undefined) this.#lookUp(waiting)
      })
    }
  }

  /** Reads the document again. Never rejects. */
  async #initialize(entry: Entry): Promise<void> {
    try {
      const job = await this.#read(entry)
      if (job !== undefined) await this.#schedule(entry, job)
    } catch (error) {
      this.#retryLater(entry, describeError(error))
    }
  }

  /** Undefined: the document does not say that any more. */
  async #read(entry: Entry): Promise<ReplicationJob | undefined> {
    const { databases, reader } = this.#options
    const lease = await databases.lease(entry.database)
    try {
      const row = lease.database.lookup(entry.id)
      if (row === undefined || row.deleted) return undefined
      const body = row.document().body()
      if (replicationDigest(body) !== entry.digest) return undefined
      return await reader.read(entry.database, entry.id, body)
    } finally {
      lease.release()
    }
  }

  async #schedule(entry: Entry, job: ReplicationJob): Promise<void> {
    const { runner, scheduler } = this.#options
    let id: ReplicationId
    try {
      id = await runner.idOf(job)
    } catch (error) {
      this.#retryLater(entry, describeError(error))
      return
    }
    if (!this.#isCurrent(entry)) return
    const text = replicationIdText(id)
    const other = scheduler.find(text)
    if (other?.isRequested === true) {
      const how = 'running as a transient replication, started via `_replicate` API endpoint'
      this.#retryLater(entry, `Replication \`${text}\` specified by document \`${entry.id}\` already ${how}`)
      return
    }
    if (other !== undefined) {
      await this.#refuseSecond(entry, other)
      return
    }
    entry.error = undefined
    entry.errorCount = 0
    entry.state = 'scheduled'
    entry.updatedMs = this.#options.clock.now()
    this.#fresh = { job, id }
    try {
      entry.job = scheduler.add(descriptionOf(text, job, entry.startTimeMs))
      this.#entries.set(entry.job, entry)
    } finally {
      this.#fresh = undefined
    }
    this.#note(entry, 'triggered', text)
    if (needsFilterCode(job)) this.#lookAgainLater(entry)
  }

  /** As CouchDB's `filter_backoff`: the code of a filter may change while its replication runs. */
  #lookAgainLater(entry: Entry): void {
    const { clock, scheduler } = this.#options
    const mostSeconds = 1 + Math.min(DAY_SECONDS, Math.floor(scheduler.size / 5))
    const seconds = FILTER_SECONDS + this.#randomUpTo(mostSeconds)
    entry.cancelRetry = clock.after(seconds * SECOND_MS, () => {
      entry.cancelRetry = undefined
      void this.#lookAgain(entry)
    })
  }

  /** Never rejects. A code that cannot be had says nothing about the replication that runs. */
  async #lookAgain(entry: Entry): Promise<void> {
    const { job } = entry
    if (job === undefined || this.#isClosed || !this.#isCurrent(entry)) return
    try {
      await this.#readAgain(job)
    } catch (error) {
      this.#options.log.debug('a filter could not be looked at', { reason: describeError(error) })
    }
    if (entry.job === job && entry.cancelRetry === undefined && this.#isCurrent(entry))
      this.#lookAgainLater(entry)
  }

  async #refuseSecond(entry: Entry, { id, description }: Job): Promise<void> {
    const specified = `Replication \`${id}\` specified by document \`${entry.id}\` already`
    const { documentId, database } = description
    const reason = `${specified} started, triggered by document \`${documentId}\` from db \`${database}\``
    const lease = await this.#options.databases.lease(entry.database)
    try {
      await this.#fail(lease.database, entry, reason)
    } finally {
      lease.release()
    }
  }

  async #fail(database: Database, entry: Entry, reason: string): Promise<void> {
    const { clock, log, metrics } = this.#options
    log.error('a replication makes no sense', { database: entry.database, id: entry.id, reason })
    metrics.count('couch_replicator.docs.failed_state_updates')
    await writeState(database, entry.id, entry.digest, failedState(reason, clock.now()))
    this.#dropEntry(entry)
  }

  #retryLater(entry: Entry, reason: string): void {
    if (!this.#isCurrent(entry) || this.#isClosed) return
    const { clock } = this.#options
    entry.state = 'error'
    entry.error = reason
    entry.errorCount += 1
    entry.updatedMs = clock.now()
    this.#note(entry, 'error', null, reason)
    const most = FIRST_BACKOFF_SECONDS * 2 ** Math.min(entry.errorCount, MOST_DOUBLINGS)
    const seconds = this.#randomUpTo(most)
    entry.cancelRetry?.()
    entry.cancelRetry = clock.after(seconds * SECOND_MS, () => {
      entry.cancelRetry = undefined
      this.#lookUp(entry)
    })
  }

  get #updatesDocuments(): boolean {
    return this.#options.settings.get('replicatorUpdatesDocuments')
  }

  /** Tells the document, where that is wanted. */
  #note(entry: Entry, state: 'triggered' | 'error', id: string | null, reason?: string): void {
    if (!this.#updatesDocuments || this.#isClosed) return
    const note = { id, reason, nowMs: this.#options.clock.now() }
    const noted = entry.notes.then(async () => {
      try {
        const lease = await this.#options.databases.lease(entry.database)
        try {
          await writeState(lease.database, entry.id, entry.digest, (before) =>
            passingState(before, state, note),
          )
        } finally {
          lease.release()
        }
      } catch (error) {
        this.#options.log.debug('a replication could not be noted', { reason: describeError(error) })
      }
      this.#notes.delete(noted)
    })
    entry.notes = noted
    this.#notes.add(noted)
  }

  /** From 1 on. */
  #randomUpTo(most: number): number {
    const bytes = Buffer.alloc(4)
    this.#options.random(bytes)
    return 1 + (bytes.readUInt32BE() % most)
  }

  #isCurrent(entry: Entry): boolean {
    return this.#databases.get(entry.database)?.kept.get(entry.id) === entry
  }

  #drop(followed: Followed, id: string): void {
    const entry = followed.kept.get(id)
    if (entry === undefined) return
    followed.kept.delete(id)
    this.#lookups.delete(entry)
    entry.cancelRetry?.()
    if (entry.job !== undefined) void this.#options.scheduler.remove(entry.job)
  }

  #dropEntry(entry: Entry): void {
    if (this.#isCurrent(entry)) this.#drop(this.#databases.get(entry.database)!, entry.id)
  }

  /** For the scheduler: does what the job's document says. */
  run(job: Job): Run {
    const { runner, databases, clock, metrics } = this.#options
    const fresh = this.#fresh
    return new DocumentRun({
      runner,
      read: async () => fresh ?? this.#readAgain(job),
      note: (state, reason) => {
        const entry = this.#entries.get(job)
        if (entry !== undefined && this.#isCurrent(entry)) this.#note(entry, state, job.id, reason)
      },
      complete: async (statistics) => {
        const entry = this.#entries.get(job)
        if (entry === undefined || !this.#isCurrent(entry)) return
        const lease = await databases.lease(entry.database)
        try {
          const state = completedState({ ...statistics, start_time: isoTime(entry.startTimeMs) }, clock.now())
          if (await writeState(lease.database, entry.id, entry.digest, state)) {
            metrics.count('couch_replicator.docs.completed_state_updates')
          }
        } finally {
          lease.release()
        }
      },
    })
  }

  /** Undefined: it has been changed or deleted, which is about to be noticed, or its filter has been. */
  async #readAgain(job: Job): Promise<IdentifiedJob | undefined> {
    const entry = this.#entries.get(job)
    if (entry === undefined || !this.#isCurrent(entry)) return undefined
    const read = await this.#read(entry)
    if (read === undefined) return undefined
    const id = await this.#options.runner.idOf(read)
    if (replicationIdText(id) === job.id) return { job: read, id }
    if (!this.#isCurrent(entry)) return undefined
    void this.#options.scheduler.remove(job)
    entry.cancelRetry?.()
    entry.cancelRetry = undefined
    entry.job = undefined
    entry.state = 'initializing'
    this.#lookUp(entry)
    return undefined
  }

  /** For the scheduler. Its document has been told of it. */
  ended(job: Job): void {
    const entry = this.#entries.get(job)
    if (entry !== undefined && entry.job === job) this.#dropEntry(entry)
  }

  /** As `_scheduler/docs` tells of it; undefined where it is not one whose replication is to be done. */
  info(database: string, id: string): Record<string, unknown> | undefined {
    const entry = this.#databases.get(database)?.kept.get(id)
    if (entry === undefined) return undefined
    const { job, state, error, errorCount, updatedMs, startTimeMs } = entry
    const head = { database, doc_id: id, id: job?.id ?? null }
    if (job !== undefined && state === 'scheduled') return { ...head, ...job.summary() }
    return {
      ...head,
      state,
      info: error === undefined ? null : { error },
      error_count: errorCount,
      node: NODE,
      last_updated: isoTime(updatedMs),
      start_time: isoTime(startTimeMs),
    }
  }
}
