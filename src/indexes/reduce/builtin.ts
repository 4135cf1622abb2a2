/**
 * The built-in reduces by the names that design documents have. As in CouchDB, what stands behind most names is not looked at:
 * `_sum2` is `_sum`. What is no such name has been refused when the design document was written.
 */
import { distinct } from './distinct.ts'
import { fingerprint } from './fingerprint.ts'
import { ranking } from './rank.ts'
import { stats } from './stats.ts'
import { sum } from './sum.ts'
import type { Summarizer } from './summarizer.ts'

/** `count`, `first` and `last` are read off a range of the tree; the others keep summaries in it. */
export type Builtin = 'count' | 'first' | 'last' | Summarizer

const RANKED = /^_(top|bottom)_\+?0*([1-9][0-9]*)$/
const BY_PREFIX: readonly (readonly [string, Builtin])[] = [
  ['_sum', sum],
  ['_count', 'count'],
  ['_stats', stats],
  ['_approx_count_distinct', distinct],
  ['_first', 'first'],
  ['_last', 'last'],
]

/** Undefined for a function's text, and for names of nothing. */
export function builtinOf(reduce: string): Builtin | undefined {
  const ranked = RANKED.exec(reduce)
  if (ranked !== null) return ranking(ranked[1] as 'top' | 'bottom', Number(ranked[2]))
  return BY_PREFIX.find(([prefix]) => reduce.startsWith(prefix))?.[1]
}

/** What keeps summaries in a tree with these reduces, in this order: built-in ones, each once, and what functions need. */
export function summarizersOf(reduces: readonly string[]): Summarizer[] {
  const found = new Map<string, Summarizer>()
  for (const reduce of reduces) {
    const builtin = builtinOf(reduce) ?? fingerprint
    if (typeof builtin === 'object') found.set(builtin.name, builtin)
  }
  return [...found.values()]
}
