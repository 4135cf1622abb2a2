/**
 * Tries states of a recording until one is wrong. At each moment that kind of choice is made which was made least where
 * the same things were pending; states that were tried are not tried again.
 */
import { createHash } from 'node:crypto'
import { systemClock } from '../../base/clock.ts'
import type { Coverage } from '../coverage.ts'
import { makeLanes } from '../crash/lanes.ts'
import type { CrashSubject } from '../crash/subject.ts'
import type { Bounds, Wrong } from '../crash/verdict.ts'
import { derivedSeed, Random } from '../random.ts'
import { shrink } from '../shrink.ts'
import {
  type Choice,
  drawnFate,
  type Fate,
  isName,
  LOST,
  legalise,
  type Model,
  pendingOf,
  stateOf,
} from './models.ts'
import { type PictureRow, pictureOf } from './picture.ts'
import type { Recording } from './recording.ts'
import { StateRunner } from './state-runner.ts'
import type { Pending, TracedTree } from './traced-tree.ts'
import { type Place, type WalkedMoment, walk } from './walk.ts'

/** Rounds that bring nothing new, after which all is taken to have been tried. */
const IDLE_ROUNDS = 12
const SHRINK_MS = 20_000

export interface StateLimits {
  readonly seed: number
  readonly states: number
  /** By systemClock.monotonic. */
  readonly endMs: number
}

export interface StateFailure {
  readonly wrong: Wrong
  readonly place: Place
  readonly fates: readonly (readonly [sequence: number, fate: Fate])[]
  readonly picture: readonly PictureRow[]
}

type Draw = (pending: readonly Pending[], random: Random) => Map<number, Fate>

function fatesOf(chosen: readonly Pending[], fate: (each: Pending) => Fate = () => LOST): Map<number, Fate> {
  return new Map(chosen.map((each) => [each.sequence, fate(each)]))
}

const one =
  (kind: 'lost' | 'torn' | 'hollow'): Draw =>
  (pending, random) =>
    fatesOf([random.pick(pending)], () => (kind === 'lost' ? LOST : { kind, seed: random.next() }))

const DRAWS: readonly (readonly [name: string, draw: Draw])[] = [
  ['all kept', () => new Map()],
  ['all lost', (pending) => fatesOf(pending)],
  ['lost from one on', (pending, random) => fatesOf(pending.slice(random.int(pending.length)))],
  ['one lost', one('lost')],
  ['one torn', one('torn')],
  ['one hollow', one('hollow')],
  ['data lost', (pending) => fatesOf(pending.filter((each) => !isName(each)))],
  ['names lost', (pending) => fatesOf(pending.filter(isName))],
  [
    'any',
    (pending, random) => {
      const share = random.pick([0.1, 0.5, 0.9])
      return fatesOf(
        pending.filter(() => random.bool(share)),
        (each) => drawnFate(each, random),
      )
    },
  ],
]

export async function explore(
  subject: CrashSubject,
  recording: Recording,
  model: Model,
  limits: StateLimits,
  coverage: Coverage,
): Promise<StateFailure | undefined> {
  const { capabilities, rebuiltFiles = [] } = subject.introduction
  const lanes = makeLanes(recording.seed, capabilities)
  const runner = new StateRunner(subject, lanes)
  const search = new Search(runner, model, coverage)
  try {
    for (let round = 0, idle = 0; idle < IDLE_ROUNDS; round++) {
      const before = search.tried
      let moments = 0
      for (const moment of walk(recording, model, lanes.length, rebuiltFiles)) {
        if (search.tried >= limits.states || systemClock.monotonic() >= limits.endMs) return undefined
        const random = new Random(derivedSeed(derivedSeed(limits.seed, round), moments++))
        const failure = await search.look(moment, random)
        if (failure !== undefined) return failure
      }
      coverage.most('moments', moments)
      idle = search.tried === before ? idle + 1 : 0
    }
    return undefined
  } finally {
    await runner.close()
  }
}

class Search {
  readonly #runner: StateRunner
  readonly #model: Model
  readonly #coverage: Coverage
  readonly #made = new Map<string, number>()
  readonly #known = new Set<string>()

  constructor(runner: StateRunner, model: Model, coverage: Coverage) {
    this.#runner = runner
    this.#model = model
    this.#coverage = coverage
  }

  get tried(): number {
    return this.#known.size
  }

  /** Tries one state of a moment. */
  async look({ player, bounds, place }: WalkedMoment, random: Random): Promise<StateFailure | undefined> {
    const { tree } = player
    const pending = pendingOf(tree)
    const [name, draw] = pending.length === 0 ? DRAWS[0]! : this.#leastMade(pending, random)
    const fates = legalise(tree, this.#model, draw(pending, random))
    const digest = digestOf(tree, this.#model, fates, bounds)
    if (this.#known.has(digest)) return undefined
    this.#known.add(digest)
    this.#coverage.count('states')
    this.#coverage.count(`states: ${name}`)
    const wrong = await this.#runner.check(tree, this.#model, fates, bounds)
    if (wrong === undefined) return undefined
    const shortest = await this.#shortest(tree, fates, bounds, wrong)
    const picture = pictureOf(pending, shortest.fates, player)
    return { wrong: shortest.wrong, place, fates: [...shortest.fates], picture }
  }

  #leastMade(pending: readonly Pending[], random: Random): (typeof DRAWS)[number] {
    const what = [...new Set(pending.map((each) => (isName(each) ? `name` : each.kind)))].sort().join()
    const key = (name: string) => `${what} ${Math.min(pending.length, 4)} ${name}`
    const counts = DRAWS.map(([name]) => this.#made.get(key(name)) ?? 0)
    const least = Math.min(...counts)
    const chosen = random.pick(DRAWS.filter((_, index) => counts[index] === least))
    this.#made.set(key(chosen[0]), least + 1)
    return chosen
  }

  /** The fewest losses that are still wrong. */
  async #shortest(
    tree: TracedTree,
    fates: Choice,
    bounds: readonly Bounds[],
    wrong: Wrong,
  ): Promise<{ fates: Map<number, Fate>; wrong: Wrong }> {
    const endMs = systemClock.monotonic() + SHRINK_MS
    let best = { fates: new Map(fates), wrong }
    const fails = async (sequences: readonly number[]) => {
      const fewer = new Map(sequences.map((sequence) => [sequence, fates.get(sequence) ?? LOST]))
      const legal = legalise(tree, this.#model, fewer)
      const again = await this.#runner.check(tree, this.#model, legal, bounds)
      if (again !== undefined) best = { fates: legal, wrong: again }
      return again !== undefined
    }
    if (fates.size > 1) await shrink([...fates.keys()], fails, () => systemClock.monotonic() < endMs)
    return best
  }
}

function digestOf(tree: TracedTree, model: Model, fates: Choice, bounds: readonly Bounds[]): string {
  const hash = createHash('sha1')
  for (const [path, { image }] of stateOf(tree, model, fates)) {
    hash.update(`${path}\0${image.length}\0`).update(image.slice(0, image.length))
  }
  return hash.update(bounds.map(({ low, high }) => `${low},${high}`).join()).digest('base64')
}
