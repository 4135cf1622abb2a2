/**
 * Tries states of a recording, and goes on after what is wrong: each way to go wrong is cut down and told once. States
 * that were tried are not tried again.
 */
import { systemClock } from '../../base/clock.ts'
import type { Coverage } from '../coverage.ts'
import { type Lane, makeLanes } from '../crash/lanes.ts'
import type { CrashSubject } from '../crash/subject.ts'
import type { Wrong } from '../crash/verdict.ts'
import { derivedSeed, Random } from '../random.ts'
import { shrink } from '../shrink.ts'
import { buildState, digestOf } from './built-state.ts'
import { Draws } from './draws.ts'
import type { Finds, StateFailure } from './finds.ts'
import { type Choice, LOST, legalise, type Model, pendingOf } from './models.ts'
import { pictureOf } from './picture.ts'
import type { Recording } from './recording.ts'
import { StatePool } from './state-pool.ts'
import { momentAt, type Place, type WalkedMoment, walk } from './walk.ts'

/** States of each moment that are drawn in one walk over the recording, the first walk excepted, which draws one. */
const DRAWN_AT_ONCE = 4
/** Rounds that bring nothing new, after which all is taken to have been tried. */
const IDLE_ROUNDS = 3
const SHRINK_MS = 20_000

export interface StateLimits {
  readonly seed: number
  readonly states: number
  /** By systemClock.monotonic. */
  readonly endMs: number
}

export interface Exploration {
  readonly subject: CrashSubject
  readonly recording: Recording
  readonly model: Model
  readonly limits: StateLimits
  readonly coverage: Coverage
  readonly finds: Finds
}

/** A state that is wrong, as it was found. */
interface Broken {
  readonly wrong: Wrong
  readonly place: Place
  readonly fates: Choice
}

/** Resolves when so many states were tried, the time is up, nothing is new, or `finds` wants no more. */
export async function explore(exploration: Exploration): Promise<void> {
  const search = new Search(exploration)
  try {
    await search.run()
  } finally {
    await search.close()
  }
}

class Search {
  readonly #recording: Recording
  readonly #model: Model
  readonly #limits: StateLimits
  readonly #coverage: Coverage
  readonly #finds: Finds
  readonly #lanes: readonly Lane[]
  readonly #rebuiltFiles: readonly string[]
  readonly #pool: StatePool
  readonly #draws = new Draws()
  readonly #known = new Set<string>()
  /** Found, and not yet told. */
  #broken: Broken[] = []

  constructor({ subject, recording, model, limits, coverage, finds }: Exploration) {
    const { capabilities, rebuiltFiles = [] } = subject.introduction
    this.#recording = recording
    this.#model = model
    this.#limits = limits
    this.#coverage = coverage
    this.#finds = finds
    this.#lanes = makeLanes(recording.seed, capabilities)
    this.#rebuiltFiles = rebuiltFiles
    this.#pool = new StatePool(subject, this.#lanes, limits.states)
  }

  async run(): Promise<void> {
    for (let round = 0, idle = 0; idle < IDLE_ROUNDS && this.#goesOn(); round++) {
      const before = this.#known.size
      let moments = 0
      for (const moment of walk(this.#recording, this.#model, this.#lanes.length, this.#rebuiltFiles)) {
        const random = new Random(derivedSeed(derivedSeed(this.#limits.seed, round), moments++))
        for (let drawn = 0; drawn < (round === 0 ? 1 : DRAWN_AT_ONCE) && this.#goesOn(); drawn++) {
          await this.#look(moment, random)
        }
        if (this.#broken.length > 0) await this.#tell()
        if (!this.#goesOn()) break
      }
      this.#coverage.most('moments', moments)
      idle = this.#known.size === before ? idle + 1 : 0
    }
    await this.#tell()
  }

  #goesOn(): boolean {
    const { states, endMs } = this.#limits
    return this.#known.size < states && systemClock.monotonic() < endMs && !this.#finds.isEnough
  }

  /** Begins to try one state of a moment. */
  async #look({ player, bounds, place }: WalkedMoment, random: Random): Promise<void> {
    const { tree } = player
    const { name, choice, wasIdle } = this.#draws.draw(pendingOf(tree), random)
    const fates = legalise(tree, this.#model, choice)
    const state = buildState(tree, this.#model, fates, this.#rebuiltFiles)
    const digest = digestOf(state, bounds)
    if (this.#known.has(digest)) {
      wasIdle()
      return
    }
    this.#known.add(digest)
    this.#coverage.count('states')
    this.#coverage.count(`states: ${name}`)
    const isKnown = (wrong: Wrong) => this.#finds.has(wrong)
    await this.#pool.begin(state, bounds, isKnown, (wrong) => {
      if (wrong !== undefined && this.#finds.add(wrong)) this.#broken.push({ wrong, place, fates })
    })
  }

  /** Tells of what was found since, when all that was begun has been checked. */
  async #tell(): Promise<void> {
    await this.#pool.settled()
    const broken = this.#broken
    this.#broken = []
    for (const each of broken) await this.#finds.tell(await this.#shortest(each), this.#recording)
  }

  /** The fewest losses that are still wrong in the same way. */
  async #shortest({ wrong, place, fates }: Broken): Promise<StateFailure> {
    const moment = momentAt(this.#recording, this.#model, this.#lanes.length, this.#rebuiltFiles, place)!
    const { tree } = moment.player
    const endMs = systemClock.monotonic() + SHRINK_MS
    let best = { wrong, fates: new Map(fates) }
    const fails = async (sequences: readonly number[]) => {
      const fewer = new Map(sequences.map((sequence) => [sequence, fates.get(sequence) ?? LOST]))
      const legal = legalise(tree, this.#model, fewer)
      const state = buildState(tree, this.#model, legal, this.#rebuiltFiles)
      const isSame = ({ signature }: Wrong) => signature === wrong.signature
      const again = await this.#pool.check(state, moment.bounds, isSame)
      if (again === undefined || !isSame(again)) return false
      best = { wrong: again, fates: legal }
      return true
    }
    if (fates.size > 1) await shrink([...fates.keys()], fails, () => systemClock.monotonic() < endMs)
    const picture = pictureOf(pendingOf(tree), best.fates, moment.player)
    return { wrong: best.wrong, place, fates: [...best.fates], picture }
  }

  async close(): Promise<void> {
    await this.#pool.close()
  }
}
