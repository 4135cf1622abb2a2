/**
 * The event loop, shared out by time. Work that is as long as a client wants it to be (a scan, a text, a patch) asks
 * after each of its steps whether the turn is over, and gives way if it is. What holds:
 * - A turn is one round of the event loop. All such work of a round shares one slice of `SLICE_MS`, however many requests
 *   it is for, so that another request waits for one slice and one step, and not for a slice of each.
 * - Work that is mostly short has its first millisecond for itself (`ShortWork`): giving way costs as much as a part of it.
 * - Who gave way goes on in the order of giving way, in a later turn; at least one goes on in every turn.
 * - So the longest step is what must be bounded: a row, a document of bounded size, some thousand tokens.
 */
import { performance } from 'node:perf_hooks'

/** A turn by itself costs some tens of microseconds. */
const SLICE_MS = 3
/** Of short work: less than what requests that never give way may take. */
const FREE_MS = 1

let sliceEndMs = 0
let isTurnOpen = false
/** Who gave way, in their order. Those before `next` go on already, and those from `last` on came in this turn. */
const waiting: (() => void)[] = []
let next = 0
let last = 0

/** Whether long work must give way now. */
export function isTurnOver(): boolean {
  if (!isTurnOpen) openTurn()
  return performance.now() >= sliceEndMs
}

/** Whether long work asked for its slice in this turn, or waits for the next one. */
export function isLongWorkUnderWay(): boolean {
  return isTurnOpen
}

/** One piece of work that most often ends soon after it has begun. */
export class ShortWork {
  readonly #freeUntilMs = performance.now() + FREE_MS

  /** Whether it must give way now. */
  isTurnOver(): boolean {
    return performance.now() >= this.#freeUntilMs && isTurnOver()
  }
}

/** Resolves in a later turn. */
export function nextTurn(): Promise<void> {
  if (!isTurnOpen) openTurn()
  return new Promise((resolve) => waiting.push(resolve))
}

/** For loops: undefined while the turn lasts, else what to wait for. */
export function giveWay(): Promise<void> | undefined {
  return isTurnOver() ? nextTurn() : undefined
}

function openTurn(): void {
  isTurnOpen = true
  sliceEndMs = performance.now() + SLICE_MS
  // Runs when what came in from outside in this round has been served.
  setImmediate(closeTurn)
}

function closeTurn(): void {
  isTurnOpen = false
  if (waiting.length === 0) return
  openTurn()
  last = waiting.length
  resumeOne()
}

function resumeOne(): void {
  const resume = waiting[next]!
  next += 1
  resume()
  // Behind all that follows from it without waiting: promises settle first, then ticks run.
  queueMicrotask(() => process.nextTick(resumeMore))
}

function resumeMore(): void {
  if (next < last && performance.now() < sliceEndMs) {
    resumeOne()
    return
  }
  waiting.splice(0, next)
  next = 0
}

/** Work that stops after each of its steps, and goes on when it is asked to. Returns the result. */
export type Steps<T> = Generator<void, T, void>

/** Does all of it now: for what is known to be short. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/**
 * Does it in slices. `check` is called whenever the work goes on, and ends it by what it throws. Rejects as the
 * steps throw.
 */
export async function runInTurns<T>(steps: Steps<T>, check: () => void = () => {}): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (!isTurnOver()) continue
    await nextTurn()
    try {
      check()
    } catch (error) {
      steps.return(undefined as never)
      throw error
    }
  }
}
