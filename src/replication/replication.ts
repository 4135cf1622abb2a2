/**
 * One replication, from the opening of both sides to its end. What holds:
 * - Changes are read a page at a time, and no further than there are workers for: what the target cannot take waits at the source.
 * - Batches are as large as go over in about a second, up to the job's bound.
 * - A checkpoint covers only what has been written, and is written at its interval, at the end, and when it is stopped.
 * - It ends: by its result, its first failure, or its signal; nothing of it runs on then.
 */
import { describeError } from '../base/log.ts'
import { randomHex } from '../base/random.ts'
import {
  ReplicationError,
  type ReplicationFailure,
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationProgress,
} from './api.ts'
import { BatchLine } from './batch-line.ts'
import { Checkpoints } from './checkpoints.ts'
import type { SourceChanges, SourceEndpoint, TargetEndpoint } from './endpoint.ts'
import { BrokenAnswer } from './http/peer-answer.ts'
import type { ReplicationParts } from './parts.ts'
import type { Sequence } from './sequence.ts'
import { type Counts, countsOf } from './statistics.ts'
import { Transfer } from './transfer.ts'

export interface ReplicationOptions {
  readonly job: ReplicationJob
  /** Of its checkpoints, the newest version first. */
  readonly checkpointIds: readonly [string, ...string[]]
  readonly source: SourceEndpoint
  readonly target: TargetEndpoint
  readonly parts: ReplicationParts
  readonly onProgress: () => void
}

const FIRST_BATCH = 100
const SHORT_BATCH_MS = 500
const LONG_BATCH_MS = 3000
/** A checkpoint at an end that came otherwise than by the last change may take so long. */
const LAST_CHECKPOINT_MS = 5000

/** Why a replication's signal is aborted when it is asked to stop. */
export class StopRequested extends Error {
  override readonly name = 'StopRequested'
}

export class Replication {
  readonly #options: ReplicationOptions
  readonly #stop = new AbortController()
  readonly #startedAtMs: number
  #counts: Counts = countsOf(undefined)
  #checkpoints: Checkpoints
  #transfer: Transfer | undefined
  #batchSize: number
  #pending: number | null = null
  #sourceSeq: Sequence = 0
  #throughSeq: Sequence = 0
  /** Changes were met that are to be replicated. */
  #hasChanges = false
  #cancelTimer: (() => void) | undefined
  #checkpointing: Promise<void> | undefined
  #checkpointFailure: { error: unknown } | undefined
  /** Ends what is under way when a part of it has failed. */
  #work = new AbortController()

