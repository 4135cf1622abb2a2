/** Which steps a round has, for which engines, and how much of each. */
import { OURS } from '../peers/engines.ts'
import type { BtreeArguments, Part } from './arguments.ts'
import { BARE, type Job } from './step.ts'

const MEBIBYTE = 1024 * 1024
/** Budget of all steps that do not measure one. */
export const USUAL_CACHE_BYTES = 256 * MEBIBYTE

export interface PlannedStep {
  /** Put before the names of the step's figures, where two steps give the same ones. */
  suffix: string
  job: Job
}

/** Operations of a part with this many documents. */
export function operationsOf(part: Part, documents: number): number {
  const least = (share: number, from: number, to: number): number =>
    Math.min(Math.max(Math.ceil(documents * share), from), to)
  switch (part) {
    case 'gets-512':
    case 'gets-64':
      return least(0.5, 5000, 300_000)
    case 'scans':
      return least(0.01, 100, 5000)
    case 'commits':
      return least(0.02, 200, 20_000)
    case 'writers':
      return least(0.064, 640, 64_000)
    case 'updates':
      return least(0.05, 1000, 50_000)
    default:
      return documents
  }
}

/** The step of a part for an engine, or undefined when it has no such step. */
export function plannedStep(
  part: Part,
  engine: string,
  folder: string,
  round: number,
  { documents, seed }: BtreeArguments,
): PlannedStep | undefined {
  if (engine === BARE && part !== 'load') return undefined
  const step = part.startsWith('gets') ? 'gets' : part
  if (!['load', 'gets', 'scans', 'commits', 'writers', 'updates'].includes(step)) return undefined
  const budget = part === 'gets-512' ? 512 : part === 'gets-64' ? 64 : undefined
  return {
    suffix: budget === undefined ? '' : String(budget),
    job: {
      step,
      engine,
      folder,
      documents,
      operations: operationsOf(part, documents),
      cacheBytes: budget === undefined ? USUAL_CACHE_BYTES : budget * MEBIBYTE,
      seed,
      round,
    },
  }
}

/** Ours first, the others behind it in an order that moves on by one with each round. */
export function turnOrder(engines: readonly string[], round: number): string[] {
  const others = engines.filter((engine) => engine !== OURS)
  const by = others.length === 0 ? 0 : round % others.length
  return [...engines.filter((engine) => engine === OURS), ...others.slice(by), ...others.slice(0, by)]
}
