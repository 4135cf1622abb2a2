/**
 * One design document in a context of V8's (`node:vm`), beside others in one process. It is no border: contexts share a heap,
 * and whoever finds a way out of one is in Node. What it has of the other engine: the prelude, and so what functions see and
 * how their ends are told. Time and memory are for the process to watch.
 */
import { type Context, constants, createContext, runInContext } from 'node:vm'
import { type Limits, MOST_LOG_CHARACTERS } from '../limits.ts'
import type { Host } from '../prelude/loose.ts'
import { OPERATION, PRELUDE } from '../prelude/prelude.ts'
import type { Entry, Task } from '../prelude/run.ts'
import type { ReduceLimit } from '../prelude/views.ts'
import {
  bounded,
  type OpenSandbox,
  type Outcome,
  type RowExchange,
  readTold,
  wiringText,
} from '../sandbox/open-sandbox.ts'
import { mayAnyWrite, scriptOf } from '../sandbox/source-texts.ts'
import { CRASHED, type Failure, OUT_OF_MEMORY, OUT_OF_STACK } from '../script-error.ts'

/**
 * What the prelude takes from its engine, before any code of a design document runs: QuickJS's type of the errors that say that
 * the engine is at its end, which V8 has no type of its own for. Globals that QuickJS has not are taken away.
 */
const SETUP = `(() => {
'use strict'
const ENDS = { __proto__: null, 'Maximum call stack size exceeded': true, 'Invalid string length': true, 'Array buffer allocation failed': true }
const Range = RangeError
globalThis.InternalError = class InternalError {
  static [Symbol.hasInstance](thrown) {
    return thrown instanceof Range && typeof thrown.message === 'string' && ENDS[thrown.message] === true
  }
}
for (const name of ['WebAssembly', 'Intl', 'console']) delete globalThis[name]
})()`

type Prelude = (
  host: Host,
  buffer: SharedArrayBuffer,
  design: string,
  wiring: string,
  name: keyof Entry,
) => never

export class V8Sandbox implements OpenSandbox {
  readonly grownBytes = 0
  readonly #limits: Limits
  readonly #entry: Entry
  readonly #isSealing: boolean
  #exchange: RowExchange | undefined
  #lines: string[] = []
  #isSpent = false

  /** `design` is the design document, or as much of it as its functions may see, as JSON; steps are counted in the first word. */
  constructor(design: Uint8Array, limits: Limits, steps: SharedArrayBuffer) {
    this.#limits = limits
    this.#isSealing = mayAnyWrite(design)
    // Its promises are its own, and nobody runs them, as in the other engine.
    const context = createContext(constants.DONT_CONTEXTIFY as unknown as Context, {
      microtaskMode: 'afterEvaluate',
    })
    runInContext(SETUP, context)
    const prelude = runInContext(PRELUDE, context) as Prelude
    const host: Host = (operation, text) => this.#serve(operation, text)
    const fixed = [host, steps, Buffer.from(design).toString(), wiringText(limits)] as const
    this.#entry = {
      run: prelude(...fixed, 'run'),
      map: prelude(...fixed, 'map'),
      reduce: prelude(...fixed, 'reduce'),
    }
    runInContext('delete globalThis.InternalError', context)
  }

  get isSpent(): boolean {
    return this.#isSpent
  }

  takeLog(): string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  run(task: Uint8Array, exchange?: RowExchange): Outcome {
    this.#exchange = exchange
    const outcome = this.#enter(() => this.#entry.run(Buffer.from(task).toString()))
    return bounded(outcome, this.#limits)
  }

  runTask(task: Task): Outcome {
    return this.run(Buffer.from(JSON.stringify(task)))
  }

  map(views: readonly string[], texts: Uint8Array): Outcome {
    const isSealing = this.#isSealing ? 1 : 0
    return this.#enter(() => this.#entry.map(JSON.stringify(views), Buffer.from(texts).toString(), isSealing))
  }

  reduce(views: readonly string[], texts: Uint8Array, isAgain: boolean, limit: ReduceLimit): Outcome {
    const [names, groups] = [JSON.stringify(views), Buffer.from(texts).toString()]
    return this.#enter(() => this.#entry.reduce(names, groups, isAgain ? 1 : 0, JSON.stringify(limit)))
  }

  #enter(call: () => string): Outcome {
    try {
      const told = readTold(Buffer.from(call()))
      if (!('end' in told)) return told
      this.#isSpent = true
      return { failure: failureOf(told.end) }
    } catch (thrown) {
      this.#isSpent = true
      return { failure: failureOf(messageOf(thrown)) }
    }
  }

  #serve(operation: number, text: string): string {
    if (operation === OPERATION.script) return scriptOf(text)
    if (operation === OPERATION.log) this.#keep(text)
    if (operation === OPERATION.rows) return this.#rows(text)
    return ''
  }

  #keep(line: string): void {
    if (this.#lines.length >= this.#limits.logLines) return
    this.#lines.push(line.slice(0, MOST_LOG_CHARACTERS))
  }

  #rows(text: string): string {
    const rows = this.#isSpent ? undefined : this.#exchange?.(text)
    if (rows !== undefined) return rows.toString()
    // What does not end by this ends when its time is over.
    this.#isSpent = true
    throw 'the list has ended'
  }
}

function messageOf(thrown: unknown): string {
  try {
    return String((thrown as Error).message)
  } catch {
    return ''
  }
}

function failureOf(message: string): Failure {
  if (/call stack/.test(message)) return OUT_OF_STACK
  if (/string length|allocation/.test(message)) return OUT_OF_MEMORY
  return { ...CRASHED, reason: `The engine failed: ${message.slice(0, MOST_LOG_CHARACTERS)}` }
}
