/**
 * Replications that requests ask for. They are jobs of the scheduler like those of documents, but for what is kept: they go
 * with the server, and with their first failure, which is told to whoever waits for it.
 */
import { isServerAdmin, type UserCtx } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import { describeError } from '../base/log.ts'
import {
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationRunner,
  replicationIdText,
} from '../replication/api.ts'
import { parseRequest, type ReplicationDefaults } from '../replication/job-parser.ts'
import type { ReplicateOutcome } from '../server/replicator-service.ts'
import { idOfText } from './document-run.ts'
import type { Job, JobStatistics, Run, RunEnd } from './job.ts'
import { descriptionOf } from './job-description.ts'
import type { Scheduler } from './scheduler.ts'

export interface RequestJobsOptions {
  scheduler: Scheduler
  runner: ReplicationRunner
  defaults: ReplicationDefaults
  clock: Pick<Clock, 'now'>
}

/** What they are to do is in memory. */
const MOST_WANTED = 10_000

/** What a request's job is to do, and who waits for it. */
interface Wanted {
  readonly job: ReplicationJob
  readonly ended: Promise<ReplicationOutcome>
  readonly settle: (outcome: ReplicationOutcome) => void
}

export class RequestJobs {
  readonly #options: RequestJobsOptions
  /** By the ids of their replications. */
  readonly #wanted = new Map<string, Wanted>()

  constructor(options: RequestJobsOptions) {
    this.#options = options
  }

  async replicate(body: Readonly<Record<string, unknown>>, user: UserCtx): Promise<ReplicateOutcome> {
    const { runner, defaults } = this.#options
    const request = parseRequest(body, user, { ...defaults })
    if (request.kind === 'cancelId') return this.#cancel(request.id, user)
    const id = replicationIdText(await runner.idOf(request.job))
    return request.kind === 'cancel' ? this.#cancel(id, user) : this.#begin(id, request.job)
  }

  async #begin(id: string, job: ReplicationJob): Promise<ReplicateOutcome> {
    const wanted = this.#wanted.get(id) ?? this.#add(id, job)
    if (job.options.continuous) return { kind: 'continuous', id }
    const outcome = await wanted.ended
    if (outcome.kind === 'completed') return { kind: 'completed', result: outcome.result }
    if (outcome.kind === 'failed') return { kind: 'failed', failure: outcome.failure }
    return { kind: 'failed', failure: CANCELLED }
  }

  #add(id: string, job: ReplicationJob): Wanted {
    const { scheduler, clock } = this.#options
    if (this.#wanted.size >= MOST_WANTED) {
      throw new DatabaseError('serviceUnavailable', 'As many replications as may be are under way.')
    }
    const other = scheduler.find(id)
    if (other !== undefined) {
      const { documentId, database } = other.description
      throw new DatabaseError(
        'conflict',
        `Replication \`${id}\` already started, triggered by document \`${documentId}\` from db \`${database}\``,
      )
    }
    let settle: Wanted['settle'] = () => undefined
    const ended = new Promise<ReplicationOutcome>((resolve) => {
      settle = (outcome) => {
        this.#wanted.delete(id)
        resolve(outcome)
      }
    })
    const wanted = { job, ended, settle }
    this.#wanted.set(id, wanted)
    scheduler.add(descriptionOf(id, job, clock.now()))
    return wanted
  }

  async #cancel(id: string, user: UserCtx): Promise<ReplicateOutcome> {
    const { scheduler } = this.#options
    const job = scheduler.find(id)
    if (job === undefined) throw new DatabaseError('missing')
    const isOwn = user.name !== null && job.description.user === user.name
    if (!isOwn && !isServerAdmin(user)) throw new DatabaseError('unauthorized', 'You are not a server admin.')
    const wanted = this.#wanted.get(id)
    await scheduler.remove(job)
    wanted?.settle({ kind: 'stopped', progress: NO_PROGRESS })
    return { kind: 'cancelled', id }
  }

  /** For the scheduler. */
  run(job: Job): Run {
    const wanted = this.#wanted.get(job.id)!
    try {
      return new RequestRun(this.#options.runner, wanted, job.id)
    } catch (error) {
      const failure = { error: 'error', reason: describeError(error), status: 500, isTransient: false }
      wanted.settle({ kind: 'failed', failure, progress: NO_PROGRESS })
      throw error
    }
  }

  /** Nobody waits any more. */
  close(): void {
    for (const { settle } of [...this.#wanted.values()]) settle({ kind: 'stopped', progress: NO_PROGRESS })
  }
}

const CANCELLED = {
  error: 'cancelled',
  reason: 'The replication was cancelled.',
  status: 500,
  isTransient: false,
} as const

const NO_PROGRESS = {
  revisions_checked: 0,
  missing_revisions_found: 0,
  docs_read: 0,
  docs_written: 0,
  changes_pending: null,
  doc_write_failures: 0,
  bulk_get_docs: 0,
  bulk_get_attempts: 0,
  checkpointed_source_seq: 0,
  source_seq: 0,
  through_seq: 0,
} as const

class RequestRun implements Run {
  readonly ended: Promise<RunEnd>
  readonly #running
  #isStopped = false

  constructor(runner: Pick<ReplicationRunner, 'start'>, { job, settle }: Wanted, id: string) {
    const running = runner.start(job, idOfText(id))
    this.#running = running
    this.ended = running.ended.then((outcome): RunEnd => {
      // Stopped for others: its turn comes again.
      if (outcome.kind === 'stopped' && this.#isStopped) return { kind: 'stopped' }
      settle(outcome)
      if (outcome.kind !== 'failed') return { kind: 'completed' }
      return { kind: 'crashed', reason: `${outcome.failure.error}: ${outcome.failure.reason}` }
    })
  }

  stop(): void {
    this.#isStopped = true
    void this.#running.stop()
  }

  statistics(): JobStatistics {
    return { ...this.#running.progress() }
  }
}
