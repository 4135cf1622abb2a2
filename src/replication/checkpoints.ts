/**
 * Checkpoints as CouchDB's `couch_replicator_scheduler_job` keeps them: `_local/ID` on both sides, with the same text. What holds:
 * - A replication begins at the newest sequence that both sides have of the same session: one that was put back, or made anew,
 *   makes it begin earlier, never later.
 * - A checkpoint is written when everything up to it is durable on the target, and first on the source: a crash between the two leaves
 *   an older one in common.
 */
import { type HistoryEntry, ReplicationError, type ReplicationResult } from './api.ts'
import type { Endpoint, LocalRecord, SourceEndpoint, TargetEndpoint } from './endpoint.ts'
import { ID_VERSION } from './replication-id.ts'
import { type Sequence, sequenceNumber } from './sequence.ts'
import type { Counts } from './statistics.ts'

const MOST_HISTORY = 50
/** Of a replication that has no checkpoint. */
const NO_SEQUENCE = 0

export interface CheckpointOptions {
  readonly source: SourceEndpoint
  readonly target: TargetEndpoint
  /** `_local/` and this; the newest version first, of which alone are written. */
  readonly ids: readonly [string, ...string[]]
  readonly sessionId: string
  /** False: none are read or written. */
  readonly isUsed: boolean
  /** Members that a replication by ids has beside its history. */
  readonly isByIds: boolean
  readonly startedAtMs: number
  readonly now: () => number
}

/** Where a replication begins, and what it goes on from. */
export interface Beginning {
  readonly startSeq: Sequence
  readonly history: readonly Partial<HistoryEntry>[]
}

export class Checkpoints {
  readonly #options: CheckpointOptions
  #source: LocalRecord | undefined
  #target: LocalRecord | undefined
  #history: readonly Partial<HistoryEntry>[] = []
  #startSeq: Sequence = 0
  #committed: Sequence = 0
  #result: ReplicationResult = { no_changes: true }
  /** When the databases were made. */
  #born: { source: string; target: string } | undefined

  constructor(options: CheckpointOptions) {
    this.#options = options
  }

  /** The last sequence that was written. */
  get committed(): Sequence {
    return this.#committed
  }

  /** What the replication answers as it is. */
  get result(): ReplicationResult {
    return this.#result
  }

