/** A run of a document's replication: reads the document, replicates, and tells the document when it has come to its end. */
import { describeError } from '../base/log.ts'
import type {
  ReplicationId,
  ReplicationJob,
  ReplicationProgress,
  ReplicationRunner,
  RunningReplication,
} from '../replication/api.ts'
import type { JobStatistics, Run, RunEnd } from './job.ts'

/** What is to be done, under its id. */
export interface IdentifiedJob {
  readonly job: ReplicationJob
  readonly id: ReplicationId
}

export interface DocumentRunOptions {
  runner: Pick<ReplicationRunner, 'start'>
  /** Undefined: there is nothing to do any more. */
  read(): Promise<IdentifiedJob | undefined>
  /** It begins now, or has failed and will be begun again. */
  note(state: 'triggered' | 'error', reason?: string): void
  /** The replication has come to its end. What it rejects with is a crash. */
  complete(statistics: JobStatistics): Promise<void>
}

export class DocumentRun implements Run {
  readonly ended: Promise<RunEnd>
  #running: RunningReplication | undefined
  #isStopped = false

  constructor(options: DocumentRunOptions) {
    this.ended = this.#run(options).catch((error: unknown) => ({
      kind: 'crashed',
      reason: describeError(error),
    }))
  }

  stop(): void {
    this.#isStopped = true
    void this.#running?.stop()
  }

  statistics(): JobStatistics | null {
    return this.#running === undefined ? null : { ...this.#running.progress() }
  }

  async #run({ runner, read, note, complete }: DocumentRunOptions): Promise<RunEnd> {
    const found = await read()
    if (this.#isStopped) return { kind: 'stopped' }
    // What is not what it was is about to be noticed, and must not be tried again at once until then.
    if (found === undefined) return { kind: 'crashed', reason: 'The document has been changed.' }
    note('triggered')
    this.#running = runner.start(found.job, found.id)
    const outcome = await this.#running.ended
    if (outcome.kind === 'stopped') {
      return this.#isStopped ? { kind: 'stopped' } : { kind: 'crashed', reason: 'It was stopped.' }
    }
    if (outcome.kind === 'failed') {
      const { error, reason } = outcome.failure
      note('error', reason)
      return { kind: 'crashed', reason: `${error}: ${reason}` }
    }
    await complete(endStatistics(outcome.progress))
    return { kind: 'completed' }
  }
}

/** What is left to be told of a replication that has ended. */
function endStatistics(progress: ReplicationProgress): JobStatistics {
  const { source_seq: _source, through_seq: _through, ...rest } = progress
  return rest
}
