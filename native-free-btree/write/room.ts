/**
 * Room that is made ahead in the file: zeros behind its last group, which later groups are written over. The sync of bytes that
 * make a file longer waits for what the file system has to note of that, and for its journal; the sync of bytes that replace
 * others waits for these alone. What must hold:
 * - Behind the last group the file has zeros or nothing, and whatever a crash leaves there is cut off by the next opening.
 * - A commit never fails because room could not be made.
 * - Only who writes much in small groups has room: the sync of a large group is mostly for its own bytes, and files of stores
 *   that are new, idle or closed are no longer than their groups.
 */

/** Room ends with a block of the file system. */
const BLOCK_BYTES = 4096
/** Of the most that room may be: groups up to so much are small, and room is made once so much of them was written. */
const SMALL_SHARE = 1 / 3
const FIRST_SHARE = 1 / 4

export class Room {
  readonly #mostBytes: number
  /** Bytes of small groups since the store began, or was idle. */
  #writtenBytes = 0
  /** Behind the zeros; 0: there are none. */
  #end = 0
  #isGivenUp = false

  /** At most `mostBytes` are made at a time; with 0 none are. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Whether the file may have some. */
  get isThere(): boolean {
    return this.#end > 0 || this.#isGivenUp
  }

  /** How many zeros belong behind a group of so many bytes that was written and ends at `end`. */
  due(groupBytes: number, end: number): number {
    if (this.#isGivenUp || groupBytes > this.#mostBytes * SMALL_SHARE) return 0
    this.#writtenBytes += groupBytes
    if (end <= this.#end || this.#writtenBytes < this.#mostBytes * FIRST_SHARE) return 0
    const bytes = Math.min(this.#writtenBytes, this.#mostBytes)
    return Math.ceil((end + bytes) / BLOCK_BYTES) * BLOCK_BYTES - end
  }

  /** They were written, up to `end`. */
  made(end: number): void {
    this.#end = end
  }

  /** They could not be written, or not all of them: none are until `cut`. */
  giveUp(): void {
    this.#isGivenUp = true
  }

  /** The file ends with its groups again. */
  cut(): void {
    this.#writtenBytes = 0
    this.#end = 0
    this.#isGivenUp = false
  }
}
