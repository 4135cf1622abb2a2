/**
 * Whether what a lane shows after a crash may be: what it held after exactly n of its commits, for some n from the last
 * commit that was acknowledged as durable to the last that was begun. Where it may not, what is wrong is named.
 */
import type { Lane } from './lanes.ts'

export type WrongKind =
  | 'acknowledged write lost'
  | 'never written'
  | 'half of a transaction'
  | 'order broken'
  | 'not opened'
  | 'not read'
  | 'scan wrong'
  | 'write refused'
  | 'not closed'
  | 'hangs'
  | 'ended by itself'

/** Those of which the store tells the reason. */
const REASONED: readonly WrongKind[] = [
  'not opened',
  'not read',
  'write refused',
  'not closed',
  'ended by itself',
]

/** What a crash must not do to a store. */
export class Wrong extends Error {
  readonly kind: WrongKind
  /** The message without the kind. */
  readonly what: string

  constructor(kind: WrongKind, what: string) {
    super(`${kind}: ${what}`)
    this.kind = kind
    this.what = what
  }

  /** The same for what goes wrong in the same way: by the kind, and the reason without its numbers where the store gave one. */
  get signature(): string {
    return REASONED.includes(this.kind) ? `${this.kind}: ${this.what.replaceAll(/\d+/g, '#')}` : this.kind
  }
}

export interface Bounds {
  /** The last commit that was acknowledged as durable; 0 for none. */
  readonly low: number
  /** The last commit that was begun. */
  readonly high: number
}

/** How many commits the lane shows. Throws Wrong. `found` may hold keys of other lanes, which are left alone. */
export function judgeLane(lane: Lane, found: ReadonlyMap<string, Buffer>, { low, high }: Bounds): number {
  const keys = lane.keys(high)
  for (let number = high; number >= low; number--) {
    if (keys.every((key) => isSame(lane.valueAfter(key, number)?.value, found.get(key)))) return number
  }
  throw explain(lane, keys, found, { low, high })
}

/** Throws Wrong for a key that no lane writes. */
export function refuseStrangers(lanes: readonly Lane[], found: ReadonlyMap<string, Buffer>): void {
  for (const key of found.keys()) {
    if (!lanes.some((lane) => lane.hasKey(key))) {
      throw new Wrong(
        'never written',
        `there is a key ${JSON.stringify(key.slice(0, 60))} that nobody has written`,
      )
    }
  }
}

function isSame(expected: Buffer | undefined, found: Buffer | undefined): boolean {
  return expected === undefined || found === undefined ? expected === found : expected.equals(found)
}

/** Commits after which the key holds what was found: from `first` to `last`. */
interface Stay {
  readonly key: string
  readonly first: number
  readonly last: number
}

/** All stays of a key at what was found, in order. */
function staysOf(lane: Lane, key: string, found: Buffer | undefined, high: number): Stay[] {
  const versions = [{ number: 0, value: undefined }, ...lane.versions(key, high)]
  const stays: Stay[] = []
  for (const [index, { number, value }] of versions.entries()) {
    const last = (versions[index + 1]?.number ?? high + 1) - 1
    if (isSame(value, found)) stays.push({ key, first: number, last })
  }
  return stays
}

function explain(
  lane: Lane,
  keys: readonly string[],
  found: ReadonlyMap<string, Buffer>,
  { low, high }: Bounds,
): Wrong {
  const newest: Stay[] = []
  for (const key of keys) {
    const stays = staysOf(lane, key, found.get(key), high)
    const stay = stays.at(-1)
    if (stay === undefined) {
      const bytes = found.get(key)
      const what =
        bytes === undefined ? 'is missing' : `holds ${bytes.length} bytes that nobody has written to it`
      return new Wrong('never written', `${key} ${what}`)
    }
    if (stay.last < low) {
      const lost = lane.versions(key, low).at(-1)!
      const what = lost.value === undefined ? 'deleted' : 'put'
      const shows = stay.first === 0 ? 'nothing' : `what commit ${stay.first} left`
      return new Wrong(
        'acknowledged write lost',
        `commit ${lost.number} of ${lane.name} ${what} ${key} and was acknowledged (as was commit ${low}); it shows ${shows}`,
      )
    }
    newest.push(stay)
  }
  const late = newest.reduce((most, stay) => (stay.first > most.first ? stay : most))
  const early = newest.reduce((least, stay) => (stay.last < least.last ? stay : least))
  const missed = early.last + 1
  const pair = `${late.key} is as after commit ${late.first} of ${lane.name}, ${early.key} as before commit ${missed}`
  return missed === late.first ? new Wrong('half of a transaction', pair) : new Wrong('order broken', pair)
}
