/** Numbers of 64 bits sorted in pieces, between which a thread that rests may do so: a hundred thousand take many milliseconds. */
import { restIfDue } from '../base/rest.ts'

/** Sorted by one call, which takes a quarter of a millisecond. */
const PIECE = 4096
/** Of a loop that does little for each. */
export const REST_EVERY = 1024

/**
 * The numbers in their order, as their halves, the lower one first, as they lie in memory on every machine that Node runs on. `numbers`,
 * which has its memory for itself, holds anything afterwards.
 */
export function sortedHalves(numbers: BigUint64Array): Uint32Array {
  const count = numbers.length
  for (let from = 0; from < count; from += PIECE) {
    numbers.subarray(from, from + PIECE).sort()
    restIfDue()
  }
  let source: Uint32Array = new Uint32Array(numbers.buffer)
  if (count <= PIECE) return source
  let target: Uint32Array = new Uint32Array(2 * count)
  for (let run = PIECE; run < count; run *= 2) {
    for (let from = 0; from < count; from += 2 * run) {
      merge(source, target, from, Math.min(from + run, count), Math.min(from + 2 * run, count))
    }
    ;[source, target] = [target, source]
  }
  return source
}

/** Two sorted runs of numbers, from `from` and from `middle` on, become one. */
function merge(source: Uint32Array, target: Uint32Array, from: number, middle: number, end: number): void {
  let a = from
  let b = middle
  for (let to = from; to < end; to++) {
    if (to % REST_EVERY === 0) restIfDue()
    const next = b === end || (a < middle && isBefore(source, a, b)) ? a++ : b++
    target[2 * to] = source[2 * next]!
    target[2 * to + 1] = source[2 * next + 1]!
  }
}

function isBefore(halves: Uint32Array, a: number, b: number): boolean {
  const high = halves[2 * a + 1]!
  const other = halves[2 * b + 1]!
  return high < other || (high === other && halves[2 * a]! <= halves[2 * b]!)
}
