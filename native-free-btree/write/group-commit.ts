/**
 * The one writer of a file: forms groups, makes them durable, applies them, paces checkpoints. Invariants:
 * - A commit group is written only after the sync of the commit before it returned.
 * - Trees change only after the sync of the group that changes them returned, so whoever reads them, at any
 *   time, reads durable commits; what a failed sync leaves in doubt was never shown to anybody.
 * - A superblock names only what was durable before its own write was issued, and is synced before the next
 *   one is written (to the other slot).
 *
 * What fails either poisons, so that nothing is written any more until the store is opened again, or it does not, and
 * the next write tries again. It poisons when going on could show or acknowledge what the disk does not have:
 * - a sync that failed, of the file or, told by SYNC_FAILED, of its folder: the kernel counts what it lost as clean;
 * - a rename of a compaction that may have been done or not, and a file that is not at its path any more: what is
 *   written goes to a file that nobody finds;
 * - a durable commit that could not be applied in memory, and what contradicts the writer's own rules.
 * Nothing else does: a folder that could not be opened (EMFILE), a group or a superblock that could not be written
 * (ENOSPC, EIO), a truncation that failed. They are answered with WRITE_FAILED.
 */
import type { Transaction } from '../api.ts'
import type { PageSource } from '../cache/page-source.ts'
import type { Clock } from '../clock.ts'
import { ByteWriter } from '../disk/bytes.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { GROUP_CHUNK, GROUP_COMMIT, RECORD_TREE, SUPERBLOCK_CLEAN } from '../format.ts'
import { GroupBuilder, type SealedGroup } from '../log/builder.ts'
import type { CheckpointPointer } from '../log/group.ts'
import { writeDefinition } from '../tree/definition.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'
import type { ReplayStart } from './checkpoint.ts'
import { type ChainPoint, type CheckpointLimits, Checkpoints } from './checkpoint-pacing.ts'
import type { Ledger } from './ledger.ts'
import { type QueueEntry, WriteQueue } from './queue.ts'
import { Superblocks } from './superblock-writes.ts'
import { GroupTransactions } from './transaction.ts'

/** No more transactions are taken into a group that has reached this. */
const GROUP_TARGET_BYTES = 1024 * 1024
/** Nor into one whose transactions took so long to build: the event loop is held meanwhile. */
const GROUP_TARGET_MS = 10
/** Chunk groups are synced on their own when this much of them is not durable. */
const UNSYNCED_LIMIT_BYTES = 32 * 1024 * 1024
/** A store that was idle this long writes a superblock, so that the next open has little to do. */
const IDLE_MS = 1000
/** `close` writes a checkpoint when the next open would have to replay more than this. */
const CLOSE_REPLAY_BYTES = 1024 * 1024

export interface WriterLimits extends CheckpointLimits {
  queueBytes: number
  /** Transactions longer than this go out in several groups. */
  partBytes: number
}

export interface WriterState extends ChainPoint {
  uuid: Buffer
  salt: bigint
  commit: number
  generation: number
  sequence: number
  nextSlot: number
  checkpoint: CheckpointPointer
  replay: ReplayStart
  /** Bytes of records that an open would replay now. */
  replayBytes: number
  clean: boolean
}

/** The writer's turn, lent out: until it is given back nothing is written, and all that was written is durable. */
export interface WriterTurn {
  /** Behind the last group of the file. */
  readonly end: number
  readonly commit: number
  giveBack(): void
}

