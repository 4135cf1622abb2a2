/**
 * The replications of a server: those that requests begin, and the way to begin others. What holds:
 * - Of the same id one runs at a time; asking again while it runs is waiting with those who wait.
 * - Who has gone is not waited with, and the replication goes on.
 * - When one that a request asked for runs is said by a queue, which they share with those of documents.
 * - It is cancelled by whoever began it, and by administrators.
 * - Those that requests began end with the server. What they have done is in their checkpoints.
 */
import { isServerAdmin, type UserCtx } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import { DatabaseError } from '../base/errors.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import {
  ReplicationError,
  type ReplicationFailure,
  type ReplicationId,
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationRunner,
  type RequestedQueue,
  type RequestedReplication,
  type RunningReplication,
  replicationIdText,
  shownPlace,
} from '../replication/api.ts'
import { type Members, parseRequest, type ReplicationDefaults } from '../replication/job-parser.ts'
import type { TaskRegistry } from '../workers/tasks.ts'

/** What runs replications, and can be ended. */
export interface StoppableRunner extends ReplicationRunner {
  stop(): Promise<void>
}

export interface ReplicationsOptions {
  /** Until another one takes its place. */
  readonly runner: StoppableRunner
  readonly tasks: TaskRegistry
  readonly settings: SettingsRegistry
  readonly clock: Clock
}

/** What `POST /_replicate` answers. */
export interface ReplicationAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

interface Requested extends RequestedReplication {
  /** Those who wait until it has ended for good. */
  readonly waiters: Set<(outcome: ReplicationOutcome) => void>
  isCancelled: boolean
}

/** That requests began. */
const MOST_REQUESTED = 500
const MOST_REQUESTED_BY_ONE = 100

const DEFAULTS = {
  useCheckpoints: 'replicationCheckpoints',
  checkpointIntervalMs: 'replicationCheckpointIntervalMs',
  useBulkGet: 'replicationBulkGet',
  workers: 'replicationWorkers',
  batchSize: 'replicationBatchSize',
  connections: 'replicationConnections',
  timeoutMs: 'replicationTimeoutMs',
  retries: 'replicationRetries',
} as const

/** They follow the settings. */
export function replicationDefaults(settings: SettingsRegistry): ReplicationDefaults {
  return settings.view(DEFAULTS)
}

export class Replications implements ReplicationRunner {
  readonly #options: ReplicationsOptions
  /** What a job takes where it does not say. */
  readonly defaults: ReplicationDefaults
  readonly #requested = new Map<string, Requested>()
  #runner: StoppableRunner
  readonly #runners: StoppableRunner[]
  #queue: RequestedQueue | undefined
  #isStopped = false

  constructor(options: ReplicationsOptions) {
    this.#options = options
    this.#runner = options.runner
    this.#runners = [options.runner]
    this.defaults = replicationDefaults(options.settings)
  }

  /** Those that begin from now on run elsewhere. */
  runIn(runner: StoppableRunner): void {
    this.#runner = runner
    this.#runners.push(runner)
  }

  /** Says when those that requests ask for run. To be called before there are any. */
  scheduleBy(queue: RequestedQueue): void {
    this.#queue = queue
  }

  idOf(job: ReplicationJob): Promise<ReplicationId> {
    return this.#runner.idOf(job)
  }

  /** The same as a task that is shown. */
  start(job: ReplicationJob, id: ReplicationId): RunningReplication {
    const { tasks } = this.#options
    const running = this.#runner.start(job, id)
    const task = tasks.start({
      type: 'replication',
      database: job.origin?.database ?? null,
      phase: 'replication',
      members: () => ({ ...describeJob(job, id), ...running.progress() }),
      cancel: () => void running.stop(),
    })
    void running.ended.then((outcome) => {
      if (outcome.kind === 'failed') task.end('failed', new ReplicationError(outcome.failure))
      else task.end(outcome.kind === 'stopped' ? 'cancelled' : 'completed')
    })
    return running
  }

