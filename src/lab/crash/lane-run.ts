/**
 * Lanes committing side by side on an open store. What is known of each lane is kept after every answer, so that it can
 * be asked for at any moment, and after the store's process has been killed.
 */
import { messageOf } from '../lab-error.ts'
import type { Opened } from '../opened.ts'
import { ProcessEnded } from '../pipe/store-process.ts'
import type { Lane } from './lanes.ts'
import { type Bounds, Wrong } from './verdict.ts'

export class LaneRun {
  readonly #lanes: readonly Lane[]
  readonly #begun: number[]
  readonly #durable: number[]
  readonly #answered: number[]
  readonly #excuses: () => boolean
  #acknowledged = 0
  #refusals = 0
  #ending: ProcessEnded | undefined
  #waiting: { count: number; wake: () => void } | undefined

  /**
   * @param shown commits that each lane has come to: of them nothing may be lost any more.
   * @param durable where those that the store has shown are more than may not be lost.
   * @param excuses whether a commit may be refused now: its lane ends with it, and it may have happened or not.
   */
  constructor(
    lanes: readonly Lane[],
    shown: readonly number[],
    durable: readonly number[] = shown,
    excuses: () => boolean = () => false,
  ) {
    this.#lanes = lanes
    this.#begun = [...shown]
    this.#durable = [...durable]
    this.#answered = [...shown]
    this.#excuses = excuses
  }

  get bounds(): Bounds[] {
    return this.#lanes.map((_, index) => ({ low: this.#durable[index]!, high: this.#begun[index]! }))
  }

  /** Where nothing crashes: what was acknowledged is there, whether it is durable or not. */
  get boundsWithoutCrash(): Bounds[] {
    return this.#lanes.map((_, index) => ({ low: this.#answered[index]!, high: this.#begun[index]! }))
  }

  /** Commits that were refused with an excuse. */
  get refusals(): number {
    return this.#refusals
  }

  /** Why the store's process ended, when it has. */
  get ending(): ProcessEnded | undefined {
    return this.#ending
  }

  /** Commits that were acknowledged so far, of all lanes. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Commits on all lanes until `goesOn` says no, or the store's process has ended. Rejects with Wrong for a commit that was refused. */
  async run(opened: Pick<Opened, 'write'>, goesOn: (acknowledged: number) => boolean): Promise<void> {
    await Promise.all(this.#lanes.map((lane, index) => this.#runLane(opened, lane, index, goesOn)))
  }

  async #runLane(
    opened: Pick<Opened, 'write'>,
    lane: Lane,
    index: number,
    goesOn: (acknowledged: number) => boolean,
  ): Promise<void> {
    while (goesOn(this.#acknowledged)) {
      const { number, operations, durable } = lane.commit(this.#begun[index]! + 1)
      this.#begun[index] = number
      try {
        await opened.write(operations, { durable })
      } catch (error) {
        if (error instanceof ProcessEnded) {
          this.#ending = error
          return
        }
        if (this.#excuses()) {
          this.#refusals += 1
          return
        }
        throw new Wrong('write refused', `commit ${number} of ${lane.name}: ${messageOf(error)}`)
      }
      this.#answered[index] = number
      if (durable) this.#durable[index] = number
      this.#acknowledged += 1
      if (this.#waiting !== undefined && this.#acknowledged >= this.#waiting.count) this.#waiting.wake()
    }
  }

  /** Resolves once so many commits were acknowledged. */
  acknowledges(count: number): Promise<void> {
    if (this.#acknowledged >= count) return Promise.resolve()
    return new Promise((wake) => {
      this.#waiting = { count, wake }
    })
  }
}
