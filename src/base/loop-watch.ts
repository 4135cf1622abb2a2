/** How busy and how late the event loop of this thread is. It is watched while somebody asks, and costs nothing else. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How often the loop is found to be in time or late: each time wakes the thread. */
const RESOLUTION_MS = 50
/** Nobody has asked for so long: it is watched no more. */
const UNASKED_MS = 10_000
const NANOSECONDS = 1_000_000

export interface LoopFigures {
  /** Of the time since the last question, the share in which it was busy, from 0 to 1. */
  readonly busy: number
  /** The longest time since then by which it was late, in milliseconds. */
  readonly lateMs: number
}

let before = performance.eventLoopUtilization()
let delays: IntervalHistogram | undefined
let timer: NodeJS.Timeout | undefined

/** Since the last time that anybody asked; the first one in a while is told nothing of delays. */
export function loopFigures(): LoopFigures {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, before)
  before = now
  let lateMs = 0
  if (delays === undefined) {
    delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    delays.enable()
    timer = setTimeout(forget, UNASKED_MS)
    timer.unref()
  } else {
    if (delays.count > 0) lateMs = Math.max(0, delays.max / NANOSECONDS - RESOLUTION_MS)
    delays.reset()
    timer?.refresh()
  }
  return { busy: utilization, lateMs }
}

function forget(): void {
  delays?.disable()
  delays = undefined
}
