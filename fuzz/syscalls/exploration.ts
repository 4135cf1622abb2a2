/** Goes over the moments of a recorded run, builds what a crash could leave at each, and checks it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallPlayer } from '../../src/lab/syscalls/call-player.ts'
import type { Random } from '../../test/support/random.ts'
import type { Coverage } from '../coverage.ts'
import { crashStates } from './crash-states.ts'
import type { RecordedRequests } from './recorded-requests.ts'
import { checkInMemory, checkOnDisk } from './state-check.ts'
import { serverPlayer, TracedRequests } from './traced-requests.ts'

/** One in so many states is opened as real files. */
const ON_DISK = 0.01

export interface ExplorationOptions {
  readonly dataDir: string
  readonly requests: RecordedRequests
  readonly coverage: Coverage
  /** Where real files may be put; without it all is done in memory. */
  readonly folder?: string
}

export class Exploration {
  readonly player: CallPlayer
  /** How far the recorded requests had come. */
  readonly progress = new TracedRequests()
  readonly #options: ExplorationOptions
  readonly #known = new Set<string>()

  constructor(options: ExplorationOptions) {
    this.#options = options
    this.player = serverPlayer(options.dataDir, this.progress)
  }

  /**
   * Plays the trace of the next process. `nextRandom` gives the draws of each moment, undefined to end. Returns
   * whether it came to its end; throws at the first state that is wrong, with its place in `name`.
   */
  async play(text: string, name: string, nextRandom: () => Random | undefined): Promise<boolean> {
    const { player } = this
    for (const { kind, line } of player.play(text)) {
      const random = nextRandom()
      if (random === undefined) return false
      for (const state of crashStates(player.tree, random)) {
        try {
          await this.#check(state, random)
        } catch (error) {
          const place = `${name}:${line}, before the ${kind}, ${state.how}`
          throw new Error(`${place}: ${(error as Error).message}`, { cause: error })
        }
      }
    }
    return true
  }

  async #check(state: Parameters<typeof checkInMemory>[0], random: Random): Promise<void> {
    const { dataDir, requests, coverage, folder } = this.#options
    coverage.count('states')
    coverage.count(`states:${state.how.replace(/\d+/g, 'n')}`)
    if (folder !== undefined && random.bool(ON_DISK)) {
      coverage.count('statesOnDisk')
      const copy = await mkdtemp(join(folder, 'state-'))
      await checkOnDisk(state, dataDir, requests, this.progress, copy)
      await rm(copy, { recursive: true })
      return
    }
    await checkInMemory(state, dataDir, requests, this.progress, random, this.#known, (outcome) =>
      coverage.count(`recovered:${outcome}`),
    )
  }
}
