/**
 * One process of functions in V8's contexts, from outside. It has nothing of this one's environment, and, where Node can bound
 * that, no files but the program's own and no processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import type { Clock } from '../../base/clock.ts'
import type { Limits } from '../limits.ts'
import { CRASHED, type Failure, OUT_OF_MEMORY, TIMED_OUT } from '../script-error.ts'
import type { Job, ListStep, Reply, Work } from '../threads/protocol.ts'
import { OwedReply, type Runner, RunnerGone } from '../threads/runner.ts'
import { FrameReader, frameOf, type Sent, type Told } from './frames.ts'
import { NOTES, type Note } from './watch.ts'

export interface ScriptProcessOptions {
  clock: Clock
  memoryBytes: number
  mostSandboxes: number
  idleMs: number
  onGone: (runner: Runner) => void
}

const MEBIBYTE = 1024 * 1024
/** Of the heap, beside what functions may take. */
const ROOM_MEBIBYTES = 32
const PROGRAM = fileURLToPath(new URL('./process.js', import.meta.url))
/** What Node reads to run the program: its files, and which kind of modules they are. */
const READ = ['../../', '../../../package.json', '../../../../package.json']
/** How V8 ends a process whose heap is full, as systems and shells tell it. */
const FULL_SIGNALS: readonly unknown[] = ['SIGABRT', 'SIGTRAP', 'SIGILL']
const FULL_CODES: readonly unknown[] = [133, 134]

/** Node 20 has its permission model under another name. */
function permissionFlags(): string[] {
  const known = process.allowedNodeEnvironmentFlags
  const flag = ['--permission', '--experimental-permission'].find((name) => known.has(name))
  if (flag === undefined) return []
  const reading = READ.map((path) => `--allow-fs-read=${fileURLToPath(new URL(path, import.meta.url))}`)
  return [flag, ...reading, '--allow-worker']
}

/** For `Date`, and what a process cannot be begun without. */
const ENVIRONMENT = ['TZ', 'SystemRoot']

function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    ENVIRONMENT.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

/** Its constructor throws where the system has no process to give. */
export class ScriptProcess implements Runner {
  readonly #options: ScriptProcessOptions
  readonly #child: ChildProcess
  readonly #pipes: readonly Socket[]
  readonly #ended: Promise<void>
  readonly #frames = new FrameReader()
  #notes = ''
  readonly #reply = new OwedReply()
  /** Of the list that runs. */
  #port: MessagePort | undefined
  #isGone = false
  /** Why it was ended from here. */
  #failure: Failure | undefined

  constructor(options: ScriptProcessOptions) {
    this.#options = options
    const { memoryBytes, mostSandboxes, idleMs } = options
    const heap = `--max-old-space-size=${Math.ceil(memoryBytes / MEBIBYTE) + ROOM_MEBIBYTES}`
    this.#child = spawn(
      process.execPath,
      [heap, '--no-warnings', ...permissionFlags(), PROGRAM, String(mostSandboxes), String(idleMs)],
      { stdio: ['pipe', 'pipe', 'ignore', 'pipe'], env: environment(), windowsHide: true },
    )
    const { stdin, stdout, stdio } = this.#child as Partial<ChildProcess>
    // Where there are no descriptors for its pipes it has none, and says so later.
    if (stdio === undefined) {
      this.#child.on('error', () => {})
      throw new Error('there are no descriptors for a process')
    }
    const notes = stdio[NOTES] as Socket
    this.#pipes = [stdin as Socket, stdout as Socket, notes]
    for (const pipe of this.#pipes) pipe.on('error', () => {})
    stdout!.on('data', (piece: Buffer) => this.#take(piece))
    notes.on('data', (piece: Buffer) => {
      this.#notes += piece.toString()
    })
    this.#ended = new Promise((resolve) => {
      let hasEnded = false
      const onEnd = (code?: number | null, signal?: NodeJS.Signals | null): void => {
        if (hasEnded) return
        hasEnded = true
        this.#onExit(code, signal)
        resolve()
      }
      this.#child.on('error', () => onEnd())
      this.#child.on('close', onEnd)
    })
    this.#hold(false)
  }

  get isBusy(): boolean {
    return this.#reply.isOwed
  }

  get busySinceMs(): number {
    return this.#reply.sinceMs
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** The heap's bound is given to it at its beginning. */
  suits({ memoryBytes }: Limits): boolean {
    return memoryBytes === this.#options.memoryBytes
  }

  /** The process watches the time of its steps itself. */
  async run(work: Work): Promise<Reply> {
    const owed = this.#reply.begin(this.#options.clock.monotonic())
    if (this.#isGone) {
      this.#settle(new RunnerGone(CRASHED, 0))
      return owed
    }
    this.#hold(true)
    this.#send({ work: { ...work, job: this.#sentJob(work.job) } })
    return owed
  }

  end(failure: Failure): Promise<void> {
    this.#failure = failure
    this.#hold(true)
    this.#child.kill('SIGKILL')
    return this.#ended
  }

  /** A list's steps go to who reads it, and his answers come from there. */
  #sentJob(job: Job): Extract<Sent, { work: unknown }>['work']['job'] {
    if (job.do !== 'list') return job
    const { port, text } = job
    port.on('message', (answer) => this.#send({ answer }))
    this.#port = port
    return { do: 'list', text }
  }

  #send(sent: Sent): void {
    if (!this.#isGone) this.#child.stdin!.write(frameOf(sent))
  }

  #take(piece: Buffer): void {
    try {
      for (const frame of this.#frames.take(piece)) {
        const told = frame as Told
        if ('step' in told) this.#port?.postMessage(told.step satisfies ListStep)
        else this.#settle(told.reply)
      }
    } catch {
      void this.end(CRASHED)
    }
  }

  /** Whether this process lives for it. */
  #hold(isHolding: boolean): void {
    for (const each of [this.#child, ...this.#pipes]) {
      if (isHolding) each.ref()
      else each.unref()
    }
  }

  #settle(reply: Reply | RunnerGone): void {
    this.#port?.close()
    this.#port = undefined
    this.#hold(false)
    this.#reply.give(reply)
  }

  #onExit(code?: number | null, signal?: NodeJS.Signals | null): void {
    this.#isGone = true
    for (const pipe of this.#pipes) pipe.destroy()
    const gone = this.#goneBy(code, signal)
    this.#options.onGone(this)
    this.#settle(gone)
  }

  #goneBy(code: unknown, signal: unknown): RunnerGone {
    if (this.#failure !== undefined) return new RunnerGone(this.#failure, 0)
    try {
      const { call, kind } = JSON.parse(this.#notes) as Note
      return new RunnerGone(kind === 'timeout' ? TIMED_OUT : OUT_OF_MEMORY, call)
    } catch {
      const isFull = FULL_SIGNALS.includes(signal) || FULL_CODES.includes(code)
      return new RunnerGone(isFull ? OUT_OF_MEMORY : CRASHED, undefined)
    }
  }
}
