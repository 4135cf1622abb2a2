/** Sequences of a source: numbers, or texts that are opaque behind the number that they begin with. */
export type Sequence = string | number

/** Undefined: nobody can say which of two such sequences is the later one. */
export function sequenceNumber(sequence: Sequence): number | undefined {
  if (typeof sequence === 'number') return sequence
  const found = /^(?:\[\s*)?"?(\d{1,15})(?!\d)/.exec(sequence)
  return found === null ? undefined : Number(found[1])
}
