/**
 * Who runs next, and where. The calls of one design document form a line of their own and run one after the other, in a
 * thread that has it warm where there is one. Invariants:
 * - Nothing waits in a thread: what is not running waits here, and goes to whichever thread is free.
 * - A thread that is busy for longer than `PATIENCE_MS` while others wait is no reason to wait on: another thread is made, up to
 *   `mostThreads`. One owner's lines never hold more than half of those, so that whoever fills his share with endless loops
 *   leaves the others theirs.
 * - A job whose thread ended fails if it was running, and goes to another thread if it was behind that one in its batch.
 * - What waits is bounded; who gives up waiting is forgotten at once.
 */
import type { TransferListItem } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../base/clock.ts'
import type { Limits } from '../limits.ts'
import { BUSY, CANCELLED, CRASHED, type Failure, NO_THREAD, ScriptError } from '../script-error.ts'
import type { Job, Outcome, Reading, Work } from './protocol.ts'
import { type Runner, RunnerGone, type StartRunner } from './runner.ts'

export interface LinesOptions {
  clock: Clock
  limits: () => Limits
  /** Threads that run at once when none is held up. */
  threads: number
  mostThreads: number
  idleMs: number
  mostWaiting: number
  onLog: (owner: string, lines: readonly string[]) => void
  /** Resolves with what starts one of the threads, or of the processes that stand for them. */
  prepare: () => Promise<StartRunner>
}

export interface Program {
  /** Names the text: equal keys have equal texts. */
  key: string
  design: Uint8Array
  owner: string
}

/** What is to be done: a call, which may be joined with others of its line, or a job of its own. */
export type Errand = { call: Buffer; reading: Reading } | { job: Job; transfer: readonly TransferListItem[] }

interface Waiting {
  errand: Errand
  /** Its runner ended, and nobody knows whether for its sake. */
  isSuspect: boolean
  resolve: (outcome: Outcome) => void
  reject: (error: Error) => void
}

interface Line {
  program: Program
  queue: Waiting[]
  isRunning: boolean
  /** It is among those that wait for a thread: also when all of its calls were given up meanwhile. */
  isReady: boolean
}

const PATIENCE_MS = 25
/** Calls that go to a thread together. */
const MOST_JOINED = 64
const MOST_JOINED_BYTES = 1024 * 1024
/** Lines whose thread is remembered. */
const MOST_REMEMBERED = 10_000
/** A slice of a batch, which ends between two documents. */
const SLICE_MS = 100

export class Lines {
  readonly #options: LinesOptions
  #startRunner: StartRunner | undefined
  readonly #lines = new Map<string, Line>()
  #ready: Line[] = []
  readonly #threads = new Set<Runner>()
  readonly #places = new LRUCache<string, Runner>({ max: MOST_REMEMBERED })
  readonly #running = new Map<string, number>()
  #waiting = 0
  #isLooking = false
  #isPumping = false
  #isClosed = false
  #stopIdling: (() => void) | undefined

  constructor(options: LinesOptions) {
    this.#options = options
  }

  get threads(): number {
    return this.#threads.size
  }

