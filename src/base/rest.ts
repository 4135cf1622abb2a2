/**
 * Rests of a thread of long work. Its low priority says how much of a processor it has where others want it, but not when: the
 * scheduler lets whoever runs finish a slice, and looks again when its clock ticks, every 4 ms with 250 ticks in a second. So a
 * thread that wakes up to answer a request may wait as long for one of next to no weight. A thread that sleeps for a moment
 * hands the processor over at once, and others wait for one piece of its work at most. What holds:
 * - A rest that takes longer than was asked for was ended by the scheduler, which had others to run: pieces are short then. Where
 *   rests end in time nobody wants the processor, and pieces grow, so that resting costs a few percent.
 * - Who rests loses nothing of its share: what it did not run counts for it when it is to run again.
 */
import { performance } from 'node:perf_hooks'

const REST_MS = 0.05
/** Timers are late by 0.05 ms, and a thread that is awake needs as long to run on an idle processor. */
const LATE_MS = 0.2
const SHORT_PIECE_MS = 0.4
const LONG_PIECE_MS = 1.5
const GROWTH = 1.3

const neverTold = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
let pieceMs = LONG_PIECE_MS
/** When the piece is over; it never is for a thread that does not rest. */
let pieceEndMs = Number.POSITIVE_INFINITY

/**
 * From now on this thread rests; whoever works in it calls `restIfDue` after each of his steps. On Linux alone: elsewhere short
 * sleeps may take as long as a tick of the clock.
 */
export function restOften(): void {
  if (process.platform === 'linux') pieceEndMs = 0
}

/** Blocks the thread for a moment when its piece of work is over. Free of cost in threads that do not rest. */
export function restIfDue(): void {
  if (pieceEndMs === Number.POSITIVE_INFINITY) return
  const startMs = performance.now()
  if (startMs < pieceEndMs) return
  Atomics.wait(neverTold, 0, 0, REST_MS)
  const endMs = performance.now()
  pieceMs = endMs - startMs > LATE_MS ? SHORT_PIECE_MS : Math.min(LONG_PIECE_MS, pieceMs * GROWTH)
  pieceEndMs = endMs + pieceMs
}
