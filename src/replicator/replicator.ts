/**
 * The server's replicator: documents of `_replicator` databases and requests become jobs, of which a scheduler lets some run.
 * It lives in the thread that owns the databases; what replicates may be elsewhere.
 */
import type { CredentialSource } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import { describeError, type Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import { NODE } from '../base/node-name.ts'
import type { RandomBytes } from '../base/random.ts'
import { giveWay } from '../base/time-slice.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { Database } from '../database/api/database.ts'
import type { ReplicationRunner, RequestedQueue } from '../replication/api.ts'
import type { ReplicationDefaults } from '../replication/job-parser.ts'
import type { EventBus } from '../server/event-bus.ts'
import type { DatabaseRegistry } from '../server/registry.ts'
import type {
  DocumentsPart,
  DocumentsWish,
  JobsPart,
  ReplicationInfo,
  ReplicatorService,
} from '../server/replicator-service.ts'
import { DocumentJobs } from './document-jobs.ts'
import { DocumentReader } from './document-reader.ts'
import { endedInfo } from './document-state.ts'
import { REPLICATOR_DATABASE } from './documents/replicator-document.ts'
import { isoTime } from './iso-time.ts'
import type { Job } from './job.ts'
import { RequestedJobs } from './requested-jobs.ts'
import { Scheduler } from './scheduler.ts'

export interface ReplicatorOptions {
  settings: SettingsRegistry
  databases: Pick<DatabaseRegistry, 'has' | 'create' | 'lease' | 'list'>
  bus: Pick<EventBus, 'on'>
  users: CredentialSource
  runner: ReplicationRunner
  /** Hears who says when those run that requests ask for. */
  scheduleBy(queue: RequestedQueue): void
  /** What a replication takes where its document does not say. */
  defaults: ReplicationDefaults
  clock: Clock
  random: RandomBytes
  log: Log
  metrics: Metrics
}

/** Documents that are looked at for one part of a list. */
const MOST_LOOKED_AT = 500

export class Replicator implements ReplicatorService {
  readonly #options: ReplicatorOptions
  readonly #scheduler: Scheduler
  readonly #documents: DocumentJobs
  readonly #requests: RequestedJobs

  private constructor(options: ReplicatorOptions) {
    this.#options = options
    const { settings, clock, log, metrics, users, defaults } = options
    this.#scheduler = new Scheduler({
      settings: settings.view({
        maxJobs: 'replicatorMaxJobs',
        maxChurn: 'replicatorMaxChurn',
        maxHistory: 'replicatorMaxHistory',
        intervalMs: 'replicatorIntervalMs',
        healthThresholdSeconds: 'replicatorHealthThreshold',
        startupJitterMs: 'replicatorStartupJitterMs',
        shares: 'replicatorShares',
        usageCoefficient: 'replicatorUsageCoefficient',
        priorityCoefficient: 'replicatorPriorityCoefficient',
      }),
      run: (job) => this.#whose(job).run(job),
      onEnded: (job) => this.#whose(job).ended(job),
      clock,
      log,
      metrics,
    })
    const scheduler = this.#scheduler
    const hasForeignUsers = (): boolean =>
      settings.get('authenticationHandlers').some((handler) => handler === 'proxy' || handler === 'jwt')
    const reader = new DocumentReader({ defaults, users, hasForeignUsers })
    this.#documents = new DocumentJobs({ ...options, scheduler, reader })
    this.#requests = new RequestedJobs(scheduler)
    options.scheduleBy(this.#requests)
  }

  #whose(job: Job): DocumentJobs | RequestedJobs {
    return job.isRequested ? this.#requests : this.#documents
  }

  /** Makes the database of replications where there is none. */
  static async start(options: ReplicatorOptions): Promise<Replicator> {
    const { databases, log } = options
    if (!databases.has(REPLICATOR_DATABASE)) {
      await databases.create(REPLICATOR_DATABASE).catch((error: unknown) => {
        log.error('the database of replications could not be made', { reason: describeError(error) })
      })
    }
    return new Replicator(options)
  }

  begin(): void {
    this.#documents.begin()
  }

  async close(): Promise<void> {
    await this.#documents.close()
    await this.#scheduler.close()
  }

  jobs(skip: number, limit: number): JobsPart {
    const jobs = this.#scheduler.list(skip, limit).map((job) => job.info())
    return { total: this.#scheduler.size, jobs }
  }

  job(id: string): ReplicationInfo | undefined {
    return this.#scheduler.find(id)?.info()
  }

  async document(database: string, id: string): Promise<ReplicationInfo | undefined> {
    const known = this.#documents.info(database, id)
    if (known !== undefined) return known
    const lease = await this.#options.databases.lease(database)
    try {
      return this.#infoOf(lease.database, id)
    } finally {
      lease.release()
    }
  }

  /** One that has not been seen yet is about to be. */
  #infoOf(database: Database, id: string): ReplicationInfo | undefined {
    const row = database.lookup(id)
    if (row === undefined || row.deleted || id.startsWith('_')) return undefined
    const time = isoTime(this.#options.clock.now())
    return (
      endedInfo(database.name, row.document()) ??
      this.#documents.info(database.name, id) ?? {
        database: database.name,
        doc_id: id,
        id: null,
        state: 'initializing',
        info: null,
        error_count: 0,
        node: NODE,
        last_updated: time,
        start_time: time,
      }
    )
  }

  async documents(wish: DocumentsWish): Promise<DocumentsPart> {
    const lease = await this.#options.databases.lease(wish.database)
    try {
      return await this.#part(lease.database, wish)
    } finally {
      lease.release()
    }
  }

  async #part(database: Database, wish: DocumentsWish): Promise<DocumentsPart> {
    const { after, startKey, endKey, inclusiveEnd, descending, states, limit } = wish
    const page = database.allDocs({ startKey: after ?? startKey, endKey, inclusiveEnd, descending })
    const documents: ReplicationInfo[] = []
    const total = page.totalRows - designCount(database)
    let lookedAt = 0
    let last: string | undefined
    for (const { id } of page.rows) {
      if (id === after) continue
      if (documents.length >= limit || lookedAt === MOST_LOOKED_AT) return { total, documents, next: last }
      last = id
      lookedAt += 1
      const info = this.#infoOf(database, id)
      if (info !== undefined && (states === undefined || states.includes(String(info['state'])))) {
        documents.push(info)
      }
      await giveWay()
    }
    return { total, documents, next: undefined }
  }
}

function designCount(database: Database): number {
  const before = (startKey: string): number => {
    const { offset, rows } = database.allDocs({ startKey, limit: 0 })
    rows.return?.()
    return offset
  }
  return before('_design0') - before('_design/')
}
