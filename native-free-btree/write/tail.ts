/**
 * The end of the file that groups are appended to: what of it is written, what is durable, and the superblocks that say
 * so. Invariants:
 * - Only what a sync has covered counts as durable.
 * - A superblock names only what was durable before its own write was issued, and is synced before the next one is
 *   written (to the other slot).
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
import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { SUPERBLOCK_CLEAN } from '../format.ts'
import type { SealedGroup } from '../log/builder.ts'
import type { Features } from '../log/superblock.ts'
import type { ChainPoint, Checkpoints } from './checkpoint-pacing.ts'
import { Room } from './room.ts'
import { Superblocks } from './superblock-writes.ts'

/** Room is made of so many zeros at a time: by default all of it, which costs half of what six writes do. Nobody writes here, so they take no memory. */
const ZEROS = Buffer.alloc(196 * 1024)

/** The file's end as opening has found it. */
export interface TailState extends ChainPoint {
  uuid: Buffer
  salt: bigint
  commit: number
  generation: number
  sequence: number
  nextSlot: number
  clean: boolean
  features: Features
}

/** Why a file is poisoned that is not at its path any more. */
export const FILE_GONE = 'the file was removed or replaced while it was open'

export class Tail {
  readonly superblocks: Superblocks
  readonly #file: StorageFile
  readonly #path: string
  readonly #checkpoints: Checkpoints
  readonly #onDurable: () => void
  readonly #room: Room
  #syncName: (() => Promise<void>) | undefined
  #durable: ChainPoint
  /** Behind the last group written; ahead of `#durable` by chunk groups only. */
  #written: ChainPoint
  #commit: number
  #generationStarted = false
  /** What the newest synced superblock says of them. */
  #announcedEnd: number
  #poisoned: StorageError | undefined
  /** A checkpoint was completed that no superblock names yet. */
  superblockDue = false
  filledBytesWritten = 0

  constructor(parts: {
    file: StorageFile
    /** Of the store, absolute: the file may have been opened by another. */
    path: string
    checkpoints: Checkpoints
    state: TailState
    /** Told when more is durable, but of commits, of which `committed` is told itself. */
    onDurable: () => void
    /**
     * Makes the file's name durable, before the first group: a compaction whose process was killed between the
     * rename and the folder's sync leaves a name that a power loss would take back, with all written since.
     */
    syncName: (() => Promise<void>) | undefined
    limits: { roomBytes: number }
  }) {
    const { state } = parts
    this.#room = new Room(parts.limits.roomBytes)
    this.#file = parts.file
    this.#path = parts.path
    this.#checkpoints = parts.checkpoints
    this.#syncName = parts.syncName
    this.#onDurable = parts.onDurable
    this.superblocks = new Superblocks(parts.file, state)
    this.#durable = { end: state.end, lastHash: state.lastHash, lastPosition: state.lastPosition }
    this.#written = this.#durable
    this.#commit = state.commit
    this.#announcedEnd = state.clean ? state.end : 0
  }

  get durable(): ChainPoint {
    return this.#durable
  }

  get written(): ChainPoint {
    return this.#written
  }

  /** Number of the last durable commit. */
  get commit(): number {
    return this.#commit
  }

  /** Whether a durable superblock names the end of what is durable. */
  get isAnnounced(): boolean {
    return this.#announcedEnd === this.#durable.end
  }

  /** Whether groups may be written: `startGeneration` has succeeded, and no group was cut back since. */
  get generationStarted(): boolean {
    return this.#generationStarted
  }

  /** Why nothing is written any more. */
  get poisoned(): StorageError | undefined {
    return this.#poisoned
  }

  /** Ends all writes to the file, and returns why. What poisoned it first stays the reason. */
  poison(what: string, cause: unknown): StorageError {
    this.#poisoned ??= new StorageError(
      'POISONED',
      `${what}: writes are refused until the store is opened again`,
      { path: this.#path },
      cause,
    )
    return this.#poisoned
  }

  /**
   * Whether the file is still at its path. What cannot be told (the folder cannot be looked at) is no reason to refuse:
   * the file itself can be written.
   */
  get isNamed(): boolean {
    try {
      return this.#file.isAt(this.#path)
    } catch {
      return true
    }
  }

  /** A chunk group was written; a later sync covers it. */
  wrote(next: ChainPoint): void {
    this.#written = next
  }

  /**
   * A commit group was written and a sync has covered it; `announced`: and a superblock that was written before it, which
   * names the end before it.
   */
  committed(next: ChainPoint, announced: boolean): void {
    if (announced) this.#announcedEnd = this.#durable.end
    this.#written = next
    this.#durable = next
    this.#commit += 1
  }

