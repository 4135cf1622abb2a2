import type { Steps } from '../time-slice.ts'

/** A part of a buffer that a later repeated key took out, as [start, end). */
export interface DeadRange {
  readonly start: number
  readonly end: number
}

const STEP_RANGES = 1024

/**
 * `bytes` without `ranges`, whose offsets count from `origin`. Ranges may lie inside one another, and come
 * in any order; no two begin at one place. They are removed in one pass, so that many of them cost no more than a
 * sort.
 */
export function* withoutRanges(
  bytes: Uint8Array,
  origin: number,
  ranges: readonly DeadRange[],
): Steps<Buffer> {
  const starts = new Uint32Array(ranges.length)
  const ends = new Map<number, number>()
  for (const [index, { start, end }] of ranges.entries()) {
    starts[index] = start
    ends.set(start, end)
    if (index % STEP_RANGES === 0) yield
  }
  // Of numbers alone: a comparison of a million ranges would hold the loop.
  starts.sort()
  const kept = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let from = 0
  for (const [index, start] of starts.entries()) {
    if (index % STEP_RANGES === 0) yield
    const to = start - origin
    if (to > from) {
      kept.set(bytes.subarray(from, to), length)
      length += to - from
    }
    from = Math.max(from, ends.get(start)! - origin)
  }
  kept.set(bytes.subarray(from), length)
  return kept.subarray(0, length + bytes.length - from)
}
