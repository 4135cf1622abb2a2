/**
 * How many connections each of the threads has that listen on the same sockets, and that none takes far more than the others. Which
 * thread takes a connection is a race between those that wake for it; one that is awake takes another in each turn of its event loop, and
 * may have a whole burst before the next one runs. So who is ahead of another thread lets others take the next connection. What holds:
 * - A thread waits only between connections that it takes in quick succession, after what else its turn had to do, and until it is no
 *   longer ahead or `LONGEST_MS` are over.
 * - It asks to wait for `MOST_MS` in a row at most, and over time for a hundredth of it, whoever connects however often, and
 *   whether or not the others can take any.
 * - Threads that do not listen, yet or any more, are not waited for.
 *
 * The memory: a 32-bit word that changes with each connection that is taken, and one for each thread: how many it has open, or -1
 * where it does not listen. Each thread writes its own; the main one that of a thread that has ended.
 */
import { systemClock } from './clock.ts'

const TAKEN = 0
const FIRST = 1
const ABSENT = -1
/** Of what a thread may have more than another one, beside one connection: an eighth of what that one has. */
const LEEWAY_BITS = 3
/** What comes in quicker succession is one burst. */
const SUCCESSION_MS = 1
const LONGEST_MS = 1
const MOST_MS = 8
const SHARE_OF_TIME = 1 / 100

export interface Waiting {
  now(): number
  /** Waits while the word is `value`, for `ms` at most. */
  wait(words: Int32Array, at: number, value: number, ms: number): void
  readonly longestMs: number
  readonly mostMs: number
  readonly successionMs: number
}

const WAITING: Waiting = {
  now: () => systemClock.monotonic(),
  wait: (words, at, value, ms) => void Atomics.wait(words, at, value, ms),
  longestMs: LONGEST_MS,
  mostMs: MOST_MS,
  successionMs: SUCCESSION_MS,
}

/** Memory of so many threads, none of which listens. */
export function connectionCounts(threads: number): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer((FIRST + threads) * Int32Array.BYTES_PER_ELEMENT))
  return words.fill(ABSENT, FIRST)
}

/** To be called by the main thread when a thread has ended. */
export function forgetConnections(words: Int32Array, thread: number): void {
  Atomics.store(words, FIRST + thread, ABSENT)
}

/** Of each thread, in their order; -1 for one that does not listen. */
export function connectionsOf(words: Int32Array): number[] {
  return [...words.subarray(FIRST)]
}

export class ConnectionShare {
  readonly #words: Int32Array
  readonly #own: number
  readonly #waiting: Waiting
  #count = 0
  #isListening = false
  /** When the last connection had been taken, and what was waited after it. */
  #lastMs = Number.NEGATIVE_INFINITY
  #isDue = false
  /** Time that may be waited, as it was then. */
  #creditMs: number
  #creditedMs: number

  /** Of one thread, by its place in the memory. `waiting` is for tests. */
  constructor(words: Int32Array, thread: number, waiting: Partial<Waiting> = {}) {
    this.#words = words
    this.#own = FIRST + thread
    this.#waiting = { ...WAITING, ...waiting }
    this.#creditMs = this.#waiting.mostMs
    this.#creditedMs = this.#waiting.now()
  }

  /** This thread listens, or does so no more; connections that it has then may go on. */
  listens(isListening: boolean): void {
    this.#isListening = isListening
    this.#publish()
  }

  /** This thread has taken a connection. */
  came(): void {
    this.#count += 1
    this.#publish()
    Atomics.add(this.#words, TAKEN, 1)
    Atomics.notify(this.#words, TAKEN)
    const now = this.#waiting.now()
    const isBurst = now - this.#lastMs < this.#waiting.successionMs
    this.#lastMs = now
    if (!isBurst || this.#isDue || !this.#isAhead()) return
    this.#isDue = true
    // The loop takes one connection in a turn: what else has come in this one is done before.
    setImmediate(() => {
      this.#isDue = false
      this.#letOthers()
    })
  }

  /** A connection of this thread has ended. */
  went(): void {
    this.#count -= 1
    this.#publish()
  }

  #publish(): void {
    Atomics.store(this.#words, this.#own, this.#isListening ? this.#count : ABSENT)
  }

  #isAhead(): boolean {
    let least = this.#count
    for (let at = FIRST; at < this.#words.length; at++) {
      const count = Atomics.load(this.#words, at)
      if (count !== ABSENT && count < least) least = count
    }
    return this.#count > least + 1 + (least >> LEEWAY_BITS)
  }

  #letOthers(): void {
    const { now: clock, wait, longestMs } = this.#waiting
    const startMs = clock()
    const askedMs = Math.min(longestMs, this.#credit(startMs))
    let now = startMs
    while (now < startMs + askedMs) {
      const taken = Atomics.load(this.#words, TAKEN)
      if (!this.#isAhead()) break
      wait(this.#words, TAKEN, taken, startMs + askedMs - now)
      now = clock()
    }
    // What others had the processor for beyond that was not asked for.
    this.#creditMs -= Math.min(askedMs, now - startMs)
    this.#lastMs = now
  }

  #credit(now: number): number {
    const earnedMs = (now - this.#creditedMs) * SHARE_OF_TIME
    this.#creditMs = Math.min(this.#waiting.mostMs, this.#creditMs + earnedMs)
    this.#creditedMs = now
    return this.#creditMs
  }
}
