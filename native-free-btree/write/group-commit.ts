/**
 * Makes groups: takes what waits at the head of the queue into one, writes it, makes it durable, and applies it to the
 * trees. Invariants:
 * - A commit group is written only after the sync of the commit before it returned.
 * - Trees change only after the sync of the group that changes them returned, so whoever reads them, at any
 *   time, reads durable commits; what a failed sync leaves in doubt was never shown to anybody.
 * - A commit is published when it is durable, and before the trees here are changed nothing else runs in this thread: so who is
 *   told of it in between reads it, in another thread by the log and in this one by the trees.
 */
import type { Clock } from '../clock.ts'
import { ByteWriter } from '../disk/bytes.ts'
import type { StorageError } from '../errors.ts'
import { GROUP_CHUNK, GROUP_COMMIT, RECORD_TREE } from '../format.ts'
import { GroupBuilder, type SealedGroup } from '../log/builder.ts'
import type { CheckpointPointer } from '../log/group.ts'
import { writeDefinition } from '../tree/definition.ts'
import type { Tree } from '../tree/tree.ts'
import type { ValueReader } from '../values/values.ts'
import type { ChainPoint, Checkpoints } from './checkpoint-pacing.ts'
import type { Ledger } from './ledger.ts'
import type { QueueEntry, WriteQueue } from './queue.ts'
import { FILE_GONE, type Tail } from './tail.ts'
import { GroupTransactions } from './transaction.ts'

/** No more transactions are taken into a group that has reached this. */
const GROUP_TARGET_BYTES = 1024 * 1024
/** Nor into one whose transactions took so long to build: the event loop is held meanwhile. */
const GROUP_TARGET_MS = 10
/** Chunk groups are synced on their own when this much of them is not durable. */
const UNSYNCED_LIMIT_BYTES = 32 * 1024 * 1024

/** Records of a commit, of the bytes of nodes that are written ahead, from which on some are. */
const LARGE_SHARE = 0.25

/** An entry whose records are in the group, with what its `build` returned. */
interface Taken {
  entry: QueueEntry
  result: unknown
}

export class GroupCommit {
  readonly #tail: Tail
  readonly #queue: WriteQueue
  readonly #checkpoints: Checkpoints
  readonly #clock: Clock
  readonly #ledger: Ledger
  readonly #salt: bigint
  readonly #dirtyLimitBytes: number
  readonly #aheadBytes: number
  readonly #builder: GroupBuilder
  readonly #transactions: GroupTransactions
  readonly #onDurable: () => void
  #definitionsDue: Tree[] = []
  /** Of the last commit that somebody waited for. */
  #lastRecordBytes = 0
  recordBytesWritten = 0
  nodeBytesWritten = 0
  /** Set when memory no longer shows what the file holds: reads are refused as well. */
  broken: StorageError | undefined

  constructor(parts: {
    tail: Tail
    queue: WriteQueue
    checkpoints: Checkpoints
    clock: Clock
    ledger: Ledger
    values: ValueReader
    trees: ReadonlyMap<string, Tree>
    limits: { dirtyBytes: number; partBytes: number; aheadBytes: number }
    state: { salt: bigint }
    /** Told of each commit that is durable, and of each checkpoint, before anybody else is. */
    onDurable: () => void
  }) {
    this.#tail = parts.tail
    this.#queue = parts.queue
    this.#checkpoints = parts.checkpoints
    this.#clock = parts.clock
    this.#ledger = parts.ledger
    this.#salt = parts.state.salt
    this.#dirtyLimitBytes = parts.limits.dirtyBytes
    this.#aheadBytes = parts.limits.aheadBytes
    this.#builder = new GroupBuilder(this.#salt, parts.limits.partBytes)
    this.#onDurable = parts.onDurable
    this.#transactions = new GroupTransactions(this.#builder, parts.trees, parts.values)
  }

  /** A tree that the file does not know yet: its definition goes out with the next commit group. */
  define(tree: Tree): void {
    this.#definitionsDue.push(tree)
  }