  constructor(options: ReplicationOptions) {
    this.#options = options
    const { job, parts, source, target, checkpointIds } = options
    const { clock, random } = parts
    this.#startedAtMs = clock.now()
    this.#batchSize = Math.min(FIRST_BATCH, job.options.batchSize)
    this.#checkpoints = new Checkpoints({
      source,
      target,
      ids: checkpointIds,
      sessionId: randomHex(random, 16),
      isUsed: job.options.useCheckpoints,
      isByIds: job.options.choice.kind === 'ids',
      startedAtMs: this.#startedAtMs,
      now: () => clock.now(),
    })
  }

  progress(): ReplicationProgress {
    const { missing_checked, missing_found, ...rest } = this.#counts
    return {
      revisions_checked: missing_checked,
      missing_revisions_found: missing_found,
      ...rest,
      changes_pending: this.#pending,
      checkpointed_source_seq: this.#checkpoints.committed,
      source_seq: this.#sourceSeq,
      through_seq: this.#throughSeq,
    }
  }

  /** Ends it after a checkpoint. */
  stop(): void {
    this.#stop.abort(new StopRequested())
  }

  /** Once. `onStarted` is called when both sides are open. Never rejects. */
  async run(onStarted: () => void): Promise<ReplicationOutcome> {
    const onStop = (): void => this.#work.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', onStop, { once: true })
    if (this.#stop.signal.aborted) onStop()
    try {
      await this.#replicate(onStarted)
      this.#pending = null
      return { kind: 'completed', result: this.#checkpoints.result, progress: this.progress() }
    } catch (error) {
      this.#work.abort(error)
      await this.#lastCheckpoint()
      if (this.#stop.signal.aborted) return { kind: 'stopped', progress: this.progress() }
      if (!(error instanceof ReplicationError)) {
        this.#options.parts.log.error('a replication met a fault', { reason: describeError(error) })
      }
      return { kind: 'failed', failure: failureOf(error), progress: this.progress() }
    } finally {
      this.#cancelTimer?.()
      await Promise.allSettled([this.#options.source.close(), this.#options.target.close()])
    }
  }

  async #replicate(onStarted: () => void): Promise<void> {
    const { job, source, target, parts } = this.#options
    const { options } = job
    const { signal } = this.#work
    const sourceInfo = await source.info(signal)
    if (options.createTarget) await target.create(options.createTargetParams, signal)
    const targetInfo = await target.info(signal)
    const born = { source: sourceInfo.instanceStartTime, target: targetInfo.instanceStartTime }
    const { startSeq, history } = await this.#checkpoints.begin(born, options.sinceSeq, signal)
    this.#counts = countsOf(history[0])
    this.#sourceSeq = startSeq
    this.#throughSeq = startSeq
    const { clock, log } = parts
    const { retries } = options
    this.#transfer = new Transfer({ source, target, counts: this.#counts, retries, clock, log })
    onStarted()
    await this.#follow(startSeq)
    await this.#checkpoint(signal)
  }

  /** Reads changes and hands them to batches, up to the last, or for ever. */
  async #follow(startSeq: Sequence): Promise<void> {
    const { source, job } = this.#options
    const { continuous, workers } = job.options
    const { signal } = this.#work
    const line = new BatchLine(workers, (seq) => this.#passed(seq))
    let since = startSeq
    let isWaiting = false
    try {
      for (;;) {
        const page = await source.changes({ since, limit: this.#batchSize, isWaiting }, signal)
        this.#sourceSeq = page.lastSeq
        if (page.pending !== undefined) this.#pending = page.pending
        if (page.lastSeq !== since || page.changes.length > 0) {
          await line.add(page.lastSeq, new Set(page.changes.map(({ id }) => id)), () => this.#batch(page))
        }
        since = page.lastSeq
        isWaiting = continuous && page.isEnd
        if (page.isEnd && !continuous) break
        if (this.#checkpointFailure !== undefined) throw this.#checkpointFailure.error
      }
      await line.drain()
    } catch (error) {
      this.#work.abort(error)
      await line.settle()
      throw error
    }
  }

  async #batch({ changes }: SourceChanges): Promise<void> {
    if (changes.length === 0) return
    this.#hasChanges = true
    const { target, parts } = this.#options
    const { signal } = this.#work
    const startMs = parts.clock.monotonic()
    try {
      const revisions = new Map<string, readonly string[]>()
      let count = 0
      const mostIdBytes = parts.settings.get('replicationMaxIdBytes')
      for (const { id, revs } of changes) {
        if (Buffer.byteLength(id) > mostIdBytes) {
          this.#counts.doc_write_failures += 1
          parts.log.warning('a document was not replicated', {
            target: target.shown,
            id,
            reason: 'its id is too long',
          })
          continue
        }
        revisions.set(id, [...(revisions.get(id) ?? []), ...revs])
        count += revs.length
      }
      const missing = await target.revsDiff(revisions, signal)
      this.#counts.missing_checked += count
      for (const each of missing) this.#counts.missing_found += each.missing.length
      await this.#transfer!.run(missing, signal)
      this.#fitBatches(changes.length, parts.clock.monotonic() - startMs)
    } catch (error) {
      // Whoever waits for changes is to hear of it.
      this.#work.abort(error)
      throw error
    }
  }

  /** The next batches are to take about a second. */
  #fitBatches(size: number, tookMs: number): void {
    const { batchSize } = this.#options.job.options
    if (tookMs > LONG_BATCH_MS) this.#batchSize = Math.max(1, Math.min(this.#batchSize, Math.ceil(size / 2)))
    else if (tookMs < SHORT_BATCH_MS && size >= this.#batchSize) {
      this.#batchSize = Math.min(batchSize, this.#batchSize * 2)
    }
  }

  #passed(seq: Sequence): void {
    this.#throughSeq = seq
    const { job, parts, onProgress } = this.#options
    onProgress()
    if (!job.options.useCheckpoints) return
    this.#cancelTimer ??= parts.clock.after(job.options.checkpointIntervalMs, () => {
      this.#cancelTimer = undefined
      this.#checkpoint(this.#work.signal).catch((error: unknown) => {
        this.#checkpointFailure ??= { error }
        this.#work.abort(error)
      })
    })
  }

  /** One after the other; what it covers is what has been done when it begins. */
  async #checkpoint(signal: AbortSignal): Promise<void> {
    while (this.#checkpointing !== undefined) await this.#checkpointing.catch(() => undefined)
    const counts = { ...this.#counts }
    this.#checkpointing = this.#checkpoints.write(this.#throughSeq, counts, this.#hasChanges, signal)
    try {
      await this.#checkpointing
    } finally {
      this.#checkpointing = undefined
      this.#options.onProgress()
    }
  }

  /** What was done before a failure or a stop need not be done again. */
  async #lastCheckpoint(): Promise<void> {
    if (this.#checkpointFailure !== undefined || this.#transfer === undefined) return
    const limit = new AbortController()
    const cancel = this.#options.parts.clock.after(LAST_CHECKPOINT_MS, () =>
      limit.abort(new Error('too late')),
    )
    try {
      await this.#checkpoint(limit.signal)
    } catch (error) {
      this.#options.parts.log.debug('a last checkpoint was not written', { reason: describeError(error) })
    } finally {
      cancel()
    }
  }
}

function failureOf(error: unknown): ReplicationFailure {
  if (error instanceof ReplicationError) {
    const { error: name, reason, status, isTransient } = error
    return { error: name, reason, status, isTransient }
  }
  const reason = error instanceof BrokenAnswer ? error.message : 'an unexpected failure'
  return { error: 'replication_failed', reason, status: 500, isTransient: true }
}
