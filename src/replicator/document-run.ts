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

const BASE_LENGTH = 32

/** The parts of an id, of which the first has one length. */
export function idOfText(text: string): ReplicationId {
  return { base: text.slice(0, BASE_LENGTH), suffix: text.slice(BASE_LENGTH) }
}

export interface DocumentRunOptions {
  runner: Pick<ReplicationRunner, 'start'>
  id: string
  /** Undefined: there is nothing to do any more. */
  read(): Promise<ReplicationJob | undefined>
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

  async #run({ runner, id, read, complete }: DocumentRunOptions): Promise<RunEnd> {
    const job = await read()
    if (this.#isStopped) return { kind: 'stopped' }
    // What is not what it was is about to be noticed, and must not be tried again at once until then.
    if (job === undefined) return { kind: 'crashed', reason: 'The document has been changed.' }
    this.#running = runner.start(job, idOfText(id))
    const outcome = await this.#running.ended
    if (outcome.kind === 'stopped') {
      return this.#isStopped ? { kind: 'stopped' } : { kind: 'crashed', reason: 'It was stopped.' }
    }
    if (outcome.kind === 'failed') {
      const { error, reason } = outcome.failure
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
