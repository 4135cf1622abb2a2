/** Several runners side by side, for as many processors as there are: each has a process of its own. */
import { availableParallelism } from 'node:os'
import type { Lane } from '../crash/lanes.ts'
import type { CrashSubject } from '../crash/subject.ts'
import type { Bounds, Wrong } from '../crash/verdict.ts'
import type { BuiltState } from './built-state.ts'
import { StateRunner } from './state-runner.ts'

const MOST_RUNNERS = 4
/** A process more is worth its start for so many states. */
const STATES_EACH = 50

export class StatePool {
  readonly #idle: StateRunner[]
  readonly #all: readonly StateRunner[]
  readonly #running = new Set<Promise<void>>()
  #error: { readonly error: unknown } | undefined

  /** @param states how many there may be. */
  constructor(subject: CrashSubject, lanes: readonly Lane[], states: number) {
    const count = Math.max(1, Math.min(MOST_RUNNERS, availableParallelism(), Math.ceil(states / STATES_EACH)))
    this.#all = Array.from({ length: count }, () => new StateRunner(subject, lanes))
    this.#idle = [...this.#all]
  }

  /**
   * Begins to check a state as soon as a runner is free, and resolves then; `isKnown` as in StateRunner. Rejects with
   * what any check before has rejected with.
   */
  async begin(
    state: BuiltState,
    bounds: readonly Bounds[],
    isKnown: (wrong: Wrong) => boolean,
    done: (wrong: Wrong | undefined) => void,
  ): Promise<void> {
    while (this.#idle.length === 0) await Promise.race(this.#running)
    this.#assertWell()
    const runner = this.#idle.pop()!
    const running = runner
      .check(state, bounds, isKnown)
      .then(done)
      .catch((error: unknown) => {
        this.#error ??= { error }
      })
      .finally(() => {
        this.#idle.push(runner)
        this.#running.delete(running)
      })
    this.#running.add(running)
  }

  /** As StateRunner's, when none is being checked. */
  check(
    state: BuiltState,
    bounds: readonly Bounds[],
    isKnown: (wrong: Wrong) => boolean,
  ): Promise<Wrong | undefined> {
    return this.#all[0]!.check(state, bounds, isKnown)
  }

  /** Resolves when none is being checked. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
    this.#assertWell()
  }

  #assertWell(): void {
    if (this.#error !== undefined) throw this.#error.error
  }

  async close(): Promise<void> {
    await Promise.all(this.#running)
    await Promise.all(this.#all.map((runner) => runner.close()))
  }
}