  /** Rejects with ScriptError where there is no outcome; a failure of the function is an outcome. */
  async run(program: Program, errand: Errand, signal?: AbortSignal): Promise<Outcome> {
    this.#startRunner ??= await this.#options.prepare()
    if (this.#isClosed || signal?.aborted === true) throw new ScriptError(CANCELLED)
    if (this.#waiting >= this.#options.mostWaiting) throw new ScriptError(BUSY)
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#forget(program.key, waiting)
        reject(new ScriptError(CANCELLED))
      }
      const waiting: Waiting = {
        errand,
        isSuspect: false,
        resolve: (outcome) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(outcome)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#enqueue(program, waiting)
      this.#pumpSoon()
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopIdling?.()
    for (const { queue } of this.#lines.values()) {
      for (const waiting of queue.splice(0)) waiting.reject(new ScriptError(CANCELLED))
    }
    this.#waiting = 0
    this.#ready = []
    await Promise.all([...this.#threads].map((thread) => thread.end(CANCELLED)))
  }

  #enqueue(program: Program, waiting: Waiting): void {
    let line = this.#lines.get(program.key)
    if (line === undefined) {
      line = { program, queue: [], isRunning: false, isReady: false }
      this.#lines.set(program.key, line)
    }
    if (!line.isRunning) this.#makeReady(line)
    line.queue.push(waiting)
    this.#waiting += 1
  }

  #makeReady(line: Line): void {
    if (line.isReady) return
    line.isReady = true
    this.#ready.push(line)
  }

  #forget(key: string, waiting: Waiting): void {
    const queue = this.#lines.get(key)?.queue ?? []
    const index = queue.indexOf(waiting)
    if (index < 0) return
    queue.splice(index, 1)
    this.#waiting -= 1
  }

  /**
   * Behind what comes in in this round of the event loop: a message to a thread costs more than a call does in it, and so the
   * calls of all requests that are read together go in one.
   */
  #pumpSoon(): void {
    if (this.#isPumping) return
    this.#isPumping = true
    setImmediate(() => {
      this.#isPumping = false
      if (!this.#isClosed) this.#pump()
    })
  }

  /** Gives lines to threads as long as there is one of each. */
  #pump(): void {
    for (;;) {
      const index = this.#ready.findIndex(({ program }) => this.#mayRun(program.owner))
      if (index < 0) return
      const line = this.#ready[index]!
      let thread: Runner | undefined
      try {
        thread = this.#threadFor(line)
      } catch {
        // The system has no thread to give. Where there is one already, the line waits for that.
        if (this.#threads.size === 0) {
          this.#takeReady(index)
          this.#refuse(line)
          continue
        }
      }
      if (thread === undefined) {
        this.#lookAgain()
        return
      }
      this.#takeReady(index)
      void this.#runOn(thread, line)
    }
  }

  #takeReady(index: number): void {
    const [line] = this.#ready.splice(index, 1)
    line!.isReady = false
  }

