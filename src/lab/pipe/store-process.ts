/**
 * A store in a process of its own. Whatever the process does, every request settles: by its answer, by the process's
 * end, or when its time is up; what it writes is bounded, and what is no answer ends it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { LabError } from '../lab-error.ts'
import { within } from '../within.ts'
import { JSON_LINES, type Message, type PipeFormat } from './format.ts'
import type { Request } from './protocol.ts'

const MOST_MESSAGE_BYTES = 64 * 1024 * 1024
const MOST_ERROR_BYTES = 4096
const ANSWER_MS = 30_000
const END_MS = 10_000

export type Answer = Readonly<Record<string, unknown>>

interface Waiting {
  resolve(answer: Answer): void
  reject(error: Error): void
}

/** The process ended, or was ended, before it had answered. */
export class ProcessEnded extends LabError {}

/** The store answered that it could not. */
export class StoreRefused extends LabError {}

/** A program with its words, and what it speaks. */
export interface Program {
  readonly command: readonly string[]
  /** Lines of JSON where it is left out. */
  readonly format?: PipeFormat
}

export interface ProcessOptions extends Program {
  /** More than the lab's own environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Told of each answer in the order in which they were read. */
  readonly onAnswer?: (id: number, answer: Answer) => void
}

export class StoreProcess {
  readonly format: PipeFormat
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #onAnswer: ProcessOptions['onAnswer']
  readonly #ended: Promise<void>
  #errors = Buffer.alloc(0)
  #ids = 0
  #end: ProcessEnded | undefined

  constructor({ command, format = JSON_LINES, environment = {}, onAnswer }: ProcessOptions) {
    this.format = format
    const [program = '', ...words] = command
    this.#onAnswer = onAnswer
    // A group of its own: a kill takes along what a wrapper has started.
    const child = spawn(program, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    })
    this.#child = child
    const messages = this.format.splitter(MOST_MESSAGE_BYTES)
    child.stdout!.on('data', (chunk: Buffer) => this.#take(messages, chunk))
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = Buffer.from(Buffer.concat([this.#errors, chunk]).subarray(-MOST_ERROR_BYTES))
    })
    // What is written to a process that has gone is told by its end.
    child.stdin!.on('error', () => {})
    const dieWithUs = () => this.#signal()
    process.once('exit', dieWithUs)
    this.#ended = new Promise((resolve) => {
      const over = (why: string) => {
        process.off('exit', dieWithUs)
        this.#fail(this.#end ?? new ProcessEnded(`${program} ${why}${this.#told()}`))
        resolve()
      }
      child.once('error', (error) => over(`cannot be started: ${error.message}`))
      child.once('close', (status, signal) =>
        over(signal === null ? `ended with status ${status}` : `was ended by ${signal}`),
      )
    })
  }

  /** Number that the next request will have. */
  get nextId(): number {
    return this.#ids + 1
  }

  /** Also the number of its process group. Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  /** The answer. Rejects with StoreRefused, ProcessEnded, or LabError when it takes too long. */
  async ask(request: Request): Promise<Answer> {
    if (this.#end !== undefined) throw this.#end
    const id = ++this.#ids
    const answered = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    const stdin = this.#child.stdin!
    // What is asked at once goes in one write.
    stdin.cork()
    stdin.write(this.format.encode({ id, ...request }))
    process.nextTick(() => stdin.uncork())
    try {
      return await within(ANSWER_MS, `${request.do} over the pipe`, answered)
    } finally {
      this.#waiting.delete(id)
    }
  }

  /** Kills it and all it has started; resolves when what it had written before has been read. */
  async kill(): Promise<void> {
    this.#signal()
    await this.#ended
  }

  /** Lets it end by itself, by the end of its input, and kills it when it does not. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    await within(END_MS, 'the end of the process', this.#ended).catch(() => this.kill())
  }

  #signal(): void {
    const { pid } = this.#child
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }

  #take(messages: ReturnType<PipeFormat['splitter']>, chunk: Buffer): void {
    if (this.#end !== undefined) return
    try {
      for (const message of messages.add(chunk)) this.#answer(message)
    } catch (error) {
      this.#fail(new ProcessEnded(`the store was ended: ${(error as Error).message}`))
      this.#signal()
    }
  }

  #answer(message: Message): void {
    if (message.toString().trim() === '') return
    const { decode, show, name } = this.format
    let answer: unknown
    try {
      answer = decode(message)
    } catch {
      throw new LabError(`it wrote what is no ${name === 'json' ? 'JSON' : 'MessagePack'}: ${show(message)}`)
    }
    const { id, ok, error } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<
      string,
      unknown
    >
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined
    if (typeof id !== 'number' || waiting === undefined) {
      throw new LabError(`it answered what nobody has asked: ${show(message)}`)
    }
    if (ok === true) {
      this.#onAnswer?.(id, answer as Answer)
      waiting.resolve(answer as Answer)
    } else if (typeof error === 'string') waiting.reject(new StoreRefused(error.slice(0, 500)))
    else throw new LabError(`an answer has to have "ok":true or "error": ${show(message)}`)
  }

  #fail(error: ProcessEnded): void {
    this.#end ??= error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }

  #told(): string {
    const text = this.#errors.toString().trim()
    return text === '' ? '' : `: ${text}`
  }
}