  /**
   * Writes the chunks that wait. An open replays nothing of them, but reads their groups like all others behind the last
   * checkpoint. So they count towards the next checkpoint, and where no commit follows that would carry one, a group
   * without transactions does, and a superblock names it.
   */
  async stream(): Promise<void> {
    const tail = this.#tail
    await this.#writeChunks()
    if (tail.poisoned !== undefined) return
    if (this.#checkpoints.isDue) await this.commit()
    if (tail.superblockDue && tail.poisoned === undefined) await tail.syncedSuperblock(0)
  }

  /** Writes the streamed chunks at the head of the queue as one group, without a sync of its own. */
  async #writeChunks(): Promise<void> {
    const tail = this.#tail
    const builder = this.#builder
    builder.begin(tail.written.end, false)
    this.#transactions.begin()
    const taken: Taken[] = []
    while (this.#queue.peek()?.kind === 'chunk' && builder.length < GROUP_TARGET_BYTES) {
      this.#take(taken)
    }
    if (builder.isEmpty) {
      for (const { entry, result } of taken) entry.resolve(result)
      return
    }
    const next = await this.#write(GROUP_CHUNK, tail.commit, this.#checkpoints.newest, taken)
    if (next === undefined) return
    tail.wrote(next)
    this.#checkpoints.logged(builder.length)
    if (next.end - tail.durable.end > UNSYNCED_LIMIT_BYTES && !(await tail.syncWritten())) {
      reject(taken, tail.poisoned!)
      return
    }
    for (const { entry, result } of taken) entry.resolve(result)
  }

