/**
 * A walk over the groups of a file, forwards, each verified in full and chained to the one before. It stops
 * at the first that is not whole, or that does not follow; what that means is for recovery to say.
 */

import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { GROUP_CHUNK, GROUP_COMMIT, GROUP_HEADER_BYTES, GROUP_PART } from '../format.ts'
import { type CheckpointPointer, type GroupHeader, payloadMatches, readGroupHeader } from './group.ts'

const WINDOW_BYTES = 1024 * 1024

/** Where a walk stands: behind a whole group. */
export interface WalkState {
  /** Where the next group would begin. */
  position: number
  lastHash: bigint
  lastPosition: number
  commit: number
  generation: number
  checkpoint: CheckpointPointer
}

/** Reads verified groups one after another through a window. */
export class GroupReader {
  readonly #file: StorageFile
  readonly #salt: bigint
  #window: Buffer = Buffer.alloc(0)
  #windowStart = 0
  #windowLength = 0

  constructor(file: StorageFile, salt: bigint) {
    this.#file = file
    this.#salt = salt
  }

  /** The group at `position`, its records a view that lasts until the next call; undefined if not whole. */
  async at(position: number): Promise<{ header: GroupHeader; payload: Buffer } | undefined> {
    if (!(await this.#cover(position, GROUP_HEADER_BYTES))) return undefined
    const header = readGroupHeader(this.#window, position - this.#windowStart, position, this.#salt)
    if (header === undefined) return undefined
    if (!(await this.#cover(position, header.length))) return undefined
    const start = position - this.#windowStart
    const payload = this.#window.subarray(start + GROUP_HEADER_BYTES, start + header.length)
    return payloadMatches(header, payload) ? { header, payload } : undefined
  }

  async #cover(position: number, length: number): Promise<boolean> {
    const within = position >= this.#windowStart
    if (within && position + length <= this.#windowStart + this.#windowLength) return true
    const left = this.#file.size() - position
    if (length > left) return false
    if (length > this.#window.length) {
      this.#window = Buffer.allocUnsafeSlow(Math.min(left, length + WINDOW_BYTES))
    }
    this.#windowStart = position
    this.#windowLength = await this.#file.read(this.#window, position)
    return this.#windowLength >= length
  }
}

export interface WalkOutcome {
  /** Behind the last group that counts. */
  end: WalkState
  /** Highest `durableEnd` of the groups walked over, or what the walk was given. */
  durableEnd: number
  groups: number
  /** Part groups at the very end whose commit group is not there; `end` lies before them. */
  trailingParts: number
}

/**
 * Walks from `start` until the chain ends. `limit` stops it there (a reader's trust ends before the file).
 * `visit` sees every group; of a transaction in parts, the parts first.
 */
export async function walkGroups(
  file: StorageFile,
  salt: bigint,
  start: WalkState,
  options: {
    durableEnd: number
    limit?: number
    /** Groups from `position` on are of this generation or a later one. */
    floor?: { position: number; generation: number }
    visit?: (header: GroupHeader, payload: Buffer, state: WalkState) => void
    /** Called where no transaction is in parts; `durableEnd` is the highest known so far. */
    onBoundary?: (state: WalkState, durableEnd: number) => void
  },
): Promise<WalkOutcome> {
  const reader = new GroupReader(file, salt)
  let state = start
  let beforeParts = start
  let parts = 0
  let durableEnd = options.durableEnd
  let groups = 0
  while (options.limit === undefined || state.position < options.limit) {
    const group = await reader.at(state.position)
    if (group === undefined) break
    const { header, payload } = group
    if (header.previousHash !== state.lastHash || header.generation < state.generation) break
    const { floor } = options
    if (floor !== undefined && state.position >= floor.position && header.generation < floor.generation) break
    if (header.type !== GROUP_COMMIT && header.type !== GROUP_PART && header.type !== GROUP_CHUNK) break
    const complete = header.type === GROUP_COMMIT ? header.parts === parts : parts === 0
    if (header.type !== GROUP_PART && !complete) {
      throw new StorageError(
        'DAMAGED',
        `the group at ${header.position} needs ${header.parts} parts before it, not ${parts}`,
        { position: header.position },
      )
    }
    if (header.type === GROUP_PART && parts === 0) beforeParts = state
    const next: WalkState = {
      position: header.position + header.length,
      lastHash: header.hash,
      lastPosition: header.position,
      commit: header.type === GROUP_PART ? state.commit : header.commit,
      generation: header.generation,
      checkpoint: header.type === GROUP_COMMIT ? header.checkpoint : state.checkpoint,
    }
    options.visit?.(header, payload, next)
    parts = header.type === GROUP_PART ? parts + 1 : 0
    durableEnd = Math.max(durableEnd, header.durableEnd)
    groups += 1
    state = next
    if (parts === 0) options.onBoundary?.(state, durableEnd)
  }
  return { end: parts > 0 ? beforeParts : state, durableEnd, groups: groups - parts, trailingParts: parts }
}
