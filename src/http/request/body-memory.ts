/**
 * The memory that request bodies take, all together. What holds:
 * - Of each body the first `FREE_BYTES` count for nothing, so that short requests never wait; connections are bounded.
 * - No user (or address, where there is none) has more than a share, so that nobody can take the room of all others.
 * - Who finds no room waits, in order, until there is some, the client goes, or `waitMs` are over. A body whose length
 *   is known takes all its room at once: whoever has room finishes.
 */
import type { IncomingMessage } from 'node:http'
import { DatabaseError } from '../../base/errors.ts'

export const FREE_BYTES = 64 * 1024

const WAIT_MS = 30_000
const SHARES = 2

export interface BodyMemoryOptions {
  /** Of all bodies. At least the longest one gets its room. */
  totalBytes: number
  longestBytes: number
  /** Default 30 s. */
  waitMs?: number | undefined
}

interface Waiter {
  hold: BodyHold
  bytes: number
  grant(): void
}

export class BodyMemory {
  readonly #totalBytes: number
  readonly #shareBytes: number
  readonly #waitMs: number
  readonly #byOwner = new Map<string, number>()
  /** In the order of their coming. */
  readonly #waiting = new Set<Waiter>()
  #bytes = 0

  constructor({ totalBytes, longestBytes, waitMs = WAIT_MS }: BodyMemoryOptions) {
    this.#totalBytes = Math.max(totalBytes, longestBytes)
    this.#shareBytes = Math.max(Math.floor(totalBytes / SHARES), longestBytes)
    this.#waitMs = waitMs
  }

  /** What one owner may have. */
  get shareBytes(): number {
    return this.#shareBytes
  }

  /** Bytes that count now. */
  get bytes(): number {
    return this.#bytes
  }

  /** What one request holds; nothing yet. */
  hold(owner: string, request: IncomingMessage): BodyHold {
    return new BodyHold(this, owner, request)
  }

  /** Used by a hold: undefined where there is room now. Rejects with bodiesHeld, clientGone, requestTooLarge. */
  take(hold: BodyHold, bytes: number): Promise<void> | undefined {
    if (hold.bytes + bytes > this.#shareBytes) return Promise.reject(new DatabaseError('requestTooLarge'))
    if (this.#waiting.size === 0 && this.#fits(hold.owner, bytes)) {
      this.add(hold, bytes)
      return undefined
    }
    return new Promise((resolve, reject) => {
      const { request } = hold
      // A request whose body has come closes by itself, with its client still there.
      const client = request.complete ? request.socket : request
      const leave = (): void => {
        hold.giveUp = undefined
        clearTimeout(timer)
        client.off('close', onClose)
        this.#waiting.delete(waiter)
      }
      const refuse = (kind: 'bodiesHeld' | 'clientGone'): void => {
        leave()
        reject(new DatabaseError(kind))
        this.#grant()
      }
      const onClose = (): void => refuse('clientGone')
      const timer = setTimeout(() => refuse('bodiesHeld'), this.#waitMs)
      const waiter: Waiter = {
        hold,
        bytes,
        grant: () => {
          leave()
          this.add(hold, bytes)
          resolve()
        },
      }
      this.#waiting.add(waiter)
      hold.giveUp = onClose
      client.once('close', onClose)
      if (client.destroyed) onClose()
      else this.#grant()
    })
  }

  /** Used by a hold: counts bytes without asking for room. Negative ones go. */
  add(hold: BodyHold, bytes: number): void {
    hold.bytes += bytes
    this.#bytes += bytes
    const owned = (this.#byOwner.get(hold.owner) ?? 0) + bytes
    if (owned === 0) this.#byOwner.delete(hold.owner)
    else this.#byOwner.set(hold.owner, owned)
    if (bytes < 0) this.#grant()
  }

  #fits(owner: string, bytes: number): boolean {
    return this.#bytes + bytes <= this.#totalBytes && this.#fitsShare(owner, bytes)
  }

  #fitsShare(owner: string, bytes: number): boolean {
    return (this.#byOwner.get(owner) ?? 0) + bytes <= this.#shareBytes
  }

  /** Nobody overtakes who waits for room of all; who waits for the own share alone is overtaken. */
  #grant(): void {
    for (const waiter of this.#waiting) {
      const { hold, bytes } = waiter
      if (!this.#fitsShare(hold.owner, bytes)) continue
      if (this.#bytes + bytes > this.#totalBytes) return
      waiter.grant()
    }
  }
}

/** What one request holds. */
export class BodyHold {
  readonly owner: string
  readonly request: IncomingMessage
  /** That count. */
  bytes = 0
  /** Ends a wait for room. */
  giveUp: (() => void) | undefined
  #free = FREE_BYTES
  readonly #memory: BodyMemory

  constructor(memory: BodyMemory, owner: string, request: IncomingMessage) {
    this.#memory = memory
    this.owner = owner
    this.request = request
  }

  /**
   * Takes room for so many more bytes of a body; undefined where there is some now. Rejects with bodiesHeld, clientGone,
   * and requestTooLarge for more than anybody may hold.
   */
  grow(bytes: number): Promise<void> | undefined {
    const counted = this.#counted(bytes)
    return counted === 0 ? undefined : this.#memory.take(this, counted)
  }

  /**
   * Takes room for what is made of a document, or all that its owner may have where that is less: then nothing else of his is made
   * beside it. Undefined where there is room now. Rejects with bodiesHeld, clientGone.
   */
  growWithin(bytes: number): Promise<void> | undefined {
    return this.grow(Math.min(bytes, this.#free + this.#memory.shareBytes - this.bytes))
  }

  /** Counts what is made of the body, which is a bounded multiple of it. */
  add(bytes: number): void {
    const counted = this.#counted(bytes)
    if (counted > 0) this.#memory.add(this, counted)
  }

  /** Gives everything back, and ends a wait. */
  release(): void {
    this.giveUp?.()
    if (this.bytes > 0) this.#memory.add(this, -this.bytes)
  }

  #counted(bytes: number): number {
    const free = Math.min(this.#free, bytes)
    this.#free -= free
    return bytes - free
  }
}
