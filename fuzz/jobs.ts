/** A run split over processes of this same program, each with a seed of its own. */
import { spawn } from 'node:child_process'
import type { RunOptions } from './options.ts'
import { derivedSeed } from './script.ts'

/** What a job sends to the process that started it. */
export interface JobReport {
  readonly passed: number
  readonly failed: number
  readonly events: number
  readonly coverage: readonly (readonly [string, number])[]
  /** The command that repeats the case that failed. */
  readonly repeat?: string | undefined
}

/** Runs them side by side; their output goes where this process writes. A job that dies counts as failed. */
export function runJobs(options: RunOptions): Promise<JobReport[]> {
  const jobs = Array.from({ length: options.jobs }, (_, job) => runJob(options, job))
  return Promise.all(jobs)
}

function runJob(options: RunOptions, job: number): Promise<JobReport> {
  const args = [
    '--target',
    options.target!,
    '--seed',
    String(job === 0 ? options.seed : derivedSeed(options.seed, ~job)),
  ]
  if (Number.isFinite(options.events)) args.push('--events', String(Math.ceil(options.events / options.jobs)))
  if (Number.isFinite(options.seconds)) args.push('--seconds', String(options.seconds))
  if (options.store !== undefined) args.push('--store', options.store)
  if (options.threads !== undefined) args.push('--threads', String(options.threads))
  if (!options.shrinks) args.push('--no-shrink')
  const child = spawn(process.execPath, [process.argv[1]!, ...args], {
    stdio: ['ignore', options.json ? 2 : 'inherit', 'inherit', 'ipc'],
  })
  let report: JobReport = { passed: 0, failed: 1, events: 0, coverage: [] }
  child.on('message', (message) => {
    report = message as JobReport
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', () => resolve(report))
  })
}
