/**
 * Work that is measured in a process of its own: the program is started with its job as JSON, and answers by messages.
 * What it uses of memory and processor is its own then, and it can be killed.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'

type Message<Result> = { progress: number } | { result: Result } | { error: string }

const PROGRESS_MS = 200

export interface StepProcess<Result> {
  readonly process: ChildProcess
  /** Rejects with what went wrong in the process; `name` is said before it. */
  readonly result: Promise<Result>
}

export interface StepOptions {
  /** Path of the program, which calls `serveStep`. */
  readonly program: string
  readonly job: object
  /** What the step is called when it fails. */
  readonly name: string
  /** How far it is, 0 to 1. */
  onProgress(done: number): void
  /** For node itself, before the program. */
  readonly nodeOptions?: readonly string[]
}

export function startStep<Result>(options: StepOptions): StepProcess<Result> {
  const { program, job, name, onProgress, nodeOptions = [] } = options
  const child = fork(program, [JSON.stringify(job)], {
    execArgv: [...nodeOptions],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  let answer: { result: Result } | undefined
  let failure: string | undefined
  child.on('message', (message: Message<Result>) => {
    if ('progress' in message) onProgress(message.progress)
    else if ('result' in message) answer = message
    else failure = message.error
  })
  const ended = once(child, 'close').then(([status, signal]) => {
    if (answer !== undefined && status === 0) return answer.result
    throw new Error(`${name}: ${failure ?? `ended with ${signal ?? status}`}`)
  })
  return { process: child, result: ended }
}

/**
 * In the process: does the job that it was started with and says how that went. `progress` may be called often. Ends the
 * process when whoever asked is gone, or has the answer.
 */
export async function serveStep<Job, Result>(
  run: (job: Job, progress: (done: number) => void) => Promise<Result>,
): Promise<void> {
  process.once('disconnect', () => process.exit())
  const tell = (message: Message<Result>): void => void process.send?.(message)
  // The last message: the channel, which would keep the process alive, is closed behind it.
  const end = (message: Message<Result>): void => {
    if (process.send === undefined) {
      if ('error' in message) process.stderr.write(`${message.error}\n`)
    } else process.send(message, () => process.disconnect())
  }
  let told = 0
  try {
    const result = await run(JSON.parse(process.argv[2] ?? '{}') as Job, (done) => {
      const now = performance.now()
      if (now - told < PROGRESS_MS) return
      told = now
      tell({ progress: done })
    })
    end({ result })
  } catch (error) {
    end({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    process.exitCode = 1
  }
}

const CALLS = ['fsync', 'fdatasync', 'msync', 'sync_file_range', 'syncfs']

/** Syncs by name that a step makes. Undefined where strace is not there or may not trace, or when the step failed. */
export async function countSyncs(program: string, job: object): Promise<Record<string, number> | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-strace-'))
  const output = join(folder, 'counts')
  try {
    const words = ['-f', '-c', '-e', `trace=${CALLS.join(',')}`, '-o', output, process.execPath, program]
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
