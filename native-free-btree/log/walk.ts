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

/** A verified group. Its records are a view that lasts until the next group is read. */
export interface Group {
  header: GroupHeader
  payload: Buffer
}

/**
 * The window that synchronous walks read through, one for the whole thread: what it holds is of use until the walk ends
 * or gives way, and no longer, so that any number of files may be followed without memory of their own.
 */
let threadWindow: Buffer | undefined
const NOTHING = Buffer.alloc(0)

/** Reads verified groups one after another through a window. */
export class GroupReader {
  readonly #file: StorageFile
  readonly #salt: bigint
  #window: Buffer = NOTHING
  #windowStart = 0
  #windowLength = 0

  constructor(file: StorageFile, salt: bigint) {
    this.#file = file
    this.#salt = salt
  }

  /** The group at `position`; undefined if not whole. */
  async at(position: number): Promise<Group | undefined> {
    if (!(await this.#cover(position, GROUP_HEADER_BYTES))) return undefined
    const header = readGroupHeader(this.#window, position - this.#windowStart, position, this.#salt)
    if (header === undefined || !(await this.#cover(position, header.length))) return undefined
    return this.#whole(header)
  }

  /**
   * As `at`, of groups that end at `limit` or before. Not a byte behind `limit` is read: what is not durable yet may
   * change.
   */
  atSync(position: number, limit: number): Group | undefined {
    if (!this.#coverSync(position, GROUP_HEADER_BYTES, limit)) return undefined
    const header = readGroupHeader(this.#window, position - this.#windowStart, position, this.#salt)
    if (header === undefined || !this.#coverSync(position, header.length, limit)) return undefined
    return this.#whole(header)
  }

  /** To be called before the code gives way: others use the window of `atSync`. */
  dropWindow(): void {
    this.#window = NOTHING
    this.#windowLength = 0
  }

  #whole(header: GroupHeader): Group | undefined {
    const start = header.position - this.#windowStart
    const payload = this.#window.subarray(start + GROUP_HEADER_BYTES, start + header.length)
    return payloadMatches(header, payload) ? { header, payload } : undefined
  }

  #holds(position: number, length: number): boolean {
    return position >= this.#windowStart && position + length <= this.#windowStart + this.#windowLength
  }

  async #cover(position: number, length: number): Promise<boolean> {
    if (this.#holds(position, length)) return true
    const left = this.#file.size() - position
    if (length > left) return false
    if (length > this.#window.length) {
      this.#window = Buffer.allocUnsafeSlow(Math.min(left, length + WINDOW_BYTES))
    }
    this.#windowStart = position
    this.#windowLength = await this.#file.read(this.#window, position)
    return this.#windowLength >= length
  }

  #coverSync(position: number, length: number, limit: number): boolean {
    if (this.#holds(position, length)) return true
    if (position + length > limit) return false
    this.#windowLength = 0
    threadWindow ??= Buffer.allocUnsafeSlow(WINDOW_BYTES)
    this.#window = length > WINDOW_BYTES ? Buffer.allocUnsafeSlow(length) : threadWindow
    const left = limit - position
    const target = left < this.#window.length ? this.#window.subarray(0, left) : this.#window
    this.#windowLength = this.#file.readSync(target, position)
    this.#windowStart = position
    return this.#windowLength >= length
  }
}

/** What groups must be to follow each other. It stands behind a group that was taken, or at the beginning. */
export class GroupChain {
  /** Groups from `position` on are of this generation or a later one. */
  readonly #floor: { position: number; generation: number } | undefined
  #state: WalkState
  #beforeParts: WalkState
  #parts = 0
  #groups = 0

  constructor(start: WalkState, floor?: { position: number; generation: number }) {
    this.#state = start
    this.#beforeParts = start
    this.#floor = floor
  }

  /** Behind the last group. */
  get state(): WalkState {
    return this.#state
  }

  /** Behind the last group that is not a part without its commit. */
  get end(): WalkState {
    return this.#parts > 0 ? this.#beforeParts : this.#state
  }

  /** Part groups at the end whose commit group has not come. */
  get trailingParts(): number {
    return this.#parts
  }

  /** Those up to `end`. */
  get groups(): number {
    return this.#groups - this.#parts
  }

  /** Moves behind the group; false when it does not follow. Throws DAMAGED when parts are missing. */
  take(header: GroupHeader): boolean {
    const state = this.#state
    if (header.previousHash !== state.lastHash || header.generation < state.generation) return false
    const floor = this.#floor
    if (floor !== undefined && state.position >= floor.position && header.generation < floor.generation) {
      return false
    }
    if (header.type !== GROUP_COMMIT && header.type !== GROUP_PART && header.type !== GROUP_CHUNK)
      return false
    const complete = header.type === GROUP_COMMIT ? header.parts === this.#parts : this.#parts === 0
    if (header.type !== GROUP_PART && !complete) {
      throw new StorageError(
        'DAMAGED',
        `the group at ${header.position} needs ${header.parts} parts before it, not ${this.#parts}`,
        { position: header.position },
      )
    }
    if (header.type === GROUP_PART && this.#parts === 0) this.#beforeParts = state
    this.#state = {
      position: header.position + header.length,
      lastHash: header.hash,
      lastPosition: header.position,
      commit: header.type === GROUP_PART ? state.commit : header.commit,
      generation: header.generation,
      checkpoint: header.type === GROUP_COMMIT ? header.checkpoint : state.checkpoint,
    }
    this.#parts = header.type === GROUP_PART ? this.#parts + 1 : 0
    this.#groups += 1
    return true
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
  const chain = new GroupChain(start, options.floor)
  let durableEnd = options.durableEnd
  while (options.limit === undefined || chain.state.position < options.limit) {
    const group = await reader.at(chain.state.position)
    if (group === undefined || !chain.take(group.header)) break
    options.visit?.(group.header, group.payload, chain.state)
    durableEnd = Math.max(durableEnd, group.header.durableEnd)
    if (chain.trailingParts === 0) options.onBoundary?.(chain.state, durableEnd)
  }
  const { end, groups, trailingParts } = chain
  return { end, durableEnd, groups, trailingParts }
}
