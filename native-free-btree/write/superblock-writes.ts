/**
 * The writes of superblocks, slot after slot. Whoever calls sees to it that a superblock is written only with
 * facts that are durable, and that a sync returns between two of them.
 */

import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { SUPERBLOCK_POSITIONS } from '../format.ts'
import type { CheckpointPointer } from '../log/group.ts'
import { encodeSuperblock, type Features } from '../log/superblock.ts'
import type { ReplayStart } from './checkpoint.ts'
import type { ChainPoint } from './checkpoint-pacing.ts'

export interface SuperblockFacts {
  flags: number
  durable: ChainPoint
  commit: number
  checkpoint: CheckpointPointer
  replay: ReplayStart
}

export class Superblocks {
  readonly #file: StorageFile
  readonly #uuid: Buffer
  readonly #salt: bigint
  /** Of the file, as they were found. */
  readonly #features: Features
  #sequence: number
  #nextSlot: number
  /** Raised before the first group of a writer, and after a group was cut back. */
  generation: number
  /** The file is still as its last writer closed it. */
  untouched: boolean

  constructor(
    file: StorageFile,
    state: {
      uuid: Buffer
      salt: bigint
      generation: number
      sequence: number
      nextSlot: number
      clean: boolean
      features: Features
    },
  ) {
    this.#file = file
    this.#uuid = state.uuid
    this.#salt = state.salt
    this.#features = state.features
    this.#sequence = state.sequence
    this.#nextSlot = state.nextSlot
    this.generation = state.generation
    this.untouched = state.clean
  }

  /**
   * Issues the write; the next sync makes it count. Returns why it failed: whatever then lies in the slot is
   * true or no superblock, and the next attempt goes to the same slot, so that the other one stays.
   */
  async write(facts: SuperblockFacts): Promise<StorageError | undefined> {
    this.untouched = false
    this.#sequence += 1
    const slot = this.#nextSlot
    const bytes = encodeSuperblock({
      slot,
      uuid: this.#uuid,
      salt: this.#salt,
      generation: this.generation,
      flags: facts.flags,
      sequence: this.#sequence,
      durableEnd: facts.durable.end,
      lastGroupPosition: facts.durable.lastPosition,
      lastGroupHash: facts.durable.lastHash,
      commit: facts.commit,
      checkpoint: facts.checkpoint,
      replayPosition: facts.replay.position,
      replayPreviousHash: facts.replay.previousHash,
      features: this.#features,
    })
    try {
      await this.#file.write(bytes, SUPERBLOCK_POSITIONS[slot]!)
    } catch (error) {
      return new StorageError('WRITE_FAILED', 'a superblock could not be written', { slot }, error)
    }
    this.#nextSlot = 1 - slot
    return undefined
  }
}
