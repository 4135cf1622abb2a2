/**
 * One design document in one engine, with its functions compiled as they are called. Invariants:
 * - Every way into the engine has a deadline. For batches and lists it is moved on by each document and row that is begun,
 *   which the engine counts in a word that both sides see, without a call across the border.
 * - After an end that the code did not choose (time, memory, stack, a trap) the engine is in no state to trust: `isSpent`,
 *   and so it is when code has left promises, or memory has grown that would never be given back.
 */
import { restIfDue } from '../../base/rest.ts'
import { type Limits, MOST_LOG_CHARACTERS } from '../limits.ts'
import { OPERATION, PRELUDE } from '../prelude/prelude.ts'
import type { Task } from '../prelude/run.ts'
import type { ReduceLimit } from '../prelude/views.ts'
import { CRASHED, type Failure, OUT_OF_MEMORY, OUT_OF_STACK, TIMED_OUT } from '../script-error.ts'
import { type Ending, Engine } from './engine.ts'
import {
  bounded,
  type OpenSandbox,
  type Outcome,
  type RowExchange,
  readTold,
  wiringText,
} from './open-sandbox.ts'
import { mayAnyWrite, scriptOf } from './source-texts.ts'
import type { CompiledModule } from './web-assembly.ts'

export interface SandboxOptions {
  module: CompiledModule
  limits: Limits
  nowMs: () => number
  /** Called when the code has begun another step; at most every some milliseconds. */
  onStep: () => void
}

/** An engine begins with the room's own code, whose time is nobody's; no engine should ever need as long. */
const OPENING_MS = 60_000
/** An engine that has grown by so much of what its values may have is let go, and counts as full. */
const MOST_GROWN_SHARE = 0.5

export class Sandbox implements OpenSandbox {
  readonly #options: SandboxOptions
  readonly #engine: Engine
  readonly #readSteps: () => number
  readonly #entries: Record<'run' | 'map' | 'reduce', number>
  readonly #shared: Shared
  readonly #isSealing: boolean
  #isSpent = false

  private constructor(
    options: SandboxOptions,
    engine: Engine,
    shared: Shared,
    parts: { readSteps: () => number; entries: Record<'run' | 'map' | 'reduce', number>; isSealing: boolean },
  ) {
    this.#options = options
    this.#engine = engine
    this.#shared = shared
    this.#readSteps = parts.readSteps
    this.#entries = parts.entries
    this.#isSealing = parts.isSealing
    shared.isFull = () => this.#hasGrown()
  }

  /** `design` is the design document, or as much of it as its functions may see, as JSON. Throws a Failure. */
  static async open(design: Uint8Array, options: SandboxOptions): Promise<Sandbox> {
    const { limits } = options
    const shared = new Shared(options)
    const engine = await Engine.start(options.module, {
      memoryBytes: limits.memoryBytes,
      stackBytes: limits.stackBytes,
      mayGoOn: () => shared.mayGoOn(),
      host: (operation, text) => shared.serve(operation, text),
    })
    const word = engine.sharedWord()
    try {
      const prelude = engine.evaluate(PRELUDE, 'davenport')
      const fixed = [
        engine.hostFunction(),
        word.value,
        engine.string(design),
        engine.string(Buffer.from(wiringText(limits))),
      ]
      const entryOf = (name: string): number => {
        const values = fixed.map((value) => engine.copy(value))
        const entry = engine.call(prelude, [...values, engine.string(Buffer.from(name))])
        if (typeof entry !== 'number') throw new Error(entry.error)
        return entry
      }
      const entries = { run: entryOf('run'), map: entryOf('map'), reduce: entryOf('reduce') }
      return new Sandbox(options, engine, shared, {
        readSteps: word.read,
        entries,
        isSealing: mayAnyWrite(design),
      })
    } catch (error) {
      throw failureOf(String(error), shared)
    }
  }

  get isSpent(): boolean {
    return this.#isSpent
  }

  get grownBytes(): number {
    return this.#engine.grownBytes
  }

  takeLog(): string[] {
    return this.#shared.takeLog()
  }

  run(task: Uint8Array, exchange?: RowExchange): Outcome {
    const engine = this.#engine
    const outcome = this.#enter(() => engine.callForText(this.#entries.run, [engine.string(task)]), exchange)
    return bounded(outcome, this.#options.limits)
  }

  runTask(task: Task): Outcome {
    return this.run(Buffer.from(JSON.stringify(task)))
  }

  map(views: readonly string[], texts: Uint8Array): Outcome {
    const engine = this.#engine
    return this.#enter(() =>
      engine.callForText(this.#entries.map, [
        engine.string(Buffer.from(JSON.stringify(views))),
        engine.string(texts),
        engine.number(this.#isSealing ? 1 : 0),
      ]),
    )
  }

