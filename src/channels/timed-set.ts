/**
 * Names, each with the sequence since which somebody has it: channels of a user, roles, grants. Of several grants of one
 * name the earliest counts.
 */
export type TimedSet = Map<string, number>

/** Adds a name, or makes it earlier. */
export function addTimed(set: TimedSet, name: string, sequence: number): void {
  const known = set.get(name)
  if (known === undefined || sequence < known) set.set(name, sequence)
}

/** `names` and no others: those that were there keep their sequence, new ones have `sequence`. */
export function updatedSet(
  before: ReadonlyMap<string, number>,
  names: Iterable<string>,
  sequence: number,
): TimedSet {
  const after: TimedSet = new Map()
  for (const name of names) after.set(name, before.get(name) ?? sequence)
  return after
}

/** Whether it holds these names and no others. */
export function hasExactly(set: ReadonlyMap<string, number>, names: ReadonlySet<string>): boolean {
  if (set.size !== names.size) return false
  for (const name of names) if (!set.has(name)) return false
  return true
}

/** As an object of JSON, in the order of the names. */
export function timedObject(set: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...set].sort(([a], [b]) => (a < b ? -1 : 1)))
}
