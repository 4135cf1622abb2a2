/** How busy and how late the event loop of this thread is. It is watched while somebody asks, and costs nothing else. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** How often the loop is found to be in time or late: each time wakes the thread, which is most of what idle ones cost. */
const RESOLUTION_MS = 50
const IDLE_RESOLUTION_MS = 250
/** A loop that is busy for less of the time is idle. */
const IDLE_SHARE = 0.05
/** Nobody has asked for so long: it is watched no more. */
const UNASKED_MS = 10_000
const NANOSECONDS = 1_000_000

export interface LoopFigures {
  /** Of the time since the last question, the share in which it was busy, from 0 to 1. */
  readonly busy: number
  /** The longest time since then by which it was late, in milliseconds. */
  readonly lateMs: number
}

interface Watch {
  readonly delays: IntervalHistogram
  readonly resolutionMs: number
}

let before = performance.eventLoopUtilization()
let watch: Watch | undefined
let timer: NodeJS.Timeout | undefined

/** Since the last time that anybody asked; the first one in a while is told nothing of delays. */
export function loopFigures(): LoopFigures {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, before)
  before = now
  const lateMs = watch === undefined ? 0 : latenessOf(watch)
  const resolutionMs = utilization < IDLE_SHARE ? IDLE_RESOLUTION_MS : RESOLUTION_MS
  if (watch?.resolutionMs === resolutionMs) {
    watch.delays.reset()
  } else {
    watch?.delays.disable()
    watch = { delays: monitorEventLoopDelay({ resolution: resolutionMs }), resolutionMs }
    watch.delays.enable()
  }
  timer ??= setTimeout(forget, UNASKED_MS).unref()
  timer.refresh()
  return { busy: utilization, lateMs }
}

function latenessOf({ delays, resolutionMs }: Watch): number {
  return delays.count === 0 ? 0 : Math.max(0, delays.max / NANOSECONDS - resolutionMs)
}

function forget(): void {
  watch?.delays.disable()
  watch = timer = undefined
}
