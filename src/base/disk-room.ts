/**
 * Whether the disk has room for more. It is asked on every write, so the answer is kept for a second: what is written
 * meanwhile has to fit in the reserve.
 */
import { statfsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Clock } from './clock.ts'

const KEPT_MS = 1000

export interface DiskRoomOptions {
  /** A folder on the disk. */
  folder: string
  /** Writes are refused when less than this is free. 0: never. */
  reserveBytes: number
  clock: Pick<Clock, 'monotonic'>
  /** Free bytes; the disk's own answer unless a test gives another. */
  freeBytes?: (() => number) | undefined
}

export class DiskRoom {
  readonly #options: DiskRoomOptions
  #askedMs = Number.NEGATIVE_INFINITY
  #free = Number.POSITIVE_INFINITY

  constructor(options: DiskRoomOptions) {
    this.#options = options
  }

  /** Why nothing more may be written; undefined while there is room, or nobody knows. */
  refusal(): string | undefined {
    const { clock, reserveBytes } = this.#options
    if (reserveBytes === 0) return undefined
    const nowMs = clock.monotonic()
    if (nowMs - this.#askedMs >= KEPT_MS) {
      this.#askedMs = nowMs
      this.#free = this.#ask()
    }
    if (this.#free >= reserveBytes) return undefined
    return (
      `The disk has ${this.#free} bytes left, and ${reserveBytes} are kept back: only deletions and compactions ` +
      'are taken until there is more.'
    )
  }

  #ask(): number {
    const { folder, freeBytes } = this.#options
    if (freeBytes !== undefined) return freeBytes()
    try {
      const { bavail, bsize } = statfsSync(folder)
      return bavail * bsize
    } catch {
      // A disk that does not tell is written to until it says no.
      return Number.POSITIVE_INFINITY
    }
  }
}

/** Bytes that the disk of a folder has free for this process. Rejects where the system does not tell. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