  /** Its calls fail: there is nobody to run them. */
  #refuse(line: Line): void {
    this.#lines.delete(line.program.key)
    this.#waiting -= line.queue.length
    for (const waiting of line.queue.splice(0)) waiting.reject(new ScriptError(NO_THREAD))
  }

  #mayRun(owner: string): boolean {
    const share = Math.max(1, Math.floor(this.#options.mostThreads / 2))
    return (this.#running.get(owner) ?? 0) < share
  }

  /** Throws where the system has no thread to give. */
  #threadFor({ program }: Line): Runner | undefined {
    const { threads, mostThreads, clock, limits } = this.#options
    const known = this.#places.get(program.key)
    if (known !== undefined && this.#threads.has(known) && isFree(known, limits())) return known
    for (const thread of this.#threads) {
      if (isFree(thread, limits())) return thread
      // Its place is for one that keeps to the limits that there are now.
      if (!thread.isBusy && !thread.isGone) this.#end(thread)
    }
    if (this.#threads.size >= mostThreads) return undefined
    const impatientMs = clock.monotonic() - PATIENCE_MS
    const working = [...this.#threads].filter(({ busySinceMs }) => busySinceMs > impatientMs).length
    return working < threads ? this.#start() : undefined
  }

  /** By then a busy thread may count as held up. */
  #lookAgain(): void {
    if (this.#isLooking) return
    this.#isLooking = true
    this.#options.clock.after(PATIENCE_MS, () => {
      this.#isLooking = false
      if (!this.#isClosed) this.#pump()
    })
  }

  #start(): Runner {
    const { limits } = this.#options
    const thread = this.#startRunner!(limits(), (gone) => this.#threads.delete(gone))
    this.#threads.add(thread)
    return thread
  }

  async #runOn(thread: Runner, line: Line): Promise<void> {
    const { program } = line
    const batch = this.#take(line)
    let answer = (): void => {}
    if (batch.length > 0) {
      line.isRunning = true
      this.#running.set(program.owner, (this.#running.get(program.owner) ?? 0) + 1)
      try {
        answer = await this.#perform(thread, program, batch, line)
      } finally {
        line.isRunning = false
        const left = (this.#running.get(program.owner) ?? 1) - 1
        if (left === 0) this.#running.delete(program.owner)
        else this.#running.set(program.owner, left)
      }
    }
    if (line.queue.length > 0) this.#makeReady(line)
    else if (this.#lines.get(program.key) === line) this.#lines.delete(program.key)
    if (isBatchNext(line)) this.#pump()
    else this.#pumpSoon()
    answer()
    this.#idle()
  }

  /** What of a line goes to its thread next: calls together, anything else alone. */
  #take({ queue }: Line): Waiting[] {
    const taken: Waiting[] = []
    let bytes = 0
    while (queue.length > 0 && taken.length < MOST_JOINED) {
      const next = queue[0]!
      const isCall = 'call' in next.errand
      if (taken.length > 0 && (!isCall || next.isSuspect || bytes > MOST_JOINED_BYTES)) break
      queue.shift()
      this.#waiting -= 1
      taken.push(next)
      if (!('call' in next.errand) || next.isSuspect) break
      bytes += next.errand.call.length
    }
    return taken
  }

  /** Resolves with what answers those who wait, where the thread has done what it was given. */
  async #perform(thread: Runner, program: Program, batch: Waiting[], line: Line): Promise<() => void> {
    const limits = this.#options.limits()
    const { job, transfer } = jobOf(batch)
    // What is given away with a job cannot be sent once more, and so it comes with all that it needs.
    const isKnown = job.do === 'calls' && this.#places.get(program.key) === thread
    const work: Work = { key: program.key, design: isKnown ? undefined : program.design, limits, job }
    try {
      let reply = await thread.run(work, transfer, limits.timeoutMs + SLICE_MS)
      if (reply.isAbsent) {
        const again = jobOf(batch)
        const complete = { ...work, design: program.design, job: again.job }
        reply = await thread.run(complete, again.transfer, limits.timeoutMs + SLICE_MS)
      }
      this.#places.set(program.key, thread)
      if (reply.log.length > 0) this.#options.onLog(program.owner, reply.log)
      return () => {
        batch.forEach((waiting, index) => {
          waiting.resolve(reply.outcomes[index] ?? { failure: CRASHED })
        })
      }
    } catch (error) {
      this.#places.delete(program.key)
      this.#settleGone(error, batch, line)
      return () => {}
    }
  }

  /**
   * Others than the call that ended the thread run again: what functions answer is all that they do. Where nobody knows which
   * it was, all of them do, once more and each alone.
   */
  #settleGone(error: unknown, batch: Waiting[], line: Line): void {
    if (!(error instanceof RunnerGone)) {
      for (const waiting of batch) waiting.reject(error as Error)
      return
    }
    const failure: Failure = { kind: error.kind, error: error.error, reason: error.reason }
    const others = batch.filter((waiting, index) => {
      const isAnswered =
        this.#isClosed || (error.call === undefined ? !mayRunAgain(waiting) : index === error.call)
      if (isAnswered) waiting.resolve({ failure })
      else if (error.call === undefined) waiting.isSuspect = true
      return !isAnswered
    })
    line.queue.unshift(...others)
    this.#waiting += others.length
  }

  #end(thread: Runner): void {
    this.#threads.delete(thread)
    void thread.end(CANCELLED)
  }

  /** Threads that had nothing to do for long end. */
  #idle(): void {
    if (this.#stopIdling !== undefined || this.#isClosed || this.#threads.size === 0) return
    const { clock, idleMs } = this.#options
    this.#stopIdling = clock.after(idleMs, () => {
      this.#stopIdling = undefined
      const oldest = clock.monotonic() - idleMs
      for (const thread of this.#threads) {
        if (!thread.isBusy && thread.busySinceMs <= oldest) void thread.end(CANCELLED)
      }
      this.#idle()
    })
  }
}

function isFree(thread: Runner, limits: Limits): boolean {
  return !thread.isBusy && !thread.isGone && thread.suits(limits)
}

/**
 * What is not joined with others is given to a thread at once, before what it did last is answered: whoever maps batch after batch
 * writes the rows of one while the next is mapped, and the event loop does not turn meanwhile.
 */
function isBatchNext({ queue }: Line): boolean {
  return queue[0] !== undefined && 'job' in queue[0].errand
}

/** A list has been read from meanwhile. */
function mayRunAgain({ errand, isSuspect }: Waiting): boolean {
  return !isSuspect && ('call' in errand || errand.job.do !== 'list')
}

function jobOf(batch: readonly Waiting[]): {
  job: Job
  transfer: readonly TransferListItem[]
} {
  const { errand } = batch[0]!
  if ('job' in errand) return errand
  const calls: { length: number; reading: Reading }[] = []
  const texts: Buffer[] = []
  for (const { errand: each } of batch) {
    if (!('call' in each)) continue
    calls.push({ length: each.call.length, reading: each.reading })
    texts.push(each.call)
  }
  const bytes = joined(texts)
  return { job: { do: 'calls', calls, bytes }, transfer: [bytes.buffer] }
}

/** In memory of their own, which can be given away. */
export function joined(texts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(texts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const text of texts) {
    bytes.set(text, at)
    at += text.length
  }
  return bytes
}
