/**
 * The order in which passwords are hashed. A hash costs tenths of a second of a processor, and anybody may ask for one.
 * What holds:
 * - A few hashes run at a time: the processors are for requests first, and short hashes share libuv's four threads with all
 *   file I/O, and must never take them all. One processor has none where there are two: where hashes cannot be made to give
 *   way at once (`src/workers/give-way.ts`), a request waits for some milliseconds wherever they run.
 * - Addresses take turns, whatever each of them asks for: a flood from one delays another's hash by one or two.
 * - Each address has so many waiting at most, and all together, at each thread that takes requests; who comes then is refused at once,
 *   without a word to another thread: 429 where the address itself asks too much (its client can do something about that), 503 where all do. An address that has few waiting
 *   takes the place of the last one of the address that has most.
 * - Who has gone is waited for no more, and takes no place.
 */
import { DatabaseError } from '../base/errors.ts'
import { networkOf } from './network.ts'

const MOST_RUNNING = 2
const MOST_WAITING = 256
const MOST_WAITING_OF_ONE = 64

/** Who waits for a hash. */
export interface Caller {
  /** An IP address; '' for the server itself. */
  readonly address: string
  /** Runs `listener` once, when nobody waits any more; now, if that is so already. Answers the way to stop that. */
  onGone(listener: () => void): () => void
}

/** The server itself, which does not go. */
export const SERVER_ITSELF: Caller = { address: '', onGone: () => () => {} }

interface Waiter {
  go(): void
  refuse(kind: Refusal): void
}

type Refusal = 'tooManyHashes' | 'hashesBusy' | 'clientGone'

const RETRY_SECONDS = '5'

/** Hashes at once on a machine of so many processors. */
export function hashesAtOnce(processors: number): number {
  return Math.max(1, Math.min(MOST_RUNNING, processors - 1))
}

export class HashQueue {
  readonly #mostRunning: number
  /** By address, the one whose turn is next first. None is empty. */
  readonly #lanes = new Map<string, Set<Waiter>>()
  #waiting = 0
  #running = 0

  constructor(mostRunning: number) {
    this.#mostRunning = mostRunning
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Runs `work` when its turn has come. Rejects as it does, and with tooManyHashes, hashesBusy, clientGone. */
  async run<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
    await this.#turn(caller)
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#next()
    }
  }

  #turn(caller: Caller): Promise<void> {
    return new Promise((resolve, reject) => {
      const name = networkOf(caller.address)
      const lane = this.#lanes.get(name) ?? new Set()
      const refuse = (kind: Refusal): void =>
        reject(new DatabaseError(kind, undefined, { headers: { 'retry-after': RETRY_SECONDS } }))
      if (lane.size >= MOST_WAITING_OF_ONE) {
        refuse('tooManyHashes')
        return
      }
      if (this.#waiting >= MOST_WAITING && !this.#makePlace(lane.size)) {
        refuse('hashesBusy')
        return
      }
      const leave = (): void => {
        lane.delete(waiter)
        if (lane.size === 0) this.#lanes.delete(name)
        this.#waiting -= 1
      }
      const waiter: Waiter = {
        go: () => {
          listenNoMore()
          leave()
          resolve()
        },
        refuse: (kind) => {
          listenNoMore()
          leave()
          refuse(kind)
        },
      }
      lane.add(waiter)
      this.#lanes.set(name, lane)
      this.#waiting += 1
      let isGone = false
      const listenNoMore = caller.onGone(() => {
        isGone = true
        leave()
        refuse('clientGone')
      })
      if (!isGone) this.#next()
    })
  }

  /** Refuses the last one of the address that has most, if that has more than the one that comes. */
  #makePlace(waiting: number): boolean {
    let longest: Set<Waiter> = new Set()
    for (const lane of this.#lanes.values()) if (lane.size > longest.size) longest = lane
    if (longest.size <= waiting + 1) return false
    const last = [...longest].at(-1)!
    last.refuse('tooManyHashes')
    return true
  }

  /** The oldest of each address in turn. */
  #next(): void {
    for (const [name, lane] of this.#lanes) {
      if (this.#running >= this.#mostRunning) return
      const [waiter] = lane
      this.#running += 1
      waiter!.go()
      if (this.#lanes.delete(name)) this.#lanes.set(name, lane)
    }
  }
}
