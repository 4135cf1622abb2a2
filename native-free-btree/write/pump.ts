/**
 * The one writer of a file: takes turn after turn what waits in the queue, and has it written by group-commit.ts. The next
 * begins when the one before has ended, so there is one write under way at a time.
 */
import type { Transaction } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import type { Clock } from '../clock.ts'
import type { StorageFile } from '../disk/file-system.ts'
import type { StorageError } from '../errors.ts'
import type { GroupBuilder } from '../log/builder.ts'
import type { CheckpointPointer } from '../log/group.ts'
import type { DurableFacts, ProgressWriter } from '../log/progress.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'
import type { ReplayStart } from './checkpoint.ts'
import { type CheckpointLimits, Checkpoints } from './checkpoint-pacing.ts'
import { GroupCommit } from './group-commit.ts'
import type { Ledger } from './ledger.ts'
import { type QueueEntry, WriteQueue } from './queue.ts'
import { settleInTurns } from './settling.ts'
import { FILE_GONE, Tail, type TailState } from './tail.ts'

/** A store that was idle this long writes a superblock, so that the next open has little to do. */
const IDLE_MS = 1000
/** `close` writes a checkpoint when the next open would have to replay more than this. */
const CLOSE_REPLAY_BYTES = 1024 * 1024
/** So many groups of a checkpoint's nodes are written ahead behind a large commit. */
const MOST_AHEAD = 3

export interface WriterLimits extends CheckpointLimits {
  queueBytes: number
  /** Transactions longer than this go out in several groups. */
  partBytes: number
  /** Most zeros that are written ahead at a time. */
  roomBytes: number
  /** Of nodes in a group that is written while nothing waits; 0: there are none. */
  aheadBytes: number
}

export interface WriterState extends TailState {
  checkpoint: CheckpointPointer
  replay: ReplayStart
  /** Bytes of records that an open would replay now. */
  replayBytes: number
}

/** The writer's turn, lent out: until it is given back nothing is written, and all that was written is durable. */
export interface WriterTurn {
  /** Behind the last group of the file. */
  readonly end: number
  readonly commit: number
  giveBack(): void
}

export class Writer {
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly queue: WriteQueue
  readonly #checkpoints: Checkpoints
  readonly #tail: Tail
  readonly #groups: GroupCommit
  readonly #salt: bigint
  readonly #trees: ReadonlyMap<string, Tree>
  /** Until the late changes of all trees are applied: nothing is written before. */
  #settling: Promise<void> | undefined
  /** Why they could not be: whatever is to be written is refused with it. */
  #unsettled: unknown
  /** Where commits are published for other threads, when somebody has asked for it. */
  #progress: ProgressWriter | undefined
  #pumping: Promise<void> | undefined
  #cancelIdle: (() => void) | undefined
  /** Has the queue: this one never writes again. */
  #successor: Writer | undefined
  #closed: StorageError | undefined
  /** Waits so long before each group. */
  #delayMs = 0
  #isClosing = false
  /** Ends the wait that is under way. */
  #endDelay: (() => void) | undefined

