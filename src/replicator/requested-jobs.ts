/**
 * Replications that requests ask for as jobs of the scheduler. A continuous one that may do better later is begun again; any other
 * failure is its end.
 */
import {
  NO_PROGRESS,
  type ReplicationOutcome,
  type RequestedQueue,
  type RequestedReplication,
  replicationIdText,
} from '../replication/api.ts'
import type { Job, Run, RunEnd } from './job.ts'
import { descriptionOf } from './job-description.ts'
import type { Scheduler } from './scheduler.ts'

interface Entry {
  readonly requested: RequestedReplication
  job: Job | undefined
  /** Of its last run. */
  outcome: ReplicationOutcome
}

export class RequestedJobs implements RequestedQueue {
  readonly #scheduler: Scheduler
  /** By the ids of their jobs. */
  readonly #entries = new Map<string, Entry>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  add(requested: RequestedReplication): boolean {
    const { job, id, requestedAtMs } = requested
    const text = replicationIdText(id)
    if (this.#scheduler.find(text) !== undefined) return false
    const entry: Entry = {
      requested,
      job: undefined,
      outcome: { kind: 'stopped', progress: NO_PROGRESS },
    }
    this.#entries.set(text, entry)
    entry.job = this.#scheduler.add(descriptionOf(text, job, requestedAtMs))
    return true
  }

  async remove(requested: RequestedReplication): Promise<void> {
    const text = replicationIdText(requested.id)
    const entry = this.#entries.get(text)
    if (entry?.requested !== requested) return
    this.#entries.delete(text)
    await this.#scheduler.remove(entry.job!)
    requested.end(entry.outcome)
  }

  /** For the scheduler. */
  run(job: Job): Run {
    const entry = this.#entries.get(job.id)!
    const running = entry.requested.start()
    let isStopped = false
    return {
      stop() {
        isStopped = true
        void running.stop()
      },
      statistics: () => ({ ...running.progress() }),
      ended: running.ended.then((outcome) => {
        entry.outcome = outcome
        return endOf(outcome, isStopped, job.isContinuous)
      }),
    }
  }

  /** For the scheduler. */
  ended(job: Job): void {
    const entry = this.#entries.get(job.id)
    if (entry?.job !== job) return
    this.#entries.delete(job.id)
    entry.requested.end(entry.outcome)
  }
}

function endOf(outcome: ReplicationOutcome, isStopped: boolean, isContinuous: boolean): RunEnd {
  if (outcome.kind === 'completed') return { kind: 'completed' }
  if (outcome.kind === 'stopped') {
    return isStopped ? { kind: 'stopped' } : { kind: 'failed', reason: 'It was stopped.' }
  }
  const { error, reason, isTransient } = outcome.failure
  return { kind: isContinuous && isTransient ? 'crashed' : 'failed', reason: `${error}: ${reason}` }
}