  /** Reads what is there. `since` is where it is to begin where nothing is. */
  async begin(
    born: { source: string; target: string },
    since: Sequence | undefined,
    signal: AbortSignal,
  ): Promise<Beginning> {
    const { source, target, isUsed } = this.#options
    this.#born = born
    if (!isUsed) {
      this.#result = { use_checkpoints: false }
      this.#startSeq = since ?? 0
      this.#committed = this.#startSeq
      return { startSeq: this.#startSeq, history: [] }
    }
    ;[this.#source, this.#target] = await Promise.all([
      this.#read(source, signal),
      this.#read(target, signal),
    ])
    const { startSeq, history } = commonAncestry(this.#source?.body ?? {}, this.#target?.body ?? {})
    this.#history = history
    this.#startSeq = startSeq === NO_SEQUENCE ? (since ?? startSeq) : startSeq
    this.#committed = this.#startSeq
    this.#result = { no_changes: true, ...this.#source?.body }
    return { startSeq: this.#startSeq, history }
  }

  /** Of an older version: its revision is another document's. */
  async #read(endpoint: Endpoint, signal: AbortSignal): Promise<LocalRecord | undefined> {
    const [newest, ...older] = this.#options.ids
    const found = await endpoint.readLocal(newest, signal)
    if (found !== undefined) return found
    for (const id of older) {
      const old = await endpoint.readLocal(id, signal)
      if (old !== undefined) return { body: old.body, rev: '' }
    }
    return undefined
  }

  /**
   * Everything up to `seq` has been replicated. Where there were no changes in that, the answer stays what it was. Throws
   * ReplicationError.
   */
  async write(seq: Sequence, counts: Counts, hasChanges: boolean, signal: AbortSignal): Promise<void> {
    const { source, target, ids, isUsed } = this.#options
    if (!isUsed || seq === this.#committed) return
    await this.#commitBoth(signal)
    const body = this.#body(seq, counts)
    const [id] = ids
    this.#source = await this.#put(source, 'source', id, body, this.#source, signal)
    this.#target = await this.#put(target, 'target', id, body, this.#target, signal)
    this.#committed = seq
    if (hasChanges) this.#result = body
  }

  async #commitBoth(signal: AbortSignal): Promise<void> {
    const { source, target } = this.#options
    const [ofSource, ofTarget] = await Promise.all([
      source.ensureFullCommit(signal),
      target.ensureFullCommit(signal),
    ])
    const born = this.#born!
    if (ofSource !== undefined && ofSource !== born.source) throw outOfSync('Source')
    if (ofTarget !== undefined && ofTarget !== born.target) throw outOfSync('Target')
  }

  #body(seq: Sequence, counts: Counts): ReplicationResult & Record<string, unknown> {
    const { sessionId, startedAtMs, now, isByIds } = this.#options
    const startTime = new Date(startedAtMs).toUTCString()
    const endTime = new Date(now()).toUTCString()
    const { docs_read, docs_written, doc_write_failures } = counts
    const entry: HistoryEntry = {
      session_id: sessionId,
      start_time: startTime,
      end_time: endTime,
      start_last_seq: this.#startSeq,
      end_last_seq: seq,
      recorded_seq: seq,
      ...counts,
    }
    return {
      session_id: sessionId,
      source_last_seq: seq,
      replication_id_version: ID_VERSION,
      ...(isByIds
        ? { start_time: startTime, end_time: endTime, docs_read, docs_written, doc_write_failures }
        : {}),
      history: [entry, ...(this.#history as HistoryEntry[])].slice(0, MOST_HISTORY),
    }
  }

  async #put(
    endpoint: Endpoint,
    side: 'source' | 'target',
    id: string,
    body: Record<string, unknown>,
    before: LocalRecord | undefined,
    signal: AbortSignal,
  ): Promise<LocalRecord> {
    const rev = before?.rev === '' ? undefined : before?.rev
    try {
      return { body, rev: await endpoint.writeLocal(id, body, rev, signal) }
    } catch (error) {
      signal.throwIfAborted()
      const reason = error instanceof ReplicationError ? error.reason : 'it failed'
      throw new ReplicationError(
        {
          error: 'checkpoint_commit_failure',
          reason: `Error updating the ${side} checkpoint document: ${reason}`,
          status: 500,
          isTransient: true,
        },
        { cause: error },
      )
    }
  }
}

function outOfSync(side: 'Source' | 'Target'): ReplicationError {
  return new ReplicationError({
    error: 'checkpoint_commit_failure',
    reason: `${side} database out of sync. Try to increase max_dbs_open at the ${side.toLowerCase()}'s server.`,
    status: 500,
    isTransient: true,
  })
}

type Log = Readonly<Record<string, unknown>>

/**
 * As CouchDB's `compare_replication_logs`, but that where both sides differ about one session the earlier sequence counts: a side
 * that was put back to an older state in the middle of it has what it had then.
 */
export function commonAncestry(source: Log, target: Log): Beginning {
  const ofSource = historyOf(source)
  const ofTarget = historyOf(target)
  const sessionId = source['session_id']
  if (sessionId !== undefined && sessionId === target['session_id']) {
    return { startSeq: earlier(source['source_last_seq'], target['source_last_seq']), history: ofSource }
  }
  let [rest, others] = [ofSource, ofTarget]
  while (rest.length > 0 && others.length > 0) {
    const [first, ...behind] = rest
    const [other, ...others2] = others
    const ofFirst = same(others, first!)
    if (ofFirst !== undefined)
      return { startSeq: earlier(first!.recorded_seq, ofFirst.recorded_seq), history: behind }
    const ofOther = same(behind, other!)
    if (ofOther !== undefined)
      return { startSeq: earlier(other!.recorded_seq, ofOther.recorded_seq), history: others2 }
    rest = behind
    others = others2
  }
  return { startSeq: NO_SEQUENCE, history: [] }
}

/** The first one where nobody can say, as in CouchDB. */
function earlier(first: unknown, second: unknown): Sequence {
  const a = sequenceOf(first)
  const b = second === undefined ? a : sequenceOf(second)
  const [numberOfA, numberOfB] = [sequenceNumber(a), sequenceNumber(b)]
  return numberOfA !== undefined && numberOfB !== undefined && numberOfB < numberOfA ? b : a
}

function same(
  history: readonly Partial<HistoryEntry>[],
  { session_id: id }: Partial<HistoryEntry>,
): Partial<HistoryEntry> | undefined {
  return id === undefined ? undefined : history.find((entry) => entry.session_id === id)
}

function historyOf({ history }: Log): readonly Partial<HistoryEntry>[] {
  if (!Array.isArray(history)) return []
  return history.filter((each) => typeof each === 'object' && each !== null).slice(0, MOST_HISTORY)
}

function sequenceOf(value: unknown): Sequence {
  return typeof value === 'string' || typeof value === 'number' ? value : 0
}
