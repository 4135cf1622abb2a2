/** A part of a buffer that a later repeated key took out, as [start, end). */
export interface DeadRange {
  readonly start: number
  end: number
}

/** Adds a range. One that begins where the last one ends lengthens that: a run of repeated members is one range. */
export function bury(ranges: DeadRange[], start: number, end: number): void {
  const last = ranges[ranges.length - 1]
  if (last !== undefined && last.end === start) last.end = end
  else ranges.push({ start, end })
}

/**
 * `bytes` without `ranges`, whose offsets count from `origin`. Ranges may lie inside one another, and come
 * in any order; they are removed in one pass, so that many of them cost no more than a sort.
 */
export function withoutRanges(bytes: Uint8Array, origin: number, ranges: readonly DeadRange[]): Buffer {
  const sorted = [...ranges].sort((a, b) => a.start - b.start)
  const kept = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let from = 0
  for (const range of sorted) {
    const start = range.start - origin
    if (start > from) {
      kept.set(bytes.subarray(from, start), length)
      length += start - from
    }
    from = Math.max(from, range.end - origin)
  }
  kept.set(bytes.subarray(from), length)
  return kept.subarray(0, length + bytes.length - from)
}
