/** Replications that read and write nothing: a test says how they go. Ids are those of the real ones. */
import {
  NO_PROGRESS,
  type ReplicationId,
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationProgress,
  type ReplicationRunner,
  type RunningReplication,
} from '../../src/replication/api.ts'
import { replicationId } from '../../src/replication/replication-id.ts'

export interface FakeReplication {
  readonly job: ReplicationJob
  readonly id: ReplicationId
  readonly isRunning: boolean
  complete(progress?: Partial<ReplicationProgress>): void
  fail(error: string, reason: string, isTransient?: boolean): void
}

export class FakeReplications implements ReplicationRunner {
  /** All that have begun, in their order. */
  readonly begun: FakeReplication[] = []
  /** Hears of each that begins. */
  onStart: (replication: FakeReplication) => void = () => undefined
  /** The code of every filter; undefined: it cannot be had. */
  filterCode: string | undefined = 'function (doc) { return true }'
  ids = 0

  get running(): FakeReplication[] {
    return this.begun.filter(({ isRunning }) => isRunning)
  }

  async idOf(job: ReplicationJob): Promise<ReplicationId> {
    this.ids += 1
    const isFiltered = job.options.choice.kind === 'filter'
    if (isFiltered && this.filterCode === undefined) throw new Error('no filter')
    return replicationId(job, { uuid: 'a'.repeat(32), filterCode: this.filterCode })
  }

  async stop(): Promise<void> {}

  start(job: ReplicationJob, id: ReplicationId): RunningReplication {
    let isRunning = true
    let progress = NO_PROGRESS
    let end: (outcome: ReplicationOutcome) => void = () => undefined
    const ended = new Promise<ReplicationOutcome>((resolve) => {
      end = (outcome) => {
        isRunning = false
        resolve(outcome)
      }
    })
    const replication: FakeReplication = {
      job,
      id,
      get isRunning() {
        return isRunning
      },
      complete(made = {}) {
        progress = { ...NO_PROGRESS, ...made }
        end({ kind: 'completed', result: { session_id: 'a' }, progress })
      },
      fail(error, reason, isTransient = true) {
        end({ kind: 'failed', failure: { error, reason, status: 500, isTransient }, progress })
      },
    }
    this.begun.push(replication)
    queueMicrotask(() => this.onStart(replication))
    return {
      id,
      started: Promise.resolve(),
      ended,
      progress: () => progress,
      stop: () => {
        end({ kind: 'stopped', progress })
        return ended
      },
    }
  }
}