export class Writer {
  readonly #file: StorageFile
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #salt: bigint
  readonly #dirtyLimitBytes: number
  readonly #path: string
  #syncName: (() => Promise<void>) | undefined
  readonly #builder: GroupBuilder
  readonly #transactions: GroupTransactions
  readonly queue: WriteQueue
  readonly #superblocks: Superblocks
  readonly #checkpoints: Checkpoints
  #durable: ChainPoint
  /** Behind the last group written; ahead of `#durable` by chunk groups only. */
  #written: ChainPoint
  #commit: number
  #generationStarted = false
  /** What the newest synced superblock says of them. */
  #announcedEnd: number
  #superblockDue = false
  #definitionsDue: Tree[] = []
  #pumping: Promise<void> | undefined
  #cancelIdle: (() => void) | undefined
  /** Has the queue: this one never writes again. */
  #successor: Writer | undefined
  #poisoned: StorageError | undefined
  #closed: StorageError | undefined
  recordBytesWritten = 0
  nodeBytesWritten = 0
  /** Waits so long before each group: a compaction that has to catch up asks for it. */
  delayMs = 0

  constructor(parts: {
    file: StorageFile
    /** Of the store, absolute: the file may have been opened by another. */
    path: string
    clock: Clock
    ledger: Ledger
    source: PageSource
    values: ValueReader
    trees: ReadonlyMap<string, Tree>
    limits: WriterLimits
    state: WriterState
    /**
     * Makes the file's name durable, before the first group: a compaction whose process was killed between the
     * rename and the folder's sync leaves a name that a power loss would take back, with all written since.
     */
    syncName: (() => Promise<void>) | undefined
    /** Of a writer that this one succeeds. */
    queue?: WriteQueue | undefined
  }) {
    this.#file = parts.file
    this.#path = parts.path
    this.#clock = parts.clock
    this.#ledger = parts.ledger
    const { state } = parts
    this.#salt = state.salt
    this.#dirtyLimitBytes = parts.limits.dirtyBytes
    this.#builder = new GroupBuilder(state.salt, parts.limits.partBytes)
    this.#transactions = new GroupTransactions(this.#builder, parts.trees, parts.source, parts.values)
    this.#syncName = parts.syncName
    this.queue = parts.queue ?? new WriteQueue(parts.limits.queueBytes)
    this.#durable = { end: state.end, lastHash: state.lastHash, lastPosition: state.lastPosition }
    this.#written = this.#durable
    this.#commit = state.commit
    this.#announcedEnd = state.clean ? state.end : 0
    this.#superblocks = new Superblocks(parts.file, state)
    this.#checkpoints = new Checkpoints({
      ...parts,
      newest: state.checkpoint,
      replay: state.replay,
      replayBytes: state.replayBytes,
    })
  }

  get commit(): number {
    return this.#commit
  }

  get poisoned(): StorageError | undefined {
    return this.#poisoned
  }

  get queuedBytes(): number {
    return this.queue.queuedBytes
  }

  get checkpointRunning(): boolean {
    return this.#checkpoints.isRunning
  }

  get durableEnd(): number {
    return this.#durable.end
  }

  /** What the newest complete checkpoint's record is found by. */
  get newestCheckpoint(): CheckpointPointer {
    return this.#checkpoints.newest
  }

  /** Resolves when its turn comes. The queue waits until the turn is given back. */
  turn(): Promise<WriterTurn> {
    return this.submit<WriterTurn>('turn', 0, () => undefined as never)
  }

  async #lendTurn(): Promise<void> {
    const entry = this.queue.take()
    if (this.#written.end !== this.#durable.end) {
      if (!(await this.#sync())) {
        entry.reject(this.#poisoned)
        return
      }
      this.#durable = this.#written
    }
    await new Promise<void>((resolve) => {
      entry.resolve({ end: this.#durable.end, commit: this.#commit, giveBack: resolve })
    })
  }

  /** To be called in a turn, which is to be given back then: what waits in the queue is for the successor. */
  handOver(successor: Writer): void {
    this.#successor = successor
    this.#cancelIdle?.()
    if (!successor.queue.isEmpty) successor.#kick()
  }

  /**
   * Throws POISONED when the file is not at its path any more. What cannot be told (the folder cannot be looked at) is
   * no reason to refuse: the file itself can be written.
   */
  assertNamed(): void {
    if (!this.#isNamed()) throw this.poison('the file was removed or replaced while it was open', undefined)
  }

  #isNamed(): boolean {
    try {
      return this.#file.isAt(this.#path)
    } catch {
      return true
    }
  }

  /** Nothing is written any more. For a failure that leaves in doubt which file has the store's name. */
  poison(what: string, cause: unknown): StorageError {
    this.#poison(what, cause)
    return this.#poisoned!
  }

  /** A tree that the file does not know yet: its definition goes out with the next group. */
  define(tree: Tree): void {
    this.#definitionsDue.push(tree)
  }

  submit<T>(
    kind: QueueEntry['kind'],
    sizeBytes: number,
    build: (tx: Transaction, builder: GroupBuilder) => T,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#successor !== undefined) return this.#successor.submit(kind, sizeBytes, build, signal)
    const refusal = this.#closed ?? this.#poisoned
    if (refusal !== undefined) return Promise.reject(refusal)
    const done = this.queue.add<T>(kind, sizeBytes, build, signal)
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
    while (this.#pumping !== undefined) await this.#pumping
    if (this.#successor !== undefined) return this.#successor.close(reason)
    if (this.#poisoned === undefined && this.#checkpoints.replayBytes > CLOSE_REPLAY_BYTES) {
      try {
        await this.checkpoint()
      } catch {
        // On a full disk, or beside damage, the next open replays: every commit is durable without it.
      }
    }
    this.#closed = reason
    while (this.#pumping !== undefined) await this.#pumping
    this.#cancelIdle?.()
    if (this.#poisoned !== undefined || this.#superblocks.untouched) return
    // Both slots: with either of them alone lost, the other still vouches for every group.
    await this.#startGeneration()
    const flags = (await this.#endsWithItsGroups()) ? SUPERBLOCK_CLEAN : 0
    await this.#syncedSuperblock(flags)
    await this.#syncedSuperblock(flags)
    if (this.#poisoned !== undefined) throw this.#poisoned
  }

  #kick(): void {
    if (this.#pumping !== undefined) return
    this.#cancelIdle?.()
    this.#cancelIdle = undefined
    this.#pumping = this.#pump()
      .catch((error: unknown) => {
        this.#poison('the writer failed', error)
        this.queue.rejectAll(this.#poisoned)
      })
      .finally(() => {
        this.#pumping = undefined
        if (this.#successor !== undefined) return
        if (!this.queue.isEmpty) this.#kick()
        else this.#armIdle()
      })
  }

  #armIdle(): void {
    if (this.#closed !== undefined || this.#poisoned !== undefined) return
    if (this.#announcedEnd === this.#durable.end) return
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => {
      this.#cancelIdle = undefined
      if (this.#pumping !== undefined || this.#closed !== undefined) return
      this.#pumping = this.#syncedSuperblock(0)
        .then(() => undefined)
        .finally(() => {
          this.#pumping = undefined
          if (!this.queue.isEmpty) this.#kick()
        })
    })
  }

  async #pump(): Promise<void> {
    // What arrives in the same turn of the event loop goes into one group.
    await Promise.resolve()
    while (!this.queue.isEmpty && this.#successor === undefined) {
      if (this.#poisoned !== undefined) {
        this.queue.rejectAll(this.#poisoned)
        return
      }
      if (!this.#generationStarted) {
        const failure = await this.#startGeneration()
        if (failure !== undefined) this.queue.rejectAll(failure)
        continue
      }
      const { kind } = this.queue.peek()!
      if (this.delayMs > 0 && kind === 'transaction') await this.#delay()
      if (kind === 'turn') await this.#lendTurn()
      else if (kind === 'chunk') await this.#stream()
      else await this.#commitGroup()
    }
  }

  #delay(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(this.delayMs, resolve)
    })
  }

  /** No group may be written before this is done. Returns why it failed. */
  async #startGeneration(): Promise<StorageError | undefined> {
    if (this.#generationStarted) return undefined
    if (this.#poisoned !== undefined) return this.#poisoned
    try {
      await this.#syncName?.()
      this.#syncName = undefined
    } catch (error) {
      if (error instanceof StorageError && error.code === 'SYNC_FAILED') {
        return this.poison('the folder could not be synced', error)
      }
      return this.#writeFailed('the folder could not be opened, and nothing was written', error)
    }
    this.#superblocks.generation += 1
    const failure = await this.#syncedSuperblock(0)
    this.#generationStarted = failure === undefined
    return failure
  }

  /** Writes a superblock and syncs it, with whatever else was not durable yet. Returns why it failed. */
  async #syncedSuperblock(flags: number): Promise<StorageError | undefined> {
    if (this.#poisoned !== undefined) return this.#poisoned
    if (this.#written.end !== this.#durable.end && !(await this.#sync())) return this.#poisoned
    this.#durable = this.#written
    const failure = await this.#writeSuperblock(flags)
    if (failure !== undefined) return failure
    if (!(await this.#sync())) return this.#poisoned
    this.#announcedEnd = this.#durable.end
    return undefined
  }

  async #writeSuperblock(flags: number): Promise<StorageError | undefined> {
    const failure = await this.#superblocks.write({
      flags,
      durable: this.#durable,
      commit: this.#commit,
      checkpoint: this.#checkpoints.newest,
      replay: this.#checkpoints.replay,
    })
    if (failure === undefined) this.#superblockDue = false
    return failure
  }

  async #sync(): Promise<boolean> {
    if (this.#poisoned !== undefined) return false
    try {
      await this.#file.sync()
      return true
    } catch (error) {
      this.#poison('a sync failed', error)
      return false
    }
  }

  #poison(what: string, cause: unknown): void {
    this.#poisoned ??= new StorageError(
      'POISONED',
      `${what}: writes are refused until the store is opened again`,
      { path: this.#path },
      cause,
    )
  }

  #writeFailed(message: string, cause: unknown, inDoubt = false): StorageError {
    const details = { path: this.#path, ...(inDoubt && { inDoubt }) }
    return new StorageError('WRITE_FAILED', message, details, cause)
  }

  /**
   * Chunks have nothing to replay, but an open walks over them like over all else since the last checkpoint:
   * they bring checkpoints about as well, and the superblocks that make those count.
   */
  async #stream(): Promise<void> {
    await this.#writeChunks()
    if (this.#poisoned !== undefined) return
    if (this.#checkpoints.isDue) await this.#commitGroup()
    if (this.#superblockDue && this.#poisoned === undefined) await this.#syncedSuperblock(0)
  }

  /** Writes the streamed chunks at the head of the queue as one group, without a sync of its own. */
  async #writeChunks(): Promise<void> {
    const builder = this.#builder
    builder.begin(this.#written.end, false)
    this.#transactions.begin()
    const taken: { entry: QueueEntry; result: unknown }[] = []
    while (this.queue.peek()?.kind === 'chunk' && builder.length < GROUP_TARGET_BYTES) {
      this.#take(taken)
    }
    if (builder.isEmpty) {
      for (const { entry, result } of taken) entry.resolve(result)
      return
    }
    const next = await this.#write(GROUP_CHUNK, this.#commit, this.#checkpoints.newest, taken)
    if (next === undefined) return
    this.#written = next
    this.#checkpoints.logged(builder.length)
    if (next.end - this.#durable.end > UNSYNCED_LIMIT_BYTES) {
      if (!(await this.#sync())) {
        for (const { entry } of taken) entry.reject(this.#poisoned)
        return
      }
      this.#durable = next
    }
    for (const { entry, result } of taken) entry.resolve(result)
  }

  /** Takes the first entry into the group; one that throws is answered at once and leaves no trace. */
  #take(taken: { entry: QueueEntry; result: unknown }[]): void {
    const entry = this.queue.take()
    try {
      taken.push({ entry, result: this.#transactions.run((tx) => entry.build(tx, this.#builder)) })
    } catch (error) {
      entry.reject(error)
    }
  }

  async #commitGroup(): Promise<void> {
    const builder = this.#builder
    builder.begin(this.#written.end)
    this.#transactions.begin()
    const definitions = this.#definitionsDue
    for (const tree of definitions) appendDefinition(builder, tree)
    const taken: { entry: QueueEntry; result: unknown }[] = []
    const startMs = this.#clock.now()
    while (belongsToCommit(this.queue.peek()?.kind)) {
      this.#take(taken)
      if (builder.length >= GROUP_TARGET_BYTES) break
      if (Math.abs(this.#clock.now() - startMs) >= GROUP_TARGET_MS) break
    }
    const recordBytes = builder.isEmpty ? 0 : builder.length
    const checkpoint = this.#appendCheckpoint(recordBytes, taken)
    if (checkpoint === undefined) return
    if (builder.isEmpty) {
      for (const { entry, result } of taken) entry.resolve(result)
      return
    }
    // A superblock that cannot be written stays due: the commit does not need it.
    const announced = this.#superblockDue && (await this.#writeSuperblock(0)) === undefined
    const announcedEnd = announced ? this.#durable.end : this.#announcedEnd
    const next = await this.#write(GROUP_COMMIT, this.#commit + 1, checkpoint, taken)
    if (next === undefined) {
      this.#checkpoints.revert()
      return
    }
    if (!(await this.#sync())) {
      this.#fail(taken, this.#poisoned!)
      return
    }
    if (!this.#isNamed()) {
      this.#poison('the file was removed or replaced while it was open', undefined)
      this.#fail(taken, this.#poisoned!)
      return
    }
    this.#announcedEnd = announcedEnd
    this.#written = next
    this.#durable = next
    this.#commit += 1
    this.#definitionsDue = []
    this.#checkpoints.logged(recordBytes)
    this.recordBytesWritten += recordBytes
    this.nodeBytesWritten += builder.length - recordBytes
    if (this.#checkpoints.confirm(next)) this.#superblockDue = true
    if (!this.#apply()) {
      this.#fail(taken, this.#poisoned!)
      return
    }
    for (const { entry, result } of taken) entry.resolve(result)
  }

  /**
   * The reference for the group to carry. A checkpoint that cannot go on (a value that its reducer needs is
   * damaged) is left out of the group and does not hold up commits while there is memory for what it would have
   * written; after that undefined, and the entries have been answered.
   */
  #appendCheckpoint(
    recordBytes: number,
    taken: { entry: QueueEntry; result: unknown }[],
  ): CheckpointPointer | undefined {
    const mark = this.#builder.mark()
    try {
      return this.#checkpoints.append(this.#builder, recordBytes, this.#commit, this.#written)
    } catch (error) {
      this.#checkpoints.revert()
      this.#builder.rollback(mark)
      const isFull = this.#ledger.totalBytes > 2 * this.#dirtyLimitBytes
      const refused = taken.filter(({ entry }) => isFull || entry.kind === 'flush')
      for (const { entry } of refused) entry.reject(error)
      if (isFull) return undefined
      for (const one of refused) taken.splice(taken.indexOf(one), 1)
      return this.#checkpoints.newest
    }
  }

  #fail(taken: { entry: QueueEntry }[], error: StorageError): void {
    for (const { entry } of taken) entry.reject(error)
  }

  /** Seals and writes the group. On failure it is cut off again and its entries are answered. */
  async #write(
    type: number,
    commit: number,
    checkpoint: CheckpointPointer,
    taken: { entry: QueueEntry }[],
  ): Promise<ChainPoint | undefined> {
    const sealed = this.#seal(type, commit, checkpoint, taken)
    if (sealed === undefined) return undefined
    try {
      await this.#file.write(sealed.bytes, this.#builder.base)
      return {
        end: this.#builder.base + sealed.bytes.length,
        lastHash: sealed.hash,
        lastPosition: sealed.position,
      }
    } catch (error) {
      const isGone = await this.#cutBack()
      const failure = isGone
        ? this.#writeFailed('the write failed and nothing of it was kept', error)
        : this.#writeFailed(
            'the write failed, and until another succeeds a crash may bring it back',
            error,
            true,
          )
      this.#fail(taken, this.#poisoned ?? failure)
      return undefined
    }
  }

  /** A group that breaks a rule of the format goes no further than this. */
  #seal(
    type: number,
    commit: number,
    checkpoint: CheckpointPointer,
    taken: { entry: QueueEntry }[],
  ): SealedGroup | undefined {
    try {
      return this.#builder.seal({
        type,
        commit,
        salt: this.#salt,
        generation: this.#superblocks.generation,
        durableEnd: this.#durable.end,
        previousHash: this.#written.lastHash,
        previousPosition: this.#written.lastPosition,
        timestampMs: this.#clock.now(),
        checkpoint,
        checkpointBefore: this.#checkpoints.newest,
      })
    } catch (error) {
      for (const { entry } of taken) entry.reject(error)
      return undefined
    }
  }

  /**
   * Sees to it that nothing of a group whose write failed can come back. False when neither a truncation nor the
   * superblock of a new generation did it: a crash may then bring it back until such a superblock is durable, and no group
   * is written before that.
   */
  async #cutBack(): Promise<boolean> {
    if (this.#reachesNoFurther()) return true
    // The blocks that are cut off may show their bytes again when the file grows over them: a whole group
    // among them must not pass for the one that is written there next.
    this.#generationStarted = false
    if (!(await this.#endsWithItsGroups())) return (await this.#startGeneration()) === undefined
    if (!(await this.#sync())) return false
    this.#durable = this.#written
    return true
  }

  /** Cuts off what a failed write has left; the next sync makes that durable. False when it is still there. */
  async #endsWithItsGroups(): Promise<boolean> {
    if (this.#reachesNoFurther()) return true
    try {
      await this.#file.truncate(this.#written.end)
      return true
    } catch {
      return false
    }
  }

  #reachesNoFurther(): boolean {
    try {
      return this.#file.size() <= this.#written.end
    } catch {
      return false
    }
  }

  /** Brings the trees up to the group that is durable now. */
  #apply(): boolean {
    const builder = this.#builder
    const { trees, offsets, leaves, bytes } = builder
    try {
      for (let i = 0; i < trees.length; i++) {
        const offset = offsets[i]!
        if (offset >= 0) trees[i]!.put(bytes, offset, leaves[i])
        else trees[i]!.delete(builder.keyOf(i), leaves[i])
      }
      for (const tree of new Set(trees)) tree.finishGroup()
      return true
    } catch (error) {
      // The file is right and the memory is not: nothing may be read or written until it is opened again.
      this.#poison('a durable commit could not be applied in memory', error)
      this.broken = this.#poisoned
      return false
    }
  }

  /** Set when memory no longer shows what the file holds: reads are refused as well. */
  broken: StorageError | undefined

  /** Gives back what this store had counted in the shared budget. */
  release(): void {
    this.#ledger.clear()
    this.queue.rejectAll(this.#closed ?? this.#poisoned)
  }
}

function belongsToCommit(kind: QueueEntry['kind'] | undefined): boolean {
  return kind === 'transaction' || kind === 'flush'
}

function appendDefinition(builder: GroupBuilder, tree: Tree): void {
  const out = new ByteWriter()
  writeDefinition(out, tree.definition)
  builder.appendBlock(RECORD_TREE, out.view())
}
