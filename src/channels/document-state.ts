import { type TimedSet, updatedSet } from './timed-set.ts'

/** What the sync function says of a revision. */
export interface SyncOutput {
  channels: string[]
  /** Channels by user, or `role:` and a role. */
  access: Map<string, string[]>
  /** Roles by user. */
  roles: Map<string, string[]>
}

/** Where a document left a channel. */
export interface Removal {
  seq: number
  rev: string
  deleted: boolean
}

export interface DocumentState {
  /** Undefined: it is in the channel. */
  channels: Map<string, Removal | undefined>
  /** Channels, by user or role, with the sequence of the grant. */
  access: Map<string, TimedSet>
  roles: Map<string, TimedSet>
}

export const EMPTY_OUTPUT: SyncOutput = { channels: [], access: new Map(), roles: new Map() }
export const EMPTY_STATE: DocumentState = { channels: new Map(), access: new Map(), roles: new Map() }

/**
 * Channels that a document remembers to have left. The oldest are forgotten: who has not asked for changes since does not
 * hear that the document left them.
 */
const MOST_REMOVALS = 1000

interface Write {
  seq: number
  /** The winning revision, after the write. */
  rev: string
  deleted: boolean
}

/** The state of a document once `output` is what its winning revision says. */
export function nextState(
  before: DocumentState,
  output: SyncOutput,
  { seq, rev, deleted }: Write,
): DocumentState {
  const channels = new Map<string, Removal | undefined>()
  for (const name of output.channels) channels.set(name, undefined)
  const removals: [string, Removal][] = []
  for (const [name, removal] of before.channels) {
    if (channels.has(name)) continue
    removals.push([name, removal ?? { seq, rev, deleted }])
  }
  if (removals.length > MOST_REMOVALS) {
    removals.sort(([, a], [, b]) => b.seq - a.seq)
    removals.length = MOST_REMOVALS
  }
  for (const [name, removal] of removals) channels.set(name, removal)
  return {
    channels,
    access: nextGrants(before.access, output.access, seq),
    roles: nextGrants(before.roles, output.roles, seq),
  }
}

/** What was granted before keeps its sequence. */
function nextGrants(
  before: ReadonlyMap<string, TimedSet>,
  said: ReadonlyMap<string, readonly string[]>,
  seq: number,
): Map<string, TimedSet> {
  const after = new Map<string, TimedSet>()
  for (const [name, values] of said) after.set(name, updatedSet(before.get(name) ?? new Map(), values, seq))
  return after
}
