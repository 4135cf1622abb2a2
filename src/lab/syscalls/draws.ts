/** Which of the pending changes a state loses: kinds of choices, each made as often as the others. */
import type { Random } from '../random.ts'
import { drawnFate, type Fate, isName, LOST } from './models.ts'
import type { Pending } from './traced-tree.ts'

type Draw = (pending: readonly Pending[], random: Random) => Map<number, Fate>

function fatesOf(chosen: readonly Pending[], fate: (each: Pending) => Fate = () => LOST): Map<number, Fate> {
  return new Map(chosen.map((each) => [each.sequence, fate(each)]))
}

const one =
  (kind: 'lost' | 'torn' | 'hollow'): Draw =>
  (pending, random) =>
    fatesOf([random.pick(pending)], () => (kind === 'lost' ? LOST : { kind, seed: random.next() }))

const ALL_KEPT = 'all kept'

const DRAWS: readonly (readonly [name: string, draw: Draw])[] = [
  [ALL_KEPT, () => new Map()],
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

/** A draw that brought nothing new counts as so many. */
const IDLE_DRAW = 12

/** Makes that kind of choice which was made least where the same things were pending; one that brings nothing new, seldom. */
export class Draws {
  readonly #made = new Map<string, number>()

  /** Not every model allows the choice. `wasIdle` is to be called when it came to a state that was known. */
  draw(
    pending: readonly Pending[],
    random: Random,
  ): { name: string; choice: Map<number, Fate>; wasIdle: () => void } {
    if (pending.length === 0) return { name: ALL_KEPT, choice: new Map(), wasIdle: () => {} }
    const what = [...new Set(pending.map((each) => (isName(each) ? 'name' : each.kind)))].sort().join()
    const key = (name: string) => `${what} ${Math.min(pending.length, 4)} ${name}`
    const counts = DRAWS.map(([name]) => this.#made.get(key(name)) ?? 0)
    const least = Math.min(...counts)
    const [name, draw] = random.pick(DRAWS.filter((_, index) => counts[index] === least))
    this.#made.set(key(name), least + 1)
    const wasIdle = () => this.#made.set(key(name), least + IDLE_DRAW)
    return { name, choice: draw(pending, random), wasIdle }
  }
}
