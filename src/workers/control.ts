/**
 * What the main thread tells a running job without a message, so that a job that is busy sees it at its next step:
 * two 32-bit words of shared memory, the first one of `STOP`, the second the share of its time that the job may
 * work, in thousandths.
 */
export const STOP = { no: 0, keep: 1, discard: 2 } as const

export type Stop = (typeof STOP)[keyof typeof STOP]

const STOP_AT = 0
const SHARE_AT = 1
const BYTES = 8
export const WHOLE_SHARE = 1000

export class JobControl {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(BYTES)
    this.#words = new Int32Array(this.shared)
    if (shared === undefined) this.share = WHOLE_SHARE
  }

  get stop(): Stop {
    return Atomics.load(this.#words, STOP_AT) as Stop
  }

  /** What was said first counts, but for a discard. */
  set stop(stop: Stop) {
    if (this.stop < stop) Atomics.store(this.#words, STOP_AT, stop)
  }

  get share(): number {
    return Atomics.load(this.#words, SHARE_AT)
  }

  set share(thousandths: number) {
    Atomics.store(this.#words, SHARE_AT, Math.max(1, Math.min(WHOLE_SHARE, Math.round(thousandths))))
  }
}
