/**
 * How much of the machine the threads that answer requests take, for all threads of this process to see. Whoever works long asks
 * here how much of it may be his. What holds:
 * - A thread says how busy it was while requests come, and that it is idle once when none came for a moment: a server that
 *   nobody asks has no timer for it.
 * - What a thread said counts for a second, so one that ended in the middle of requests is forgotten.
 * - The memory is made by the main thread and handed to each thread that is started, and to those that these start (`setEnvironmentData`).
 *
 * The memory: for each of 64 threads (by its number, modulo) two 32-bit words, the share of its time in which its event loop was busy,
 * in thousandths, and the second in which it said so.
 */
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads'

const KEY = 'davenport.serving-load'
const SLOTS = 64
const WORDS_EACH = 2
const WHOLE = 1000
/** A loop is looked at so long after a request that nobody had looked for. */
const LOOK_AFTER_MS = 50
/** A loop that is busy for less of its time waits for the next request to be looked at again. */
const IDLE_SHARE = 0.05
/** What was said longer ago counts no more. */
const FRESH_SECONDS = 1
/** Two busy threads on three processors leave one; so does a thread that is nearly busy. */
const NEARLY_ONE = 0.8

const words = new Int32Array(sharedMemory())
const own = (threadId % SLOTS) * WORDS_EACH
let before = performance.eventLoopUtilization()
let timer: NodeJS.Timeout | undefined
let isWatched = false

function sharedMemory(): SharedArrayBuffer {
  const given: unknown = getEnvironmentData(KEY)
  if (given instanceof SharedArrayBuffer) return given
  const made = new SharedArrayBuffer(SLOTS * WORDS_EACH * Int32Array.BYTES_PER_ELEMENT)
  // A thread that was given none was started before the main thread had any: it is alone with its own.
  if (isMainThread) setEnvironmentData(KEY, made)
  return made
}

/** To be called for each request, by the thread that answers it. */
export function requestCame(): void {
  if (isWatched) return
  isWatched = true
  before = performance.eventLoopUtilization()
  timer ??= setTimeout(look, LOOK_AFTER_MS).unref()
  timer.refresh()
}

function look(): void {
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, before)
  before = now
  isWatched = utilization >= IDLE_SHARE
  sayBusy(isWatched ? utilization : 0)
  if (isWatched) timer!.refresh()
}

/** This thread was busy for the share of its time, from 0 to 1. For tests; else it follows from `requestCame`. */
export function sayBusy(share: number): void {
  Atomics.store(words, own + 1, second())
  Atomics.store(words, own, Math.round(share * WHOLE))
}

/** So many threads, in whole ones, were busy with requests a moment ago: the sum of their shares. */
export function busyThreads(): number {
  const now = second()
  let sum = 0
  for (let at = 0; at < words.length; at += WORDS_EACH) {
    const share = Atomics.load(words, at)
    if (share > 0 && now - Atomics.load(words, at + 1) <= FRESH_SECONDS) sum += share
  }
  return sum / WHOLE
}

/** Whether threads that answer requests leave one processor at most to all others. */
export function isMachineBusy(processors = availableParallelism()): boolean {
  return busyThreads() >= Math.max(NEARLY_ONE, processors - 2 + NEARLY_ONE)
}

/** Of the one clock that all threads have, which nobody sets: each one's `performance` begins with the time of day at its start. */
function second(): number {
  return process.hrtime()[0]
}
