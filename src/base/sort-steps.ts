import type { Steps } from './time-slice.ts'

/** So many values are sorted in one step. */
const RUN = 1024
const STEP_VALUES = 1024

/** The values in order, in steps; equal ones stay as they were. */
export function* sortSteps<T>(values: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let runs: T[][] = []
  for (let at = 0; at < values.length; at += RUN) {
    runs.push(values.slice(at, at + RUN).sort(compare))
    yield
  }
  while (runs.length > 1) {
    const merged: T[][] = []
    for (let at = 0; at < runs.length; at += 2) {
      const right = runs[at + 1]
      merged.push(right === undefined ? runs[at]! : yield* mergeSteps(runs[at]!, right, compare))
    }
    runs = merged
  }
  return runs[0] ?? []
}

function* mergeSteps<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
): Steps<T[]> {
  const merged: T[] = []
  let l = 0
  let r = 0
  while (l < left.length || r < right.length) {
    const takeLeft = r === right.length || (l < left.length && compare(left[l]!, right[r]!) <= 0)
    merged.push(takeLeft ? left[l++]! : right[r++]!)
    if (merged.length % STEP_VALUES === 0) yield
  }
  return merged
}
