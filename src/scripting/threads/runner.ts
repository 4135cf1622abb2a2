/** Who runs design functions, a thread or a process: one piece of work at a time. */
import type { TransferListItem } from 'node:worker_threads'
import type { Limits } from '../limits.ts'
import { type Failure, ScriptError } from '../script-error.ts'
import type { Reply, Work } from './protocol.ts'

export interface Runner {
  readonly isBusy: boolean
  readonly busySinceMs: number
  readonly isGone: boolean
  /** Whether it keeps to these limits. */
  suits(limits: Limits): boolean
  /** `stepMs` is what a step may take. Rejects with RunnerGone. */
  run(work: Work, transfer: readonly TransferListItem[], stepMs: number): Promise<Reply>
  end(failure: Failure): Promise<void>
}

export type StartRunner = (limits: Limits, onGone: (runner: Runner) => void) => Runner

/** Why a job has no reply: its runner ended while it ran this call of it; undefined where nobody knows which. */
export class RunnerGone extends ScriptError {
  readonly call: number | undefined

  constructor(failure: Failure, call: number | undefined) {
    super(failure)
    this.call = call
  }
}

/** The reply that a runner owes for its work, of which it has one at a time. */
export class OwedReply {
  /** When the work was given. */
  sinceMs = 0
  #resolve: ((reply: Reply) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  get isOwed(): boolean {
    return this.#resolve !== undefined
  }

  begin(nowMs: number): Promise<Reply> {
    this.sinceMs = nowMs
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Where none is owed, nothing happens. */
  give(reply: Reply | RunnerGone): void {
    const [resolve, reject] = [this.#resolve, this.#reject]
    this.#resolve = undefined
    this.#reject = undefined
    if (reply instanceof RunnerGone) reject?.(reply)
    else resolve?.(reply)
  }
}