  constructor(parts: {
    file: StorageFile
    path: string
    clock: Clock
    ledger: Ledger
    source: PageSource
    values: ValueReader
    trees: ReadonlyMap<string, Tree>
    limits: WriterLimits
    state: WriterState
    syncName: (() => Promise<void>) | undefined
    /** Of a writer that this one succeeds. */
    queue?: WriteQueue | undefined
  }) {
    const { state } = parts
    this.#clock = parts.clock
    this.#ledger = parts.ledger
    this.queue = parts.queue ?? new WriteQueue(parts.limits.queueBytes)
    this.#checkpoints = new Checkpoints({
      ...parts,
      newest: state.checkpoint,
      replay: state.replay,
      replayBytes: state.replayBytes,
    })
    this.#salt = state.salt
    this.#trees = parts.trees
    const onDurable = (): void => this.#progress?.publish(this.#durableFacts)
    this.#tail = new Tail({ ...parts, checkpoints: this.#checkpoints, onDurable })
    this.#groups = new GroupCommit({
      ...parts,
      onDurable,
      tail: this.#tail,
      queue: this.queue,
      checkpoints: this.#checkpoints,
    })
    if ([...this.#trees.values()].some((tree) => tree.isLate)) {
      this.#settling = this.#settle().finally(() => {
        this.#settling = undefined
      })
    }
  }

  /**
   * Only when the late changes are applied a change more may be, and a checkpoint frozen. Where one cannot be applied, no
   * other may follow it.
   */
  async #settle(): Promise<void> {
    try {
      const goesOn = () => this.#closed === undefined || !this.queue.isEmpty
      await settleInTurns(this.#trees.values(), this.#clock, goesOn)
    } catch (error) {
      this.#unsettled = error
    }
  }

  /** Resolves when the late changes are applied, or the writer is closed. Throws why they cannot be. */
  async settled(): Promise<void> {
    await this.#settling
    if (this.#unsettled !== undefined) throw this.#unsettled
  }

  get commit(): number {
    return this.#tail.commit
  }

  get poisoned(): StorageError | undefined {
    return this.#tail.poisoned
  }

  /** Set when memory no longer shows what the file holds: reads are refused as well. */
  get broken(): StorageError | undefined {
    return this.#groups.broken
  }

  get recordBytesWritten(): number {
    return this.#groups.recordBytesWritten
  }

  get nodeBytesWritten(): number {
    return this.#groups.nodeBytesWritten
  }

  get filledBytesWritten(): number {
    return this.#tail.filledBytesWritten
  }

  get queuedBytes(): number {
    return this.queue.queuedBytes
  }

  get checkpointRunning(): boolean {
    return this.#checkpoints.isRunning
  }

  get durableEnd(): number {
    return this.#tail.durable.end
  }

  /** What the newest complete checkpoint's record is found by. */
  get newestCheckpoint(): CheckpointPointer {
    return this.#checkpoints.newest
  }

  get #durableFacts(): DurableFacts {
    return {
      durableEnd: this.#tail.durable.end,
      commit: this.#tail.commit,
      checkpoint: this.#checkpoints.newest,
    }
  }

  /** Publishes what is durable now, as that of a new file, and each commit from now on. */
  shareProgress(progress: ProgressWriter): void {
    this.#progress = progress
    progress.begin(this.#salt, this.#durableFacts)
  }

  /** Waits so long before each group from now on, until it is closed: a compaction that has to catch up asks for it. */
  slowDown(delayMs: number): void {
    if (this.#isClosing) return
    if (delayMs < this.#delayMs) this.#endDelay?.()
    this.#delayMs = delayMs
  }

  /** Resolves when its turn comes. The queue waits until the turn is given back. */
  turn(): Promise<WriterTurn> {
    return this.submit<WriterTurn>('turn', 0, () => undefined as never)
  }

  async #lendTurn(): Promise<void> {
    const entry = this.queue.take()
    await this.#tail.cutRoom()
    if (!(await this.#tail.syncWritten())) {
      entry.reject(this.#tail.poisoned)
      return
    }
    await new Promise<void>((resolve) => {
      entry.resolve({ end: this.#tail.durable.end, commit: this.#tail.commit, giveBack: resolve })
    })
  }

  /** To be called in a turn, which is to be given back then: what waits in the queue is for the successor. */
  handOver(successor: Writer): void {
    this.#successor = successor
    this.#progress = undefined
    this.#cancelIdle?.()
    if (!successor.queue.isEmpty) successor.#kick()
  }

  /** Throws POISONED when the file is not at its path any more. */
  assertNamed(): void {
    if (!this.#tail.isNamed) throw this.poison(FILE_GONE, undefined)
  }

  /** Nothing is written any more. For a failure that leaves in doubt which file has the store's name. */
  poison(what: string, cause: unknown): StorageError {
    return this.#tail.poison(what, cause)
  }

  /** A tree that the file does not know yet: its definition goes out with the next commit group. */
  define(tree: Tree): void {
    this.#groups.define(tree)
  }

  submit<T>(
    kind: QueueEntry['kind'],
    sizeBytes: number,
    build: (tx: Transaction, builder: GroupBuilder) => T,
    signal?: AbortSignal,
    onDurable?: (result: T) => void,
  ): Promise<T> {
    if (this.#successor !== undefined)
      return this.#successor.submit(kind, sizeBytes, build, signal, onDurable)
    const refusal = this.#closed ?? this.#tail.poisoned
    if (refusal !== undefined) return Promise.reject(refusal)
    const done = this.queue.add<T>(kind, sizeBytes, build, signal, onDurable)
    this.#kick()
    return done
  }

  /** Completes a checkpoint that holds everything durable now. */
  async checkpoint(): Promise<void> {
    while (this.#isCheckpointing) await this.#flush()
    if (this.#checkpoints.isCurrent) return
    do await this.#flush()
    while (this.#isCheckpointing)
  }

  get #isCheckpointing(): boolean {
    return this.#checkpoints.isRunning && this.#successor === undefined
  }

  #flush(): Promise<void> {
    this.#checkpoints.force()
    return this.submit('flush', 0, () => undefined)
  }

  /** Refuses new work, finishes what is queued and leaves the file as the next open likes it best. */
  async close(reason: StorageError): Promise<void> {
    if (this.#closed !== undefined) return
    this.slowDown(0)
    this.#isClosing = true
    while (this.#pumping !== undefined) await this.#pumping
    if (this.#successor !== undefined) return this.#successor.close(reason)
    if (this.#tail.poisoned === undefined && this.#checkpoints.replayBytes > CLOSE_REPLAY_BYTES) {
      try {
        await this.checkpoint()
      } catch {
        // On a full disk, or beside damage, the next open replays: every commit is durable without it.
      }
    }
    this.#closed = reason
    await this.#settling
    while (this.#pumping !== undefined) await this.#pumping
    this.#cancelIdle?.()
    if (this.#tail.poisoned !== undefined || this.#tail.superblocks.untouched) return
    await this.#tail.close()
  }

  #kick(): void {
    if (this.#pumping === undefined) this.#begin(this.#pump(), () => this.#rest())
  }

  /** One pass at a time. Behind it what waits begins the next one; where nothing does, `rest` follows. */
  #begin(pass: Promise<void>, rest: () => void): void {
    this.#cancelIdle?.()
    this.#cancelIdle = undefined
    this.#pumping = pass
      .catch((error: unknown) => {
        this.queue.rejectAll(this.#tail.poison('the writer failed', error))
      })
      .finally(() => {
        this.#pumping = undefined
        if (this.#successor !== undefined) return
        if (!this.queue.isEmpty) this.#kick()
        else rest()
      })
  }

  #rest(): void {
    this.#armIdle()
    if (this.#mayGoAhead) void this.#goAhead()
  }

  /** Nothing waits: what the running checkpoint has to write with the large commits to come can be written between them. */
  get #mayGoAhead(): boolean {
    const isIdle = this.#pumping === undefined && this.queue.isEmpty && this.#delayMs === 0
    const isOpen = !this.#isClosing && this.#successor === undefined && this.#tail.poisoned === undefined
    return isIdle && isOpen && this.#groups.isAheadDue
  }

  /** Never rejects. Whoever was answered, and has more to write at once, goes first. */
  async #goAhead(): Promise<void> {
    await (this.#clock.turnEnd?.() ?? Promise.resolve())
    if (this.#mayGoAhead) this.#begin(this.#writeAhead(), () => this.#armIdle())
  }

  async #writeAhead(): Promise<void> {
    for (let left = MOST_AHEAD; left > 0 && this.queue.isEmpty && !this.#isClosing; left--) {
      const isWritable = this.#tail.poisoned === undefined && this.#tail.generationStarted
      if (!isWritable || !this.#groups.isAheadDue) return
      await this.#groups.goAhead()
    }
  }

  #armIdle(): void {
    if (this.#closed !== undefined || this.#tail.poisoned !== undefined) return
    if (this.#unsettled !== undefined || (this.#tail.isAnnounced && !this.#tail.hasRoom)) return
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => {
      this.#cancelIdle = undefined
      if (this.#pumping === undefined && this.#closed === undefined)
        this.#begin(this.#announce(), () => undefined)
    })
  }

  async #announce(): Promise<void> {
    await this.#tail.cutRoom()
    await this.#tail.syncedSuperblock(0)
  }

  async #pump(): Promise<void> {
    // What arrives in the same turn of the event loop goes into one group.
    await (this.#clock.turnEnd?.() ?? Promise.resolve())
    if (this.#settling !== undefined) await this.#settling
    if (this.#unsettled !== undefined) {
      this.queue.rejectAll(this.#unsettled)
      return
    }
    while (!this.queue.isEmpty && this.#successor === undefined) {
      if (this.#tail.poisoned !== undefined) {
        this.queue.rejectAll(this.#tail.poisoned)
        return
      }
      if (!this.#tail.generationStarted) {
        const failure = await this.#tail.startGeneration()
        if (failure !== undefined) this.queue.rejectAll(failure)
        continue
      }
      const { kind } = this.queue.peek()!
      if (this.#delayMs > 0 && kind === 'transaction') await this.#delay()
      if (kind === 'turn') await this.#lendTurn()
      else if (kind === 'chunk') await this.#groups.stream()
      else await this.#groups.commit()
    }
  }

  #delay(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#endDelay = undefined
        cancel()
        resolve()
      }
      this.#endDelay = end
      const cancel = this.#clock.after(this.#delayMs, end, true)
    })
  }

  /** Gives back what this store had counted in the shared budget. */
  release(): void {
    this.#ledger.clear()
    this.queue.rejectAll(this.#closed ?? this.#tail.poisoned)
  }
}
