/** The length of a compaction's steps, and how often it tells of them. */
const PROGRESS_MS = 200
const MOST_FILL_BYTES = 1024 * 1024
const LEAST_FILL_BYTES = 16 * 1024
/** Steps in a second at a bounded byte rate: each is told of, and a stop is seen after each. */
const STEPS_PER_SECOND = 4

/** Bytes between two pauses: under a bound on the rate few enough that the pauses are short. */
export function fillBytesOf(bytesPerSecond: number, mostBytes = MOST_FILL_BYTES): number {
  if (bytesPerSecond === 0) return mostBytes
  return Math.min(mostBytes, Math.max(LEAST_FILL_BYTES, Math.floor(bytesPerSecond / STEPS_PER_SECOND)))
}

/** Tells of progress a few times a second, and at once where another phase begins. */
export function seldomTold<T extends { readonly phase: string }>(
  tell: (progress: T) => void,
  nowMs: () => number,
): (progress: T) => void {
  let toldMs = Number.NEGATIVE_INFINITY
  let phase = ''
  return (progress) => {
    if (progress.phase === phase && nowMs() - toldMs < PROGRESS_MS) return
    phase = progress.phase
    toldMs = nowMs()
    tell(progress)
  }
}
