/**
 * Design functions, in a sandbox: somebody else's JavaScript, in QuickJS compiled to WebAssembly, in threads of their own.
 * This is the door of the room, which knows nothing of HTTP, files or databases.
 *
 * What a function sees: ECMAScript as QuickJS has it, and CouchDB's `emit`, `sum`, `log`, `toJSON`, `isArray`, `require` (of its
 * design document's own modules), `provides`, `registerType`, `start`, `send` and `getRow`; no clock but `Date`, no randomness
 * but `Math.random`, no network, no file. `this` is the design document, but in maps and reduces.
 *
 * What holds:
 * - Each engine is one design document's: it shares no memory with another one's.
 * - Every call ends: within `timeoutMs` (a document of a batch, a row of a list likewise), and a moment later where native code
 *   of the engine does not look at the time and its thread has to be ended. Memory, stack, results and rows are bounded. Each of
 *   these ends is a ScriptError with a kind of its own, and costs other calls nothing: see `threads/lines.ts`.
 * - Functions may keep state in their engine, as in CouchDB, and must not rely on it: an engine is let go when it was not
 *   used for `idleMs`, when others need its place, and after any end that it did not choose.
 * - What a function answers comes back as bytes of JSON, or read into plain values here; nothing of it is trusted to be more.
 *
 * A pool of tasks such as piscina's does not fit: a call goes to the thread that has its design document warm, one that is
 * stuck is seen by what it shows in shared memory and ended without those that wait behind it, several calls go in one message,
 * and a list talks with its thread while it runs.
 */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import type { Clock } from '../base/clock.ts'
import type { Design } from './design.ts'
import { linesOf, listLinesOf } from './json-lines.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { type ListSource, runList } from './list.ts'
import type { ReduceLimit } from './prelude/views.ts'
import { ScriptProcess } from './processes/script-process.ts'
import type { ScriptResponse } from './response.ts'
import { type Reductions, readCount, readReductions } from './rows.ts'
import { WebAssembly } from './sandbox/web-assembly.ts'
import { ScriptError } from './script-error.ts'
import { Lines } from './threads/lines.ts'
import type { Outcome, Reading } from './threads/protocol.ts'
import type { StartRunner } from './threads/runner.ts'
import { ScriptThread } from './threads/script-thread.ts'

/** What runs functions: QuickJS, which is a border against them, or V8, which is faster and none. */
export type SandboxKind = 'quickjs' | 'v8'

export interface ScriptingOptions {
  clock: Clock
  sandbox?: SandboxKind
  limits?: Partial<Limits>
  /** Threads that work at once; 0 for as many as there are processors. */
  threads?: number
  /** Threads in all, with those that are held up by an endless loop or a list's slow reader. */
  mostThreads?: number
  /** Threads rest while they map: see `base/rest.ts`. */
  restsOften?: boolean
  /** Engines that one thread keeps warm. */
  mostSandboxes?: number
  /** After so long unused engines and threads are let go. */
  idleMs?: number
  /** Calls that may wait; more are refused. */
  mostWaiting?: number
  /** What functions `log`, and what maps and reduces threw; `owner` is the design document's. */
  onLog?: (owner: string, lines: readonly string[]) => void
}

/** A value for a function: bytes are JSON as they stand, anything else is printed as such. */
export type Argument = Uint8Array | string | number | boolean | null | object

export interface CallOptions {
  /** Ends the wait; a function that runs already is left to its end, and its answer forgotten. */
  signal?: AbortSignal
}

export interface UpdateResult {
  /** The document to be written, as JSON; undefined for none. */
  document: Uint8Array | undefined
  response: ScriptResponse
}

/** Documents that were mapped together: how many, and the rows of all, which `visitRows` reads. */
export interface MappedSlice {
  count: number
  rows: Buffer
}

/** What a rewrite function returns; CouchDB checks the members' types when it uses them. */
export type Rewrite = Record<string, unknown>

const DEFAULT_MOST_THREADS = 8
const DEFAULT_MOST_SANDBOXES = 32
const DEFAULT_IDLE_MS = 300_000
const DEFAULT_MOST_WAITING = 10_000
const PASSED = '1'.charCodeAt(0)
/**
 * Where the engine's module is: found out while everything is loaded. Node remembers for good that a package was not there when it
 * could not be read, so one request without descriptors would leave every later one without design functions.
 */
const WASM_PATH = createRequire(import.meta.url).resolve('@jitl/quickjs-wasmfile-release-sync/wasm')

export class Scripting {
  readonly #lines: Lines
  #limits: Limits

