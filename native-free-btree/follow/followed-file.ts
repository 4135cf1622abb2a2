/**
 * A file that somebody else writes, followed by its log. The memory for what the log did since the last checkpoint is
 * bounded by checkpoints: when the writer has completed one, a new stand is built of its trees and of the log behind its
 * commit, beside the present one and a little in each turn of the event loop, and takes its place where both stand at
 * the same group. Who is not even at the checkpoint's commit yet starts from there at once.
 */
import type { TreeOptions } from '../api.ts'
import type { CacheSpace } from '../cache/page-cache.ts'
import type { StorageFile } from '../disk/file-system.ts'
import { giveWay } from '../disk/system.ts'
import type { CheckpointPointer } from '../log/group.ts'
import type { ProgressFacts } from '../log/progress.ts'
import { requireGenesis } from '../log/recovery.ts'
import { readCheckpoint } from '../store/load.ts'
import { OpenFile } from '../store/open-file.ts'
import { FollowerSnapshot } from './snapshot.ts'
import { Stand, type StandStart, startOf } from './stand.ts'
import type { Turns } from './turns.ts'

export interface FollowedOptions {
  trees: Readonly<Record<string, TreeOptions>>
  turns: Turns
}

export class FollowedFile extends OpenFile {
  /** Of the file, as the writer counts them. */
  readonly number: number
  readonly #options: FollowedOptions
  /** Those in use: the present one, the next one, and those that snapshots still look at. */
  readonly #stands = new Set<Stand>()
  #stand: Stand
  /** Being built to take the place of the present one. */
  #next: Stand | undefined
  /** Position of a checkpoint that no stand could be built of. */
  #unusable = 0
  #commit = 0
  #isClosed = false

  private constructor(
    file: StorageFile,
    facts: ProgressFacts,
    start: StandStart,
    space: CacheSpace,
    options: FollowedOptions,
  ) {
    super(file, facts.salt, space)
    this.number = facts.file
    this.#options = options
    this.#stand = this.#makeStand(start)
  }

  /** Opens the file that `facts` speak of, as of its newest checkpoint. Throws DAMAGED. */
  static async open(
    file: StorageFile,
    facts: ProgressFacts,
    space: CacheSpace,
    options: FollowedOptions,
  ): Promise<FollowedFile> {
    const { checkpoint, salt } = facts
    let start: StandStart
    if (checkpoint.position === 0) {
      const genesis = await requireGenesis(file)
      start = { checkpoint, record: undefined, log: genesis.start }
    } else {
      start = startOf(checkpoint, readCheckpoint(file, salt, checkpoint))
    }
    return new FollowedFile(file, facts, start, space, options)
  }

  get stand(): Stand {
    return this.#stand
  }

  get position(): number {
    return this.#stand.position
  }

  /** Number of the last commit that was taken in: a file that a compaction made does not count as the store does. */
  get commit(): number {
    return Math.max(this.#commit, this.#stand.commit)
  }

  get dirtyBytes(): number {
    let bytes = 0
    for (const stand of this.#stands) bytes += stand.ledger.totalBytes
    return bytes
  }

  /** Behind the last durable group, by what the writer says. */
  endOf(facts: ProgressFacts): number {
    if (facts.file === this.number) return facts.durableEnd
    return facts.file === this.number + 1 ? facts.endBefore : this.position
  }

  /** Takes in the log up to what is durable, or until `isOver`. Returns whether that is done. Throws DAMAGED. */
  follow(facts: ProgressFacts, isOver?: () => boolean): boolean {
    const isNewest = facts.file === this.number
    if (isNewest) this.#consider(facts.checkpoint)
    const end = this.endOf(facts)
    this.#stand.read(end, isOver)
    if (this.position < end) return false
    if (isNewest) this.#commit = facts.commit
    return true
  }

  show(commit: number, onClose: (closed: FollowerSnapshot) => void): FollowerSnapshot {
    const stand = this.#stand
    return new FollowerSnapshot(commit, this, stand, (snapshot) => {
      this.#leave(stand)
      onClose(snapshot)
    })
  }

  protected forgetChanges(): void {
    this.#next = undefined
    for (const stand of this.#stands) stand.ledger.clear()
  }

  override async close(): Promise<void> {
    this.#isClosed = true
    try {
      await super.close()
    } finally {
      // Snapshots were closed before: nobody looks at any of them.
      for (const stand of this.#stands) stand.release()
      this.#stands.clear()
    }
  }

  #makeStand(start: StandStart): Stand {
    const stand = new Stand(this, start, this.#options.trees, this.space.cache)
    this.#stands.add(stand)
    return stand
  }

  /** Gives back the memory of a stand that nobody looks at any more. */
  #leave(stand: Stand): void {
    if (stand === this.#stand || stand === this.#next || stand.viewers.size > 0) return
    stand.release()
    this.#stands.delete(stand)
  }

  /** Begins to build on the newest checkpoint. One that cannot be used is left alone: the log says the same. */
  #consider(checkpoint: CheckpointPointer): void {
    const { position } = checkpoint
    if (position === this.#stand.checkpoint.position || position === this.#unusable) return
    if (this.#next !== undefined || this.isRetired) return
    let stand: Stand
    try {
      stand = this.#makeStand(startOf(checkpoint, readCheckpoint(this.file, this.salt, checkpoint)))
    } catch {
      this.#unusable = position
      return
    }
    if (stand.position > this.#stand.position) this.#replace(stand, true)
    else void this.#build(stand)
  }

  async #build(stand: Stand): Promise<void> {
    this.#next = stand
    try {
      do {
        await giveWay()
        if (this.#isClosed || this.#next !== stand) break
        stand.read(this.position, this.#options.turns.begin(stand))
      } while (stand.position < this.position)
      if (this.#next === stand && stand.position === this.position) this.#replace(stand, false)
    } catch {
      this.#unusable = stand.checkpoint.position
    } finally {
      if (this.#next === stand) this.#next = undefined
      this.#leave(stand)
    }
  }

  #replace(stand: Stand, isOther: boolean): void {
    const before = this.#stand
    stand.continueVersions(before, isOther)
    this.#stand = stand
    this.#leave(before)
  }
}
