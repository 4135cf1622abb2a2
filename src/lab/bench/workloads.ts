/** The workloads there are, in the order in which they run, and what each needs of a store. */
import type { Introduction } from '../pipe/pipe-store.ts'
import type { Unit } from './action.ts'

export interface Workload {
  readonly name: string
  readonly about: string
  readonly unit: Unit
  /** What it works on; undefined for what makes its own. */
  readonly loadedBy?: 'load-random' | 'ycsb-load'
  readonly needs?: 'orderedScans' | 'concurrentWriters' | 'files'
  /** How it is done: by actions in the store's process, or by starting the store again and again. */
  readonly how: 'actions' | 'opening' | 'recovery' | 'syncs'
}

const OWN: readonly Workload[] = [
  {
    name: 'load-sequential',
    about: 'inserts in the order of their keys, 1,000 a durable commit',
    unit: 'documents',
    how: 'actions',
  },
  {
    name: 'load-random',
    about: 'inserts with scattered keys, 1,000 a durable commit',
    unit: 'documents',
    how: 'actions',
  },
  {
    name: 'gets',
    about: 'gets of random documents',
    unit: 'operations',
    loadedBy: 'load-random',
    how: 'actions',
  },
  {
    name: 'scans',
    about: 'scans of everything',
    unit: 'documents',
    loadedBy: 'load-random',
    needs: 'orderedScans',
    how: 'actions',
  },
  {
    name: 'ranges',
    about: 'scans of 100 from a random key on',
    unit: 'operations',
    loadedBy: 'load-random',
    needs: 'orderedScans',
    how: 'actions',
  },
  {
    name: 'updates',
    about: 'updates of random documents, 100 a durable commit',
    unit: 'documents',
    loadedBy: 'load-random',
    how: 'actions',
  },
  {
    name: 'commits',
    about: 'one new document a durable commit',
    unit: 'documents',
    loadedBy: 'load-random',
    how: 'actions',
  },
  {
    name: 'writers',
    about: '64 writers, each waiting for its own durable commit of one new document',
    unit: 'documents',
    loadedBy: 'load-random',
    needs: 'concurrentWriters',
    how: 'actions',
  },
  {
    name: 'open',
    about: 'opening what was closed',
    unit: 'operations',
    loadedBy: 'load-random',
    needs: 'files',
    how: 'opening',
  },
  {
    name: 'recovery',
    about: 'opening after kill -9 amid updates',
    unit: 'operations',
    loadedBy: 'load-random',
    needs: 'files',
    how: 'recovery',
  },
  {
    name: 'syncs',
    about: 'syncs of one durable commit, counted by strace',
    unit: 'operations',
    needs: 'files',
    how: 'syncs',
  },
]

const ycsb = (letter: string, about: string, needs?: 'orderedScans'): Workload => ({
  name: `ycsb-${letter}`,
  about,
  unit: 'operations',
  loadedBy: 'ycsb-load',
  ...(needs === undefined ? {} : { needs }),
  how: 'actions',
})

/** In the order that YCSB asks for: D inserts, and E begins with the records alone that were loaded. */
const YCSB: readonly Workload[] = [
  {
    name: 'ycsb-load',
    about: 'inserts of records of 1,000 bytes, 1,000 a durable commit',
    unit: 'documents',
    how: 'actions',
  },
  ycsb('a', '50 % reads, 50 % updates, zipfian'),
  ycsb('b', '95 % reads, 5 % updates, zipfian'),
  ycsb('c', 'reads, zipfian'),
  ycsb('f', '50 % reads, 50 % read-modify-writes, zipfian'),
  ycsb('d', '95 % reads of the latest, 5 % inserts'),
  ycsb('e', '95 % scans of 1 to 100, 5 % inserts, zipfian', 'orderedScans'),
]

export const WORKLOADS: readonly Workload[] = [...OWN, ...YCSB]

const GROUPS: Readonly<Record<string, readonly Workload[]>> = { all: WORKLOADS, own: OWN, ycsb: YCSB }

export const WORKLOAD_WORDS: readonly string[] = [
  ...Object.keys(GROUPS),
  ...WORKLOADS.map(({ name }) => name),
]

/**
 * Those that the words name, with the loads that they need. Throws RangeError for a word that names none.
 */
export function workloadsOf(words: readonly string[]): Workload[] {
  const wanted = new Set<string>()
  for (const word of words) {
    const found = GROUPS[word] ?? WORKLOADS.filter(({ name }) => name === word)
    if (found.length === 0) throw new RangeError(`${word} is none of ${WORKLOAD_WORDS.join(', ')}`)
    for (const { name, loadedBy } of found) {
      wanted.add(name)
      if (loadedBy !== undefined) wanted.add(loadedBy)
    }
  }
  return WORKLOADS.filter(({ name }) => wanted.has(name))
}

/** Why a store is left out of a workload, or undefined. */
export function reasonAgainst(
  { needs }: Workload,
  { capabilities, keepsNothing }: Introduction,
): string | undefined {
  if (needs === 'files') return keepsNothing === true ? 'it keeps nothing' : undefined
  if (needs === 'orderedScans') return capabilities.orderedScans ? undefined : 'it has no ordered scans'
  if (needs === 'concurrentWriters')
    return capabilities.concurrentWriters ? undefined : 'it has no concurrent writers'
  return undefined
}
