/** What a thread of the room is told, and what it answers. */
import type { MessagePort } from 'node:worker_threads'
import type { Limits } from '../limits.ts'
import type { ReduceLimit } from '../prelude/views.ts'
import type { ScriptResponse } from '../response.ts'
import type { CompiledModule } from '../sandbox/web-assembly.ts'
import type { Failure } from '../script-error.ts'

export interface ThreadData {
  module: CompiledModule
  /** See `Progress`. */
  progress: SharedArrayBuffer
  mostSandboxes: number
  idleMs: number
  restsOften: boolean
}

/** What is made of a call's text. */
export type Reading = 'text' | 'response' | 'update'

export type PlainJob =
  /** Texts of tasks, one behind the other in `bytes`. */
  | { do: 'calls'; calls: { length: number; reading: Reading }[]; bytes: Uint8Array<ArrayBuffer> }
  /** Compiles the functions of views; for the first that is none, the failure. */
  | { do: 'compile'; parts: { view: string; part: 'map' | 'reduce' }[] }
  | { do: 'map'; views: readonly string[]; bytes: Uint8Array<ArrayBuffer> }
  | {
      do: 'reduce'
      views: readonly string[]
      bytes: Uint8Array<ArrayBuffer>
      isAgain: boolean
      limit: ReduceLimit
    }

export interface ListJob {
  do: 'list'
  text: string
}

/** `port` is where its steps are told, and their answers come. */
export interface ThreadListJob extends ListJob {
  port: MessagePort
  answers: SharedArrayBuffer
}

export type Job = PlainJob | ThreadListJob

export interface Work {
  /** Names the design document and what of it is open. */
  key: string
  /** As JSON; left out when the thread has it, as far as is known. */
  design: Uint8Array | undefined
  limits: Limits
  job: Job
}

export type Outcome =
  | { bytes: Uint8Array }
  | { response: ScriptResponse; document: Uint8Array | undefined }
  | { failure: Failure }

export interface Reply {
  /** The design document is not here: send it. */
  isAbsent: boolean
  /** Of each call, or of the one job. */
  outcomes: Outcome[]
  log: string[]
}

/** What a list tells, each awaiting an answer. */
export interface ListStep {
  start: ScriptResponse | undefined
  chunks: string
  isAsking: boolean
}

/** `rows` is undefined at the end of the rows; with `isOver` nobody reads the list any more. */
export interface ListAnswer {
  rows: Uint8Array | undefined
  isOver: boolean
}

const WORDS = { steps: 0, call: 1, waiting: 2 } as const
const BYTES = 12

/** What a thread shows of itself while it is busy, in shared memory. */
export class Progress {
  readonly shared: SharedArrayBuffer
  readonly #words: Int32Array

  constructor(shared = new SharedArrayBuffer(BYTES)) {
    this.shared = shared
    this.#words = new Int32Array(shared)
  }

  /** Changes with each step that is begun. */
  get steps(): number {
    return Atomics.load(this.#words, WORDS.steps)
  }

  step(): void {
    Atomics.add(this.#words, WORDS.steps, 1)
  }

  /** The call of a batch that is running. */
  get call(): number {
    return Atomics.load(this.#words, WORDS.call)
  }

  set call(index: number) {
    Atomics.store(this.#words, WORDS.call, index)
  }

  get isWaiting(): boolean {
    return Atomics.load(this.#words, WORDS.waiting) !== 0
  }

  /** Time that is not the function's. */
  set isWaiting(isWaiting: boolean) {
    Atomics.store(this.#words, WORDS.waiting, isWaiting ? 1 : 0)
  }
}

const COUNT_BYTES = 4

/**
 * How many answers one list was given, which its thread waits for. They are counted: two may come before it looks, and one
 * before it has begun, when nobody reads the list any more.
 */
export class AnswerCount {
  readonly shared: SharedArrayBuffer
  readonly #given: Int32Array
  #taken = 0

  constructor(shared = new SharedArrayBuffer(COUNT_BYTES)) {
    this.shared = shared
    this.#given = new Int32Array(shared)
  }

  give(): void {
    Atomics.add(this.#given, 0, 1)
    Atomics.notify(this.#given, 0)
  }

  /** Blocks the thread until there is one that was not taken. */
  take(): void {
    while (Atomics.load(this.#given, 0) === this.#taken) Atomics.wait(this.#given, 0, this.#taken)
    this.#taken += 1
  }
}
