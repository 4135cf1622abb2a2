/**
 * What a thread, or a process, does with the work that it is given: one piece at a time, each by the engine of its design
 * document, of which those that were used lately are kept warm.
 */
import type { Limits } from '../limits.ts'
import { readResponse } from '../response.ts'
import type { OpenSandbox, Outcome as Told } from '../sandbox/open-sandbox.ts'
import { CANCELLED, CRASHED, type Failure, TIMED_OUT } from '../script-error.ts'
import type {
  ListAnswer,
  ListJob,
  ListStep,
  Outcome,
  PlainJob,
  Progress,
  Reading,
  Reply,
  Work,
} from './protocol.ts'

export interface PerformerOptions {
  /** Throws a Failure. */
  open: (design: Uint8Array, limits: Limits) => OpenSandbox | Promise<OpenSandbox>
  progress: Progress
  nowMs: () => number
  mostSandboxes: number
  idleMs: number
}

/** With who reads a list. */
export interface Conversation {
  /** Waits for the answer. */
  ask(step: ListStep): ListAnswer
}

type PerformedWork = Omit<Work, 'job'> & { job: PlainJob | ListJob }

interface Warm {
  design: Uint8Array
  limits: string
  sandbox: OpenSandbox | undefined
  usedMs: number
}

type Attempt = (run: (sandbox: OpenSandbox) => Outcome) => Promise<Outcome>

/** What all engines of a thread may have grown by; those that were used longest ago go first. */
const MOST_GROWN_BYTES = 256 * 1024 * 1024

export class Performer {
  readonly #options: PerformerOptions
  /** Least recently used first. */
  readonly #warm = new Map<string, Warm>()

  constructor(options: PerformerOptions) {
    this.#options = options
  }

  /** `conversation` is of a list's. */
  async perform(work: PerformedWork, conversation?: Conversation): Promise<Reply> {
    const { progress } = this.#options
    const found = this.#find(work)
    if (found === undefined) return { isAbsent: true, outcomes: [], log: [] }
    const log: string[] = []
    const attempt: Attempt = async (run) => {
      progress.step()
      progress.isWaiting = false
      try {
        const sandbox = await this.#opened(found, work)
        const outcome = run(sandbox)
        log.push(...sandbox.takeLog())
        return outcome
      } catch (error) {
        return { failure: isFailure(error) ? error : { ...CRASHED, reason: String(error) } }
      }
    }
    const outcomes = await this.#outcomesOf(work, attempt, conversation)
    this.#letGo()
    return { isAbsent: false, outcomes, log }
  }

  /** Undefined when the design document is not here. */
  #find({ key, design, limits }: PerformedWork): Warm | undefined {
    const text = JSON.stringify(limits)
    let found = this.#warm.get(key)
    if (found === undefined) {
      if (design === undefined) return undefined
      found = { design, limits: text, sandbox: undefined, usedMs: 0 }
    }
    if (found.limits !== text) {
      found.limits = text
      found.sandbox = undefined
    }
    found.usedMs = this.#options.nowMs()
    this.#warm.delete(key)
    this.#warm.set(key, found)
    return found
  }

  async #opened(found: Warm, { limits }: PerformedWork): Promise<OpenSandbox> {
    if (found.sandbox === undefined || found.sandbox.isSpent) {
      const { progress, open } = this.#options
      found.sandbox = undefined
      progress.isWaiting = true
      try {
        found.sandbox = await open(found.design, limits)
      } finally {
        progress.step()
        progress.isWaiting = false
      }
    }
    return found.sandbox
  }

  #letGo(): void {
    const { nowMs, idleMs, mostSandboxes } = this.#options
    const oldest = nowMs() - idleMs
    let grown = 0
    for (const found of this.#warm.values()) {
      if (found.sandbox?.isSpent === true) found.sandbox = undefined
      grown += found.sandbox?.grownBytes ?? 0
    }
    for (const [key, { usedMs, sandbox }] of this.#warm) {
      if (this.#warm.size <= mostSandboxes && usedMs >= oldest && grown <= MOST_GROWN_BYTES) return
      grown -= sandbox?.grownBytes ?? 0
      this.#warm.delete(key)
    }
  }

  async #outcomesOf(
    { job, limits }: PerformedWork,
    attempt: Attempt,
    conversation: Conversation | undefined,
  ): Promise<Outcome[]> {
    switch (job.do) {
      case 'calls':
        return this.#callEach(job.calls, job.bytes, attempt)
      case 'compile':
        return [await this.#compileParts(job.parts, limits.timeoutMs, attempt)]
      case 'map':
        return [await attempt((sandbox) => sandbox.map(job.views, job.bytes))]
      case 'reduce':
        return [await attempt((sandbox) => sandbox.reduce(job.views, job.bytes, job.isAgain, job.limit))]
      case 'list':
        return [await attempt((sandbox) => runList(sandbox, job.text, conversation!))]
    }
  }

  async #callEach(
    calls: { length: number; reading: Reading }[],
    bytes: Uint8Array,
    attempt: Attempt,
  ): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    let at = 0
    for (const { length, reading } of calls) {
      const text = bytes.subarray(at, at + length)
      at += length
      this.#options.progress.call = outcomes.length
      outcomes.push(await attempt((sandbox) => read(sandbox.run(text), reading)))
    }
    return outcomes
  }

  /** All of them together get the time of one call. */
  async #compileParts(
    parts: { view: string; part: 'map' | 'reduce' }[],
    timeoutMs: number,
    attempt: Attempt,
  ): Promise<Outcome> {
    const { nowMs } = this.#options
    const untilMs = nowMs() + timeoutMs
    for (const { view, part } of parts) {
      if (nowMs() > untilMs) return { failure: TIMED_OUT }
      const outcome = await attempt((sandbox) => sandbox.runTask({ do: 'compile', view, part }))
      if (!('failure' in outcome)) continue
      const { failure } = outcome
      // An empty text, which CouchDB does not tell as one that does not compile.
      if (failure.error === 'not_found') return outcome
      const reason = `Compilation of the ${part} function in the '${view}' view failed: ${failure.reason}`
      return { failure: { ...failure, error: 'compilation_error', reason } }
    }
    return { bytes: Buffer.alloc(0) }
  }
}

function read(outcome: Told, reading: Reading): Outcome {
  if ('failure' in outcome || reading === 'text') return outcome
  const { bytes } = outcome
  const border = reading === 'update' ? bytes.indexOf(1) : -1
  const response = readResponse(JSON.parse(bytes.toString('utf8', border + 1)))
  const hasDocument = border > 0 && bytes[0] === '{'.charCodeAt(0)
  return { response, document: hasDocument ? bytes.subarray(0, border) : undefined }
}

/** Blocks while it waits for rows: the thread is the list's own until it ends. */
function runList(sandbox: OpenSandbox, text: string, conversation: Conversation): Outcome {
  let refusal: Failure | undefined
  let isOver = false
  const outcome = sandbox.run(Buffer.from(text), (told) => {
    const step = JSON.parse(told) as { start?: unknown; chunks: string; ask: boolean }
    let start: ListStep['start']
    try {
      start = step.start === undefined ? undefined : readResponse(step.start)
    } catch (error) {
      refusal = error as Failure
      return undefined
    }
    const answer = conversation.ask({ start, chunks: step.chunks, isAsking: step.ask })
    isOver = answer.isOver
    return isOver ? undefined : Buffer.from(answer.rows ?? [])
  })
  if (refusal !== undefined) return { failure: refusal }
  return isOver ? { failure: CANCELLED } : outcome
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'kind' in error && 'reason' in error
}