  /** Appends the group at `position`. On failure it is cut off again, and the reason is returned. */
  async append({ bytes }: SealedGroup, position: number): Promise<StorageError | undefined> {
    try {
      await this.#file.write(bytes, position)
      await this.#makeRoom(bytes.length, position + bytes.length)
      return undefined
    } catch (error) {
      const isGone = await this.#cutBack()
      const failure = isGone
        ? this.#writeFailed('the write failed and nothing of it was kept', error)
        : this.#writeFailed(
            'the write failed, and until another succeeds a crash may bring it back',
            error,
            true,
          )
      return this.#poisoned ?? failure
    }
  }

  /** Writes zeros behind a group that ends at `end`, where they are due. Whether that fails, or how far it comes, is of no account. */
  async #makeRoom(groupBytes: number, end: number): Promise<void> {
    const room = this.#room.due(groupBytes, end)
    if (room === 0) return
    try {
      for (let at = 0; at < room; at += ZEROS.length) {
        await this.#file.write(ZEROS.subarray(0, room - at), end + at)
      }
      this.#room.made(end + room)
      this.filledBytesWritten += room
    } catch {
      this.#room.giveUp()
    }
  }

  /** Whether there may be zeros behind the last group. */
  get hasRoom(): boolean {
    return this.#room.isThere
  }

  /** Cuts off the room; the next sync makes that durable. The disk may refuse: then it stays. */
  async cutRoom(): Promise<void> {
    if (this.hasRoom) await this.#endsWithItsGroups()
  }

  /** Syncs the file; a failure poisons. */
  async sync(): Promise<boolean> {
    if (this.#poisoned !== undefined) return false
    try {
      await this.#file.sync()
      return true
    } catch (error) {
      this.poison('a sync failed', error)
      return false
    }
  }

  /** Makes durable whatever is written; false when it could not. */
  async syncWritten(): Promise<boolean> {
    if (this.#written.end !== this.#durable.end && !(await this.sync())) return false
    this.#writtenIsDurable()
    return true
  }

  /** No group may be written before this is done. Returns why it failed. */
  async startGeneration(): Promise<StorageError | undefined> {
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
    this.superblocks.generation += 1
    const failure = await this.syncedSuperblock(0)
    this.#generationStarted = failure === undefined
    return failure
  }

  /** Writes a superblock and syncs it, with whatever else was not durable yet. Returns why it failed. */
  async syncedSuperblock(flags: number): Promise<StorageError | undefined> {
    if (this.#poisoned !== undefined) return this.#poisoned
    if (!(await this.syncWritten())) return this.#poisoned
    const failure = await this.writeSuperblock(flags)
    if (failure !== undefined) return failure
    if (!(await this.sync())) return this.#poisoned
    this.#announcedEnd = this.#durable.end
    return undefined
  }

  /** Writes a superblock, which counts from the next sync on. Returns why it failed: then it stays due. */
  async writeSuperblock(flags: number): Promise<StorageError | undefined> {
    const failure = await this.superblocks.write({
      flags,
      durable: this.#durable,
      commit: this.#commit,
      checkpoint: this.#checkpoints.newest,
      replay: this.#checkpoints.replay,
    })
    if (failure === undefined) this.superblockDue = false
    return failure
  }

  /** Marks the end as that of a good close, so that the next open has nothing to look for. */
  async close(): Promise<void> {
    await this.startGeneration()
    const flags = (await this.#endsWithItsGroups()) ? SUPERBLOCK_CLEAN : 0
    // Both slots: with either of them alone lost, the other still vouches for every group.
    await this.syncedSuperblock(flags)
    await this.syncedSuperblock(flags)
    if (this.#poisoned !== undefined) throw this.#poisoned
  }

  #writeFailed(message: string, cause: unknown, inDoubt = false): StorageError {
    const details = { path: this.#path, ...(inDoubt && { inDoubt }) }
    return new StorageError('WRITE_FAILED', message, details, cause)
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
    if (!(await this.#endsWithItsGroups())) return (await this.startGeneration()) === undefined
    if (!(await this.sync())) return false
    this.#writtenIsDurable()
    return true
  }

  #writtenIsDurable(): void {
    if (this.#durable === this.#written) return
    this.#durable = this.#written
    this.#onDurable()
  }

  /** Cuts off what a failed write has left; the next sync makes that durable. False when it is still there. */
  async #endsWithItsGroups(): Promise<boolean> {
    if (this.#reachesNoFurther()) return true
    try {
      await this.#file.truncate(this.#written.end)
      this.#room.cut()
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
}
