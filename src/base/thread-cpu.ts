/** Time on a processor of the thread that asks. */
import { readFileSync } from 'node:fs'

/** proc(5): nanoseconds on a processor, nanoseconds in the queue for one, turns on one. */
const SCHEDULED = '/proc/thread-self/schedstat'

/** Milliseconds; undefined where the system does not tell. Costs some microseconds. */
export function threadCpuMs(): number | undefined {
  try {
    const ns = Number(readFileSync(SCHEDULED, 'latin1').split(' ', 1)[0])
    return Number.isSafeInteger(ns) ? ns / 1e6 : undefined
  } catch {
    return undefined
  }
}
