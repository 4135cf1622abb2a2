/** Cases that once failed. The smoke run plays them again: `known-seeds.json`, a list of these. */
import { readFileSync } from 'node:fs'

export interface KnownSeed {
  readonly target: string
  readonly seed: number
  /** How many events, from the first; or their numbers. */
  readonly events: number | readonly number[]
  /** What it showed. */
  readonly bug: string
}

// The compiled program lies in dist/fuzz/, the list stays beside the sources.
const FILES = ['./known-seeds.json', '../../fuzz/known-seeds.json']

/** Throws when the list is missing or is none. */
export function knownSeeds(): readonly KnownSeed[] {
  for (const name of FILES) {
    const text = textAt(new URL(name, import.meta.url))
    if (text === undefined) continue
    const seeds: unknown = JSON.parse(text)
    if (!Array.isArray(seeds)) throw new TypeError('known-seeds.json holds no list')
    return seeds as KnownSeed[]
  }
  throw new Error('there is no known-seeds.json')
}

function textAt(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8')
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined
    throw error
  }
}
