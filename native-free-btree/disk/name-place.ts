/**
 * Whether a name leads to the very file that is open, which is asked behind every commit. Where the file system keeps fine
 * timestamps (Linux 6.13 and later: "multigrain"), a file that somebody looks at gets a new time with its next write, so the
 * next `fdatasync` writes the inode too: a third trip to the disk, after the bytes and the flush of its cache. So the
 * folder is looked at instead, whose inode no commit syncs: whatever takes a name away from a file or gives it to another
 * changes the folder's own times (POSIX: unlink, rename, link). What must hold:
 * - The folder vouches for the name only while its times are those from before the file was found there.
 * - Nor does it when these were young then: a change within the same tick of the clock would leave them as they are.
 * - Some file systems keep no such times, so the file itself is looked at once in a while.
 */
import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { monotonicMs, systemClock } from './system.ts'

/** FAT has ticks of two seconds; others have less. */
const YOUNG_MS = 2500
/** For so long the folder's word is taken. */
const VOUCHED_MS = 1000
/** Windows notes the times of folders when it likes. */
const FOLDERS_VOUCH = process.platform !== 'win32'

const OPTIONS = { bigint: true, throwIfNoEntry: false } as const

export class NamePlace {
  readonly #path: string
  readonly #folder: string
  readonly #file: fs.BigIntStats
  readonly #nowMs: () => number
  /** As it was before the file was last found; undefined: it does not vouch. */
  #vouching: fs.BigIntStats | undefined
  #foundMs = 0

  /** `file`: of the open descriptor; `nowMs`: the time of day, as the file system has it. */
  constructor(path: string, file: fs.BigIntStats, nowMs: () => number = systemClock.now) {
    this.#path = path
    this.#folder = dirname(path)
    this.#file = file
    this.#nowMs = nowMs
  }

  get path(): string {
    return this.#path
  }

  /** Whether the name leads to the file now. Throws what the file system throws when it cannot be told. */
  leadsThere(): boolean {
    const folder = FOLDERS_VOUCH ? fs.statSync(this.#folder, OPTIONS) : undefined
    if (folder !== undefined && this.#vouching !== undefined && monotonicMs() - this.#foundMs < VOUCHED_MS) {
      if (isSame(folder, this.#vouching)) return true
    }
    this.#vouching = undefined
    // What a symbolic link leads to lies in a folder that nobody looks at: then this is never the file.
    const named = fs.lstatSync(this.#path, OPTIONS)
    if (named !== undefined && this.#isFile(named)) {
      if (folder !== undefined && this.#isSettled(folder)) {
        this.#vouching = folder
        this.#foundMs = monotonicMs()
      }
      return true
    }
    if (named?.isSymbolicLink() !== true) return false
    const found = fs.statSync(this.#path, OPTIONS)
    return found !== undefined && this.#isFile(found)
  }

  /** Times that lie ahead are not. */
  #isSettled({ mtimeMs, ctimeMs }: fs.BigIntStats): boolean {
    const before = BigInt(this.#nowMs() - YOUNG_MS)
    return mtimeMs < before && ctimeMs < before
  }

  #isFile({ ino, dev }: fs.BigIntStats): boolean {
    return ino === this.#file.ino && dev === this.#file.dev
  }
}

function isSame(one: fs.BigIntStats, other: fs.BigIntStats): boolean {
  return (
    one.mtimeNs === other.mtimeNs &&
    one.ctimeNs === other.ctimeNs &&
    one.ino === other.ino &&
    one.dev === other.dev
  )
}