  constructor(options: ScriptingOptions) {
    const threads = options.threads ?? 0
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const idleMs = options.idleMs ?? DEFAULT_IDLE_MS
    const mostSandboxes = options.mostSandboxes ?? DEFAULT_MOST_SANDBOXES
    const { clock, restsOften = false } = options
    const runners = { clock, idleMs, mostSandboxes, restsOften }
    this.#lines = new Lines({
      clock: options.clock,
      limits: () => this.#limits,
      threads: threads > 0 ? threads : availableParallelism(),
      mostThreads: options.mostThreads ?? DEFAULT_MOST_THREADS,
      idleMs,
      mostWaiting: options.mostWaiting ?? DEFAULT_MOST_WAITING,
      onLog: options.onLog ?? (() => {}),
      prepare: options.sandbox === 'v8' ? async () => processes(runners) : () => threadsOf(runners),
    })
  }

  /** Threads that there are now. */
  get threads(): number {
    return this.#lines.threads
  }

  /** For calls from now on; engines that have others are opened anew. */
  set limits(limits: Partial<Limits>) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits }
  }

  /**
   * What CouchDB checks when a design document is written: that maps and reduces are functions. Rejects with ScriptError
   * `compilation_error`. Design documents in other languages are not looked at.
   */
  async compile(design: Design, options: CallOptions = {}): Promise<void> {
    const parts = design.isJavaScript ? design.viewParts() : []
    if (parts.length === 0) return
    const job = { do: 'compile', parts } as const
    bytesOf(await this.#lines.run(design.views, { job, transfer: [] }, options.signal))
  }

  /**
   * `validate_doc_update`. Resolves when the document may be written; rejects with ScriptError, `forbidden` or
   * `unauthorized` or what else the function threw. Documents are as CouchDB shows them to the function: with `_id`, `_rev`,
   * `_revisions`, `_deleted` and attachments as stubs; `oldDocument` is null for a new one.
   */
  async validate(
    design: Design,
    newDocument: Argument,
    oldDocument: Argument,
    user: Argument,
    security: Argument,
    options: CallOptions = {},
  ): Promise<void> {
    const values = [newDocument, oldDocument, user, security]
    bytesOf(await this.#call(design, ['validate_doc_update'], values, 'text', options))
  }

  /** Which documents a filter lets pass. A batch of some dozens costs one crossing of the border. */
  filter(
    design: Design,
    name: string,
    documents: readonly Argument[],
    request: Argument,
    options: CallOptions = {},
  ): Promise<boolean[]> {
    return this.#passed(design, ['filters', name], [listText(documents), request], options)
  }

  /** Which documents a view's map emits anything for: `_changes?filter=_view`. */
  filterByView(
    design: Design,
    view: string,
    documents: readonly Argument[],
    options: CallOptions = {},
  ): Promise<boolean[]> {
    design.require(['views', view])
    return this.#passed(design, ['views', view, 'map'], [listText(documents)], options)
  }

  /** `document` is null where there is none. */
  async show(
    design: Design,
    name: string,
    document: Argument,
    request: Argument,
    options: CallOptions = {},
  ): Promise<ScriptResponse> {
    const outcome = await this.#call(design, ['shows', name], [document, request], 'response', options)
    return responseOf(outcome).response
  }

  /** `document` is null where there is none. What is to be written is for the caller to write, and may be refused. */
  async update(
    design: Design,
    name: string,
    document: Argument,
    request: Argument,
    options: CallOptions = {},
  ): Promise<UpdateResult> {
    const outcome = await this.#call(design, ['updates', name], [document, request], 'update', options)
    return responseOf(outcome)
  }

  /** A rewrite function's answer; undefined where no rule of it applies. */
  async rewrite(design: Design, request: Argument, options: CallOptions = {}): Promise<Rewrite | undefined> {
    const outcome = await this.#call(design, ['rewrites'], [request], 'text', options)
    const answer: unknown = JSON.parse(bytesOf(outcome).toString())
    if (answer === null) return undefined
    if (typeof answer === 'object' && !Array.isArray(answer)) return answer as Rewrite
    throw new ScriptError({ kind: 'thrown', error: 'rewrite_error', reason: 'bad rewrite' })
  }

  /**
   * Runs a list while its result is read: the first item is the answer's beginning, all others are texts. `head` is the
   * view's, and `nextRows` gives rows as JSON, as many as there are together, and none at their end; it is asked when the
   * function asks, so that no more rows are read than are sent. The function holds a thread until it ends; whoever stops
   * reading must call `return` (as `for await` does), which ends it. May throw ScriptError after texts were sent.
   */
  list(
    design: Design,
    name: string,
    head: Argument,
    request: Argument,
    nextRows: ListSource,
    options: CallOptions = {},
  ): AsyncGenerator<ScriptResponse | string, void, void> {
    design.require(['lists', name])
    const text = taskText('list', ['lists', name], [head, request]).toString()
    return runList(this.#lines, design.calls, text, nextRows, options.signal)
  }

  /**
   * Maps documents with the maps of views, in one crossing for as many as fit a tenth of a second. A document is bytes of
   * JSON with `_id` and `_rev`. Resolves with the rows of all, which `visitRows` reads. A map that throws has no rows of
   * that document; rejects with ScriptError where it throws what CouchDB takes for fatal, and where a limit ends it.
   * Batches of some hundred documents are best: beyond, memory grows and nothing else.
   */
  async map(
    design: Design,
    views: readonly string[],
    documents: readonly Uint8Array[],
    options: CallOptions = {},
  ): Promise<Buffer> {
    const slices: Uint8Array[] = []
    for await (const { rows } of this.mapSlices(design, views, documents, options)) slices.push(rows)
    return slices.length === 1 ? Buffer.from(slices[0]!) : Buffer.concat(slices)
  }

  /** The same, crossing by crossing: the next documents are mapped when they are asked for. */
  async *mapSlices(
    design: Design,
    views: readonly string[],
    documents: readonly Uint8Array[],
    options: CallOptions = {},
  ): AsyncGenerator<MappedSlice, void, void> {
    design.requireLanguage()
    for (let done = 0; done < documents.length; ) {
      const bytes = listLinesOf(documents, done)
      const job = { do: 'map', views, bytes } as const
      const outcome = await this.#lines.run(design.views, { job, transfer: [bytes.buffer] }, options.signal)
      const slice = bytesOf(outcome)
      const { done: count, start } = readCount(slice)
      if (!(count > 0)) throw new Error('a slice without documents')
      done += count
      yield { count, rows: slice.subarray(start) }
    }
  }

  /**
   * Reduces groups with the reduces of views. A group is bytes of JSON: `[[[key, id], value], ...]`, or `[reduction, ...]`
   * with `isAgain`, which is a rereduce. Resolves with one entry for each group. A reduce that throws gives null.
   */
  async reduce(
    design: Design,
    views: readonly string[],
    groups: readonly Uint8Array[],
    isAgain: boolean,
    limit: ReduceLimit,
    options: CallOptions = {},
  ): Promise<Reductions[]> {
    design.requireLanguage()
    const reductions: Reductions[] = []
    while (reductions.length < groups.length) {
      const bytes = linesOf(groups.slice(reductions.length))
      const job = { do: 'reduce', views, bytes, isAgain, limit } as const
      const outcome = await this.#lines.run(design.views, { job, transfer: [bytes.buffer] }, options.signal)
      const slice = bytesOf(outcome)
      const { done, start } = readCount(slice)
      if (!(done > 0)) throw new Error('a slice without groups')
      reductions.push(...readReductions(slice, start))
    }
    return reductions
  }

  /** Ends all threads; calls that run or wait are cancelled. */
  close(): Promise<void> {
    return this.#lines.close()
  }

  async #passed(
    design: Design,
    path: readonly string[],
    values: readonly Argument[],
    options: CallOptions,
  ): Promise<boolean[]> {
    const digits = bytesOf(await this.#call(design, path, values, 'text', options))
    return Array.from(digits, (digit) => digit === PASSED)
  }

  async #call(
    design: Design,
    path: readonly string[],
    values: readonly Argument[],
    reading: Reading,
    options: CallOptions,
  ): Promise<Outcome> {
    design.require(path)
    const call = taskText('call', path, values)
    return this.#lines.run(design.calls, { call, reading }, options.signal)
  }
}

interface RunnerOptions {
  clock: Clock
  restsOften: boolean
  mostSandboxes: number
  idleMs: number
}

async function threadsOf(options: RunnerOptions): Promise<StartRunner> {
  const module = await compiledModule()
  return (_, onGone) => new ScriptThread({ ...options, module, onGone })
}

function processes(options: RunnerOptions): StartRunner {
  return ({ memoryBytes }, onGone) => new ScriptProcess({ ...options, memoryBytes, onGone })
}

/** Compiled once for all threads, when there is somebody to use it. */
function compileModule(): ReturnType<typeof WebAssembly.compile> {
  return readFile(WASM_PATH).then((bytes) => WebAssembly.compile(bytes))
}

let moduleOnce: ReturnType<typeof compileModule> | undefined

function compiledModule(): ReturnType<typeof compileModule> {
  moduleOnce ??= compileModule()
  // A file that could not be opened may be there the next time.
  moduleOnce.catch(() => {
    moduleOnce = undefined
  })
  return moduleOnce
}

function bytesOf(outcome: Outcome): Buffer {
  if ('failure' in outcome) throw new ScriptError(outcome.failure)
  if (!('bytes' in outcome)) throw new Error('no bytes')
  const { bytes } = outcome
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function responseOf(outcome: Outcome): UpdateResult {
  if ('failure' in outcome) throw new ScriptError(outcome.failure)
  if (!('response' in outcome)) throw new Error('no response')
  return outcome
}

function textOf(value: Argument): Uint8Array {
  if (value instanceof Uint8Array) return value
  return Buffer.from(JSON.stringify(value))
}

const COMMA = Buffer.from(',')
const OPENED = Buffer.from('[')
const CLOSED = Buffer.from(']')
const TASK_END = Buffer.from(']}')

function listText(values: readonly Argument[]): Uint8Array {
  return Buffer.concat([OPENED, ...separated(values), CLOSED])
}

function separated(values: readonly Argument[]): Uint8Array[] {
  return values.flatMap((value, index) => (index === 0 ? [textOf(value)] : [COMMA, textOf(value)]))
}

function taskText(kind: 'call' | 'list', path: readonly string[], values: readonly Argument[]): Buffer {
  const head = Buffer.from(`{"do":"${kind}","path":${JSON.stringify(path)},"values":[`)
  return Buffer.concat([head, ...separated(values), TASK_END])
}