  /**
   * Does what the body of `POST /_replicate` asks for. Throws badRequest, invalidReplication, missing, unauthorized, and
   * others, and clientGone when `gone` is aborted before the end; what a replication fails with is answered.
   */
  async request(body: Members, user: UserCtx, gone: AbortSignal): Promise<ReplicationAnswer> {
    if (this.#isStopped) throw new DatabaseError('shuttingDown')
    const request = parseRequest(body, user, this.defaults)
    try {
      if (request.kind === 'cancelId') return await this.#cancel(request.id, user)
      const { job } = request
      const id = await this.idOf(job)
      if (request.kind === 'cancel') return await this.#cancel(replicationIdText(id), user)
      const requested = this.#begin(job, id, user)
      if (job.options.continuous) return { status: 202, body: { ok: true, _local_id: replicationIdText(id) } }
      return answerOf(await endOf(requested, gone))
    } catch (error) {
      if (error instanceof ReplicationError) return failureAnswer(error)
      throw error
    }
  }

  #begin(job: ReplicationJob, id: ReplicationId, user: UserCtx): Requested {
    const key = replicationIdText(id)
    const running = this.#requested.get(key)
    if (running !== undefined && !running.isCancelled) {
      requireOwner(running.job, user)
      return running
    }
    if (this.#isStopped) throw new DatabaseError('shuttingDown')
    const own = [...this.#requested.values()].filter((each) => each.job.owner.name === user.name).length
    const most = isServerAdmin(user) ? MOST_REQUESTED : MOST_REQUESTED_BY_ONE
    if (this.#requested.size >= MOST_REQUESTED || own >= most) throw new DatabaseError('tooManyReplications')
    const waiters: Requested['waiters'] = new Set()
    const requested: Requested = {
      job,
      id,
      requestedAtMs: this.#options.clock.now(),
      waiters,
      isCancelled: false,
      start: () => this.start(job, id),
      end: (outcome) => {
        if (this.#requested.get(key) === requested) this.#requested.delete(key)
        for (const tell of waiters) tell(outcome)
      },
    }
    if (!this.#queue!.add(requested)) throw duplicateJob()
    this.#requested.set(key, requested)
    return requested
  }

  async #cancel(key: string, user: UserCtx): Promise<ReplicationAnswer> {
    const requested = this.#requested.get(key)
    if (requested === undefined || requested.isCancelled) throw new DatabaseError('missing')
    requireOwner(requested.job, user)
    await this.#end(requested)
    return { status: 200, body: { ok: true, _local_id: key } }
  }

  async #end(requested: Requested): Promise<void> {
    requested.isCancelled = true
    await this.#queue!.remove(requested)
  }

  /** Ends all, after a checkpoint each. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all([...this.#requested.values()].map((each) => this.#end(each)))
    await Promise.all(this.#runners.map((runner) => runner.stop()))
  }
}

/** Keeps nothing of who has gone: any number may come and go while one replication runs. Rejects with clientGone. */
function endOf({ waiters }: Requested, gone: AbortSignal): Promise<ReplicationOutcome> {
  return new Promise((resolve, reject) => {
    const onGone = (): void => {
      waiters.delete(tell)
      reject(new DatabaseError('clientGone'))
    }
    const tell = (outcome: ReplicationOutcome): void => {
      gone.removeEventListener('abort', onGone)
      resolve(outcome)
    }
    waiters.add(tell)
    gone.addEventListener('abort', onGone, { once: true })
    if (gone.aborted) onGone()
  })
}

function requireOwner(job: ReplicationJob, user: UserCtx): void {
  if (isServerAdmin(user) || (user.name !== null && user.name === job.owner.name)) return
  throw new DatabaseError('unauthorized', 'You are not a server admin.')
}

/** A document's. */
function duplicateJob(): ReplicationError {
  return new ReplicationError({
    error: 'duplicate_job',
    reason: "The same replication is a document's already.",
    status: 409,
    isTransient: false,
  })
}

/** In CouchDB's members; nothing of it has credentials. */
function describeJob(job: ReplicationJob, id: ReplicationId): Record<string, unknown> {
  const { continuous, checkpointIntervalMs } = job.options
  return {
    user: job.owner.name,
    replication_id: replicationIdText(id),
    doc_id: job.origin?.docId ?? null,
    source: shownPlace(job.source),
    target: shownPlace(job.target),
    continuous,
    checkpoint_interval: checkpointIntervalMs,
  }
}

function answerOf(outcome: ReplicationOutcome): ReplicationAnswer {
  if (outcome.kind === 'completed') return { status: 200, body: { ok: true, ...outcome.result } }
  // CouchDB's word for one that was cancelled while somebody waited for it.
  if (outcome.kind === 'stopped') return { status: 200, body: { ok: 'stopped' } }
  return failureAnswer(outcome.failure)
}

function failureAnswer({ status, error, reason }: ReplicationFailure): ReplicationAnswer {
  return { status, body: { error, reason } }
}
