/** What `bench -- btree` is asked for. */
import { parseArgs } from 'node:util'
import { ENGINE_NAMES, OURS } from '../peers/engines.ts'
import { BARE } from './step.ts'

/** Names of parts of the run, in their order. Each needs `load`. */
export const PARTS = [
  'load',
  'gets-512',
  'gets-64',
  'scans',
  'commits',
  'writers',
  'updates',
  'kills',
  'syncs',
] as const
export type Part = (typeof PARTS)[number]

export interface BtreeArguments {
  rounds: number
  documents: number
  engines: string[]
  parts: Part[]
  kills: number
  seed: number
  /** Parent of the folder of the run; undefined for the system's for temporary files. */
  folder: string | undefined
  /** Where the JSON goes; undefined for the usual place, empty for nowhere. */
  out: string | undefined
  /** Folder for CPU profiles of our processes. */
  profile: string | undefined
}

/** Throws TypeError or RangeError with a message for the user. */
export function parseBtreeArguments(args: string[]): BtreeArguments {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '3' },
      documents: { type: 'string', default: '1000000' },
      engines: { type: 'string', default: [...ENGINE_NAMES, BARE].join(',') },
      only: { type: 'string', default: PARTS.join(',') },
      kills: { type: 'string', default: '10' },
      seed: { type: 'string', default: '1' },
      folder: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  return {
    rounds: wholeNumber('rounds', values.rounds, 1),
    documents: wholeNumber('documents', values.documents, 1000),
    engines: listed('engines', values.engines, [...ENGINE_NAMES, BARE], { ours: OURS, bare: BARE }),
    parts: partsOf(values.only),
    kills: wholeNumber('kills', values.kills, 0),
    seed: wholeNumber('seed', values.seed, 0),
    folder: values.folder,
    out: values.out,
    profile: values.profile,
  }
}

function partsOf(text: string): Part[] {
  const wanted = text.split(',').map((word) => (word === 'gets' ? 'gets-512,gets-64' : word))
  const parts = listed('only', wanted.join(','), PARTS, {})
  // All but the counting of syncs work on what was loaded.
  const needsLoad = parts.some((part) => part !== 'syncs')
  return PARTS.filter((part) => parts.includes(part) || (part === 'load' && needsLoad))
}

export function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text.replaceAll('_', ''))
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`--${name} ${text}: a whole number from ${least} on is wanted`)
  }
  return value
}

/** In the order of `known`. */
export function listed<T extends string>(
  name: string,
  text: string,
  known: readonly T[],
  shorthands: Readonly<Record<string, T>>,
): T[] {
  const wanted = text.split(',').map((word) => (Object.hasOwn(shorthands, word) ? shorthands[word] : word))
  for (const word of wanted) {
    if (!known.some((one) => one === word))
      throw new RangeError(`--${name}: ${word} is none of ${known.join(', ')}`)
  }
  return known.filter((one) => wanted.includes(one))
}