  reduce(views: readonly string[], texts: Uint8Array, isAgain: boolean, limit: ReduceLimit): Outcome {
    const engine = this.#engine
    return this.#enter(() =>
      engine.callForText(this.#entries.reduce, [
        engine.string(Buffer.from(JSON.stringify(views))),
        engine.string(texts),
        engine.number(isAgain ? 1 : 0),
        engine.string(Buffer.from(JSON.stringify(limit))),
      ]),
    )
  }

  #enter(call: () => Ending, exchange?: RowExchange): Outcome {
    this.#shared.begin(this.#readSteps, exchange)
    let ending: Ending
    try {
      ending = call()
    } catch (error) {
      ending = { error: String(error) }
    }
    this.#isSpent ||= this.#engine.isBroken || this.#shared.isOver
    if (!('bytes' in ending)) {
      this.#isSpent = true
      return { failure: failureOf(ending.error, this.#shared) }
    }
    const told = readTold(ending.bytes)
    if ('end' in told) {
      this.#isSpent = true
      return { failure: failureOf(told.end, this.#shared) }
    }
    if (!this.#isSpent && (this.#engine.hasJobs || this.#hasGrown())) this.#isSpent = true
    return told
  }

  #hasGrown(): boolean {
    return this.#engine.grownBytes > this.#options.limits.memoryBytes * MOST_GROWN_SHARE
  }
}

/** What both sides of the border use while code runs: the deadline, and what the code asks of its host. */
class Shared {
  readonly #options: SandboxOptions
  #readSteps: () => number = () => 0
  #steps = 0
  #deadlineMs = 0
  #exchange: RowExchange | undefined
  #lines: string[] = []
  /** The deadline is over, or the list was ended. */
  isOver = false
  /** Whether the engine has taken about as much memory as it may. */
  isFull: () => boolean = () => false

  constructor(options: SandboxOptions) {
    this.#options = options
    this.#deadlineMs = options.nowMs() + OPENING_MS
  }

  begin(readSteps: () => number, exchange?: RowExchange): void {
    this.#readSteps = readSteps
    this.#steps = readSteps()
    this.#exchange = exchange
    this.#deadlineMs = this.#options.nowMs() + this.#options.limits.timeoutMs
  }

  mayGoOn(): boolean {
    if (this.isOver) return false
    restIfDue()
    const now = this.#options.nowMs()
    const steps = this.#readSteps()
    if (steps !== this.#steps) {
      this.#steps = steps
      this.#deadlineMs = now + this.#options.limits.timeoutMs
      this.#options.onStep()
    }
    this.isOver = now >= this.#deadlineMs
    return !this.isOver
  }

  serve(operation: number, text: string): string {
    if (operation === OPERATION.script) return scriptOf(text)
    if (operation === OPERATION.log) this.#keep(text)
    if (operation === OPERATION.rows) return this.#rows(text)
    if (operation === OPERATION.memory) return this.isFull() ? '1' : ''
    return ''
  }

  takeLog(): string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  #keep(line: string): void {
    if (this.#lines.length >= this.#options.limits.logLines) return
    this.#lines.push(line.slice(0, MOST_LOG_CHARACTERS))
  }

  /** Time that the list waits for others is not its own. */
  #rows(text: string): string {
    // The engine looks at the deadline now and then only: until then nobody is asked any more.
    if (this.isOver) return ''
    const rows = this.#exchange?.(text)
    if (rows === undefined) this.isOver = true
    this.#deadlineMs = this.#options.nowMs() + this.#options.limits.timeoutMs
    return rows?.toString() ?? ''
  }
}

/** Of what the engine says when it is at an end; anything else is the room's own, or a trap. */
function failureOf(message: string, shared: Shared): Failure {
  if (shared.isOver) return TIMED_OUT
  if (/call stack|stack overflow/.test(message)) return OUT_OF_STACK
  if (/memory|too long|too large|^null$/.test(message) && !/out of bounds/.test(message)) return OUT_OF_MEMORY
  return { ...CRASHED, reason: `The engine failed: ${message.slice(0, MOST_LOG_CHARACTERS)}` }
}
