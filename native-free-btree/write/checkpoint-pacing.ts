/**
 * When a checkpoint starts and how fast it goes. It is due after an interval of records, or when a share of the
 * memory for dirty nodes is used; it is paced so that it ends before half an interval more has followed or
 * the rest is used. See checkpoint.ts for what one is.
 */

import type { PageSource } from '../cache/page-source.ts'
import type { GroupBuilder } from '../log/builder.ts'
import type { CheckpointPointer } from '../log/group.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'
import { type ReplayStart, RunningCheckpoint } from './checkpoint.ts'
import type { Ledger } from './ledger.ts'

/** Most bytes of nodes in one group, as a multiple of the records in it, and at least. */
const SHARE_LIMIT = 16
/**
 * A late start makes for fewer checkpoints, each written in more haste, while which fewer nodes that wait to be written are
 * changed again, and copied for it. What is replayed after a crash is, at most, what was dirty at the start and what became so
 * until the end: the whole of the limit, wherever it is cut.
 */
const START_SHARE = 0.75
const MIN_NODE_BYTES = 256 * 1024
/** A group takes so many, or this part of the checkpoint, or none: of many small commits few have nodes to write. */
const PORTION_BYTES = 64 * 1024
const PORTIONS = 16
/** What is dirty beyond the limit goes out with the next group, up to so much of it. */
const MOST_EXCESS_BYTES = 32 * 1024 * 1024
const FORCED_NODE_BYTES = 3 * 1024 * 1024

/** A point in the chain of groups. */
export interface ChainPoint {
  end: number
  lastHash: bigint
  lastPosition: number
}

export interface CheckpointLimits {
  /** A checkpoint starts after this many bytes of records. */
  checkpointLogBytes: number
  /**
   * Bytes of dirty nodes, those of a running checkpoint included, that pacing keeps to; the changes of one group may go
   * beyond it until the next.
   */
  dirtyBytes: number
}

export class Checkpoints {
  readonly #limits: CheckpointLimits
  readonly #ledger: Ledger
  readonly #trees: ReadonlyMap<string, Tree>
  readonly #source: PageSource
  readonly #values: ValueReader
  #newest: CheckpointPointer
  #replay: ReplayStart
  /** Bytes of groups with something to walk over or to replay, since the last freeze. */
  #logBytes: number
  /** The same, from before the freeze of the running checkpoint. */
  #logBytesBefore = 0
  #running: RunningCheckpoint | undefined
  #forced = false
  #aheadBytes = 0

  constructor(parts: {
    limits: CheckpointLimits
    ledger: Ledger
    trees: ReadonlyMap<string, Tree>
    source: PageSource
    values: ValueReader
    newest: CheckpointPointer
    replay: ReplayStart
    replayBytes: number
  }) {
    this.#limits = parts.limits
    this.#ledger = parts.ledger
    this.#trees = parts.trees
    this.#source = parts.source
    this.#values = parts.values
    this.#newest = parts.newest
    this.#replay = parts.replay
    this.#logBytes = parts.replayBytes
  }

  /** The newest one whose record is durable. */
  get newest(): CheckpointPointer {
    return this.#newest
  }

  /** Where an open would begin to replay. */
  get replay(): ReplayStart {
    return this.#replay
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Nothing was logged since the last freeze: a checkpoint would write nothing new. */
  get isCurrent(): boolean {
    return this.#logBytes === 0
  }

  /** Bytes of groups that an open would have to replay, or to walk over. */
  get replayBytes(): number {
    return this.#logBytes + this.#logBytesBefore
  }

  /** Whether the next group should carry nodes although no transaction asks for one. */
  get isDue(): boolean {
    return this.#running !== undefined || this.#logBytes >= this.#limits.checkpointLogBytes
  }

  /** The next group starts a checkpoint, or takes a large share of the running one. */
  force(): void {
    this.#forced = true
  }

  /** The next group takes so much of the running checkpoint, whatever the pace is. */
  goAhead(bytes: number): void {
    this.#aheadBytes = bytes
  }

  /** Counts a group that was written. */
  logged(bytes: number): void {
    this.#logBytes += bytes
  }

  /**
   * Starts a checkpoint when one is due and appends its share of nodes to the group that will be written at
   * `at.end`; returns the reference for the group to carry. Throws what a reducer or a damaged node throws.
   */
  append(builder: GroupBuilder, recordBytes: number, commit: number, at: ChainPoint): CheckpointPointer {
    const { checkpointLogBytes, dirtyBytes } = this.#limits
    const [forced, aheadBytes] = [this.#forced, this.#aheadBytes]
    this.#forced = false
    this.#aheadBytes = 0
    if (this.#running === undefined) {
      const due =
        this.#logBytes + recordBytes >= checkpointLogBytes ||
        this.#ledger.liveBytes >= dirtyBytes * START_SHARE
      if (!due && !forced) return this.#newest
      this.#freeze(commit, at)
    }
    const running = this.#running!
    if (aheadBytes > 0) {
      running.append(builder, aheadBytes)
      return running.record ?? this.#newest
    }
    const progress = Math.max(
      (this.#logBytes + recordBytes) / (checkpointLogBytes / 2),
      this.#ledger.liveBytes / (dirtyBytes * (1 - START_SHARE)),
    )
    const share = running.frozenBytes * progress - running.writtenBytes
    const excess = Math.min(this.#ledger.totalBytes - dirtyBytes, MOST_EXCESS_BYTES)
    const most = Math.max(recordBytes * SHARE_LIMIT, forced ? FORCED_NODE_BYTES : MIN_NODE_BYTES, excess)
    const isPaced = !forced && progress < 1
    const wanted = Math.max(share, excess)
    if (isPaced && wanted < Math.min(PORTION_BYTES, running.frozenBytes / PORTIONS)) return this.#newest
    const bytes = isPaced ? Math.min(wanted, most) : most
    running.append(builder, bytes)
    return running.record ?? this.#newest
  }

  #freeze(commit: number, at: ChainPoint): void {
    this.#ledger.freeze()
    this.#logBytesBefore = this.#logBytes
    this.#logBytes = 0
    this.#running = new RunningCheckpoint(
      commit,
      { position: at.end, previousHash: at.lastHash },
      this.#ledger.frozenBytes,
      this.#trees.values(),
      this.#source,
      this.#values,
    )
  }

  /** The group was not kept. */
  revert(): void {
    this.#running?.revert()
  }

  /** The group is durable and `at` lies behind it. True when it completed a checkpoint. */
  confirm(at: ChainPoint): boolean {
    const running = this.#running
    if (running === undefined) return false
    this.#ledger.written(running.confirm())
    if (running.record === undefined) return false
    this.#newest = running.record
    // With nothing logged since the freeze there is nothing to replay, not even the groups of the nodes.
    this.#replay = this.#logBytes === 0 ? { position: at.end, previousHash: at.lastHash } : running.replay
    this.#logBytesBefore = 0
    this.#ledger.completed()
    this.#running = undefined
    return true
  }
}