  /** Takes the first entry into the group; one that throws is answered at once and leaves no trace. */
  #take(taken: Taken[]): void {
    const entry = this.#queue.take()
    try {
      taken.push({ entry, result: this.#transactions.run((tx) => entry.build(tx, this.#builder)) })
    } catch (error) {
      entry.reject(error)
    }
  }

  /** A checkpoint runs, and others as large as the last commit may come, which would have to write some of it. */
  get isAheadDue(): boolean {
    const bytes = this.#aheadBytes
    return bytes > 0 && this.#lastRecordBytes >= bytes * LARGE_SHARE && this.#checkpoints.isRunning
  }

  /** Writes a share of the running checkpoint as a group of its own, for which nobody waits. What fails is left to the commits. */
  goAhead(): Promise<void> {
    this.#checkpoints.goAhead(this.#aheadBytes)
    return this.commit()
  }

  /** Commits the transactions that wait, up to the target of a group, with a share of the running checkpoint. */
  async commit(): Promise<void> {
    const tail = this.#tail
    const builder = this.#builder
    builder.begin(tail.written.end)
    this.#transactions.begin()
    const definitions = this.#definitionsDue
    for (const tree of definitions) appendDefinition(builder, tree)
    const taken: Taken[] = []
    const startMs = this.#clock.now()
    while (belongsToCommit(this.#queue.peek()?.kind)) {
      this.#take(taken)
      if (builder.length >= GROUP_TARGET_BYTES) break
      if (Math.abs(this.#clock.now() - startMs) >= GROUP_TARGET_MS) break
    }
    const recordBytes = builder.isEmpty ? 0 : builder.length
    if (taken.length > 0) this.#lastRecordBytes = recordBytes
    const checkpoint = this.#appendCheckpoint(recordBytes, taken)
    if (checkpoint === undefined) return
    if (builder.isEmpty) {
      for (const { entry, result } of taken) entry.resolve(result)
      return
    }
    // A superblock that cannot be written stays due: the commit does not need it.
    const announced = tail.superblockDue && (await tail.writeSuperblock(0)) === undefined
    const next = await this.#write(GROUP_COMMIT, tail.commit + 1, checkpoint, taken)
    if (next === undefined) {
      this.#checkpoints.revert()
      return
    }
    if (!(await tail.sync())) {
      reject(taken, tail.poisoned!)
      return
    }
    if (!tail.isNamed) {
      reject(taken, tail.poison(FILE_GONE, undefined))
      return
    }
    tail.committed(next, announced)
    this.#definitionsDue = []
    this.#checkpoints.logged(recordBytes)
    this.recordBytesWritten += recordBytes
    this.nodeBytesWritten += builder.length - recordBytes
    this.#onDurable()
    // From here to the end of `#apply` nothing is awaited: whoever is told of the commit now can read it in other threads alone.
    for (const { entry, result } of taken) entry.onDurable?.(result)
    const isCheckpoint = this.#checkpoints.confirm(next)
    if (isCheckpoint) tail.superblockDue = true
    if (!this.#apply()) {
      reject(taken, tail.poisoned!)
      return
    }
    if (isCheckpoint) this.#onDurable()
    for (const { entry, result } of taken) entry.resolve(result)
  }

  /**
   * The reference for the group to carry. A checkpoint that cannot go on (a value that its reducer needs is
   * damaged) is left out of the group and does not hold up commits while there is memory for what it would have
   * written; after that undefined, and the entries have been answered.
   */
  #appendCheckpoint(recordBytes: number, taken: Taken[]): CheckpointPointer | undefined {
    const mark = this.#builder.mark()
    try {
      return this.#checkpoints.append(this.#builder, recordBytes, this.#tail.commit, this.#tail.written)
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

  /** Seals and writes the group. On failure it is cut off again and its entries are answered. */
  async #write(
    type: number,
    commit: number,
    checkpoint: CheckpointPointer,
    taken: Taken[],
  ): Promise<ChainPoint | undefined> {
    const sealed = this.#seal(type, commit, checkpoint, taken)
    if (sealed === undefined) return undefined
    const failure = await this.#tail.append(sealed, this.#builder.base)
    if (failure !== undefined) {
      reject(taken, failure)
      return undefined
    }
    return {
      end: this.#builder.base + sealed.bytes.length,
      lastHash: sealed.hash,
      lastPosition: sealed.position,
    }
  }

  /** A group that breaks a rule of the format goes no further than this. */
  #seal(
    type: number,
    commit: number,
    checkpoint: CheckpointPointer,
    taken: Taken[],
  ): SealedGroup | undefined {
    try {
      return this.#builder.seal({
        type,
        commit,
        salt: this.#salt,
        generation: this.#tail.superblocks.generation,
        durableEnd: this.#tail.durable.end,
        previousHash: this.#tail.written.lastHash,
        previousPosition: this.#tail.written.lastPosition,
        timestampMs: this.#clock.now(),
        checkpoint,
        checkpointBefore: this.#checkpoints.newest,
      })
    } catch (error) {
      reject(taken, error)
      return undefined
    }
  }

  /** Brings the trees up to the group that is durable now. */
  #apply(): boolean {
    const builder = this.#builder
    const { operations, trees, offsets, leaves, keyStarts, keyEnds, bytes } = builder
    try {
      const changed = new Set<Tree>()
      let last: Tree | undefined
      for (let i = 0; i < operations; i++) {
        const offset = offsets[i]!
        const tree = trees[i]!
        if (offset >= 0) tree.put(bytes, offset, leaves[i])
        else tree.delete(bytes, keyStarts[i]!, keyEnds[i]!, leaves[i])
        if (tree !== last) changed.add(tree)
        last = tree
      }
      for (const tree of changed) tree.finishGroup()
      return true
    } catch (error) {
      // The file is right and the memory is not: nothing may be read or written until it is opened again.
      this.broken = this.#tail.poison('a durable commit could not be applied in memory', error)
      return false
    }
  }
}

function reject(taken: readonly Taken[], error: unknown): void {
  for (const { entry } of taken) entry.reject(error)
}

function belongsToCommit(kind: QueueEntry['kind'] | undefined): boolean {
  return kind === 'transaction' || kind === 'flush'
}

function appendDefinition(builder: GroupBuilder, tree: Tree): void {
  const out = new ByteWriter()
  writeDefinition(out, tree.definition)
  builder.appendBlock(RECORD_TREE, out.view())
}
