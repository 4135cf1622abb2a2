/**
 * One thread from outside. It is given one job at a time, so that nothing waits in it: whoever ends it harms that job alone.
 * It is ended when a job takes no step for longer than a step may take, since native code of the engine (an array's `join`, a sort,
 * a big number) does not ask whether its time is over.
 */
import { type TransferListItem, Worker } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import type { CompiledModule } from '../sandbox/web-assembly.ts'
import { CRASHED, type Failure, TIMED_OUT } from '../script-error.ts'
import { Progress, type Reply, type ThreadData, type Work } from './protocol.ts'
import { OwedReply, type Runner, RunnerGone } from './runner.ts'

export interface ScriptThreadOptions {
  module: CompiledModule
  clock: Clock
  mostSandboxes: number
  idleMs: number
  restsOften: boolean
  onGone: (runner: Runner) => void
}

/** Beyond the time of a step, for the engine to end it itself. */
const GRACE_MS = 250
const LEAST_CHECK_MS = 20
/** A thread begins with the engine's module compiled, and little else. */
const HEAP_MEGABYTES = 192
/** The engine's frames lie on the thread's stack, several times as long as on its own. */
const STACK_MEGABYTES = 16

export class ScriptThread implements Runner {
  readonly #options: ScriptThreadOptions
  readonly #worker: Worker
  readonly #progress = new Progress()
  readonly #reply = new OwedReply()
  #stopWatching: (() => void) | undefined
  #isGone = false
  /** Why it was ended. */
  #failure: Failure = CRASHED

  constructor(options: ScriptThreadOptions) {
    this.#options = options
    const { module, mostSandboxes, idleMs, restsOften } = options
    const progress = this.#progress.shared
    const workerData: ThreadData = { module, progress, mostSandboxes, idleMs, restsOften }
    this.#worker = new Worker(new URL('./thread.js', import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEGABYTES, stackSizeMb: STACK_MEGABYTES },
    })
    this.#worker.unref()
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', () => {})
    this.#worker.on('exit', () => this.#onExit())
  }

  get isBusy(): boolean {
    return this.#reply.isOwed
  }

  get busySinceMs(): number {
    return this.#reply.sinceMs
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Engines are opened with the limits of their work. */
  suits(): boolean {
    return true
  }

  async run(work: Work, transfer: readonly TransferListItem[], stepMs: number): Promise<Reply> {
    const owed = this.#reply.begin(this.#options.clock.monotonic())
    this.#progress.call = 0
    if (this.#isGone) {
      this.#settle(new RunnerGone(CRASHED, 0))
      return owed
    }
    this.#worker.ref()
    // Until the thread has begun, its time is the machine's.
    this.#progress.isWaiting = true
    this.#watch(stepMs + GRACE_MS)
    this.#worker.postMessage(work, transfer)
    return owed
  }

  end(failure: Failure): Promise<void> {
    this.#failure = failure
    return this.#worker.terminate().then(() => {})
  }

  #watch(mostMs: number): void {
    const { clock } = this.#options
    let steps = this.#progress.steps
    let sinceMs = clock.monotonic()
    const check = (): void => {
      const now = clock.monotonic()
      if (this.#progress.steps !== steps || this.#progress.isWaiting) {
        steps = this.#progress.steps
        sinceMs = now
      } else if (now - sinceMs >= mostMs) {
        void this.end(TIMED_OUT)
        return
      }
      this.#stopWatching = clock.after(Math.max(LEAST_CHECK_MS, mostMs / 8), check)
    }
    check()
  }

  #settle(reply: Reply | RunnerGone): void {
    this.#stopWatching?.()
    this.#worker.unref()
    this.#reply.give(reply)
  }

  #onExit(): void {
    this.#isGone = true
    const { call } = this.#progress
    this.#options.onGone(this)
    this.#settle(new RunnerGone(this.#failure, call))
  }
}
