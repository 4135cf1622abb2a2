/** What a run of `lab bench` has found, as it is written to a file and read back. docs/LAB.md has the shape. */
import { readFile } from 'node:fs/promises'
import type { Capabilities } from '../api.ts'
import { LabError, messageOf } from '../lab-error.ts'
import type { Machine } from '../measure/machine.ts'
import { type Spread, spreadOf } from '../measure/statistics.ts'
import type { Unit } from './action.ts'
import type { FigureName, RunResult } from './job.ts'

export const FORMAT = 'davenport-lab-bench'
export const VERSION = 1

export interface BenchWorkload {
  readonly about: string
  readonly unit: Unit
  /** One of each round that did not fail. */
  readonly rounds: RunResult[]
}

export interface BenchStore {
  /** Its name, with what sets it apart from others of the run. */
  readonly label: string
  readonly words: string
  readonly settings: Readonly<Record<string, string>>
  readonly name: string
  readonly version: string | undefined
  readonly capabilities: Capabilities
  readonly workloads: Record<string, BenchWorkload>
  readonly leftOut: { readonly workload: string; readonly reason: string }[]
  readonly failures: { readonly workload: string; readonly round: number; readonly message: string }[]
}

export interface BenchFile {
  readonly format: typeof FORMAT
  readonly version: typeof VERSION
  /** When it began. */
  readonly date: string
  readonly seconds: number
  readonly machine: Machine
  /** The most processors that others than the lab kept busy during a run of a workload; null where that is not told. */
  readonly othersCores: number | null
  readonly asked: Readonly<Record<string, unknown>>
  readonly bucketMs: number
  readonly stores: readonly BenchStore[]
}

/** Rejects with LabError for a file that is none. */
export async function readBenchFile(path: string): Promise<BenchFile> {
  let found: unknown
  try {
    found = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new LabError(`${path} cannot be read: ${messageOf(error)}`)
  }
  const { format, version, stores } = (
    typeof found === 'object' && found !== null ? found : {}
  ) as Partial<BenchFile>
  if (format !== FORMAT) throw new LabError(`${path} is no file of davenport lab bench --json`)
  if (version !== VERSION || !Array.isArray(stores)) {
    throw new LabError(`${path} was written by another version of davenport lab bench`)
  }
  return found as BenchFile
}

/** The figure in each round; those that do not have it are left out. */
export function roundsOf(workload: BenchWorkload | undefined, name: FigureName): number[] {
  return numbers((workload?.rounds ?? []).map(({ figures }) => figures[name]))
}

export function figureSpread(workload: BenchWorkload | undefined, name: FigureName): Spread {
  return spreadOf(roundsOf(workload, name))
}

/** A percentile of the latency of a kind of action in each round, in µs. */
export function percentileRounds(
  workload: BenchWorkload | undefined,
  kind: string,
  percentile: number,
): number[] {
  return numbers(
    (workload?.rounds ?? []).map(
      ({ latencies }) => latencies[kind]?.percentiles.find(([share]) => share === percentile)?.[1],
    ),
  )
}

/** The kinds of actions whose latencies were taken, `all` first. */
export function kindsOf(workload: BenchWorkload): string[] {
  const kinds = new Set(workload.rounds.flatMap(({ latencies }) => Object.keys(latencies)))
  return [...kinds].sort((a, b) => Number(b === 'all') - Number(a === 'all'))
}

function numbers(values: readonly (number | null | undefined)[]): number[] {
  return values.filter((value): value is number => typeof value === 'number')
}
