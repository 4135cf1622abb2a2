/**
 * Rests of a thread of long work. Its low priority says how much of a processor it has where others want it, but not when: the
 * scheduler lets whoever runs finish a slice, and looks again when its clock ticks, every 4 ms with 250 ticks in a second. So a
 * thread that wakes up to answer a request may wait as long for one of next to no weight. A thread that sleeps for a moment
 * hands the processor over at once, and others wait for one piece of its work at most. What holds:
 * - A rest that takes longer than was asked for was ended by the scheduler, which had others to run: pieces are short then. Where
 *   rests end in time nobody wants the processor, and pieces grow, so that resting costs a few percent.
 * - Who rests loses nothing of its share: what it did not run counts for it when it is to run again.
 * - While threads that answer requests leave one processor at most, a thread that was told to `stepBack` rests twice as long as it
 *   works: two of them together leave a third of that processor to whoever sends the requests. Else each turn of theirs beside a busy
 *   thread is a request that waits.
 */
import { performance } from 'node:perf_hooks'
import { isMachineBusy } from './serving-load.ts'

const REST_MS = 0.05
/** Timers are late by 0.05 ms, and a thread that is awake needs as long to run on an idle processor. */
const LATE_MS = 0.15
const SHORT_PIECE_MS = 0.4
const LONG_PIECE_MS = 1.5
const GROWTH = 1.3
const BUSY_REST_MS = 2 * SHORT_PIECE_MS
/** Whether requests take the machine is looked at so often. */
const LOAD_EVERY_MS = 20

const neverTold = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
let pieceMs = LONG_PIECE_MS
/** When the piece is over; it never is for a thread that does not rest. */
let pieceEndMs = Number.POSITIVE_INFINITY
let stepsBack = false
let isBusy = false
let loadSeenMs = 0

/**
 * From now on this thread rests; whoever works in it calls `restIfDue` after each of his steps. On Linux alone: elsewhere short
 * sleeps may take as long as a tick of the clock. With `stepBack` it rests longer than it works while requests take the machine: for
 * work that no write waits for.
 */
export function restOften({ stepBack = false } = {}): void {
  if (process.platform !== 'linux') return
  pieceEndMs = 0
  stepsBack = stepBack
}

/** Blocks the thread for a moment when its piece of work is over. Free of cost in threads that do not rest. */
export function restIfDue(): void {
  if (pieceEndMs === Number.POSITIVE_INFINITY) return
  const startMs = performance.now()
  if (startMs < pieceEndMs) return
  if (stepsBack && startMs - loadSeenMs > LOAD_EVERY_MS) {
    isBusy = isMachineBusy()
    loadSeenMs = startMs
  }
  const restMs = isBusy ? BUSY_REST_MS : REST_MS
  Atomics.wait(neverTold, 0, 0, restMs)
  const endMs = performance.now()
  const isLate = endMs - startMs > restMs + LATE_MS
  pieceMs = isBusy || isLate ? SHORT_PIECE_MS : Math.min(LONG_PIECE_MS, pieceMs * GROWTH)
  pieceEndMs = endMs + pieceMs
}
