/** Starting the processes of the steps. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Message } from './child.ts'
import type { Figures, Job } from './step.ts'

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url))

export interface StepProcess {
  readonly process: ChildProcess
  /** Rejects with what went wrong in the process. */
  readonly figures: Promise<Figures>
}

/** @param nodeOptions for node itself, before the program. */
export function startStep(
  job: Job,
  onProgress: (done: number) => void,
  nodeOptions: readonly string[] = [],
): StepProcess {
  mkdirSync(job.folder, { recursive: true })
  const child = fork(PROGRAM, [JSON.stringify(job)], {
    execArgv: [...nodeOptions],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  let figures: Figures | undefined
  let failure: string | undefined
  child.on('message', (message: Message) => {
    if ('progress' in message) onProgress(message.progress)
    else if ('figures' in message) figures = message.figures
    else failure = message.error
  })
  const ended = once(child, 'close').then(([status, signal]) => {
    if (figures !== undefined && status === 0) return figures
    throw new Error(`${job.engine}, ${job.step}: ${failure ?? `ended with ${signal ?? status}`}`)
  })
  return { process: child, figures: ended }
}

export async function runStep(
  job: Job,
  onProgress: (done: number) => void,
  nodeOptions: readonly string[] = [],
): Promise<Figures> {
  return startStep(job, onProgress, nodeOptions).figures
}

/**
 * Kills the step `afterMs` after its first sign of life, by SIGKILL. Rejects when it ended by itself before.
 */
export async function killStep(job: Job, afterMs: number): Promise<void> {
  let alive: () => void = () => {}
  const sign = new Promise<void>((resolve) => {
    alive = resolve
  })
  const { process: child, figures } = startStep(job, alive)
  let over = false
  const ended = figures.then(
    () => undefined,
    (error: unknown) => error,
  )
  void ended.then(() => {
    over = true
  })
  await Promise.race([sign, ended])
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  if (over) throw (await ended) ?? new Error(`${job.engine}: ended before it was killed`)
  child.kill('SIGKILL')
  await ended
}

const CALLS = ['fsync', 'fdatasync', 'msync', 'sync_file_range', 'syncfs']

/** Calls by name that a step makes. Undefined where strace is not there or may not trace. */
export async function countCalls(job: Job): Promise<Record<string, number> | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-strace-'))
  const output = join(folder, 'counts')
  try {
    mkdirSync(job.folder, { recursive: true })
    const words = ['-f', '-c', '-e', `trace=${CALLS.join(',')}`, '-o', output, process.execPath, PROGRAM]
    const child = spawn('strace', [...words, JSON.stringify(job)], { stdio: 'ignore' })
    const status = await new Promise((resolve) => {
      child.on('error', () => resolve(undefined))
      child.on('close', resolve)
    })
    return status === 0 ? parseCounts(readFileSync(output, 'utf8')) : undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The table of `strace -c`: the fourth column counts the calls, the last names them. */
export function parseCounts(table: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of table.split('\n')) {
    const words = line.trim().split(/\s+/)
    const name = words[words.length - 1] ?? ''
    if (CALLS.includes(name)) counts[name] = Number(words[3])
  }
  return counts
}
