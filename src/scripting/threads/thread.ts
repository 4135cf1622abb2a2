/** A thread that runs design functions, one job at a time. What it holds is what is warm; it can be ended at any moment. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { readResponse } from '../response.ts'
import { Sandbox } from '../sandbox/sandbox.ts'
import { CANCELLED, CRASHED, type Failure, TIMED_OUT } from '../script-error.ts'
import {
  AnswerCount,
  type Job,
  type ListAnswer,
  type ListStep,
  type Outcome,
  Progress,
  type Reading,
  type Reply,
  type ThreadData,
  type Work,
} from './protocol.ts'

const { module, progress: shared, mostSandboxes, idleMs } = workerData as ThreadData
const progress = new Progress(shared)
const nowMs = (): number => systemClock.monotonic()

interface Warm {
  design: Uint8Array
  limits: string
  sandbox: Sandbox | undefined
  usedMs: number
}

/** Least recently used first. */
const warm = new Map<string, Warm>()

/** What all engines of a thread may have grown by; those that were used longest ago go first. */
const MOST_GROWN_BYTES = 256 * 1024 * 1024

function letGo(): void {
  const oldest = nowMs() - idleMs
  let grown = 0
  for (const found of warm.values()) {
    if (found.sandbox?.isSpent === true) found.sandbox = undefined
    grown += found.sandbox?.grownBytes ?? 0
  }
  for (const [key, { usedMs, sandbox }] of warm) {
    if (warm.size <= mostSandboxes && usedMs >= oldest && grown <= MOST_GROWN_BYTES) return
    grown -= sandbox?.grownBytes ?? 0
    warm.delete(key)
  }
}

/** Undefined when the design document is not here. */
function find({ key, design, limits }: Work): Warm | undefined {
  const text = JSON.stringify(limits)
  let found = warm.get(key)
  if (found === undefined) {
    if (design === undefined) return undefined
    found = { design, limits: text, sandbox: undefined, usedMs: 0 }
  }
  if (found.limits !== text) {
    found.limits = text
    found.sandbox = undefined
  }
  found.usedMs = nowMs()
  warm.delete(key)
  warm.set(key, found)
  return found
}

async function opened(found: Warm, { limits }: Work): Promise<Sandbox> {
  if (found.sandbox === undefined || found.sandbox.isSpent) {
    found.sandbox = undefined
    const onStep = (): void => progress.step()
    progress.isWaiting = true
    try {
      found.sandbox = await Sandbox.open(found.design, { module, limits, nowMs, onStep })
    } finally {
      progress.step()
      progress.isWaiting = false
    }
  }
  return found.sandbox
}

async function perform(work: Work): Promise<Reply> {
  const found = find(work)
  if (found === undefined) return { isAbsent: true, outcomes: [], log: [] }
  const log: string[] = []
  const attempt = async (run: (sandbox: Sandbox) => Outcome): Promise<Outcome> => {
    progress.step()
    progress.isWaiting = false
    try {
      const sandbox = await opened(found, work)
      const outcome = run(sandbox)
      log.push(...sandbox.takeLog())
      return outcome
    } catch (error) {
      return { failure: isFailure(error) ? error : { ...CRASHED, reason: String(error) } }
    }
  }
  const outcomes = await outcomesOf(work, attempt)
  letGo()
  return { isAbsent: false, outcomes, log }
}

type Attempt = (run: (sandbox: Sandbox) => Outcome) => Promise<Outcome>

async function outcomesOf({ job, limits }: Work, attempt: Attempt): Promise<Outcome[]> {
  switch (job.do) {
    case 'calls':
      return callEach(job.calls, job.bytes, attempt)
    case 'compile':
      return [await compileParts(job.parts, limits.timeoutMs, attempt)]
    case 'map':
      return [await attempt((sandbox) => sandbox.map(job.views, job.bytes))]
    case 'reduce':
      return [await attempt((sandbox) => sandbox.reduce(job.views, job.bytes, job.isAgain, job.limit))]
    case 'list':
      return [await attempt((sandbox) => runList(sandbox, job))]
  }
}

async function callEach(
  calls: { length: number; reading: Reading }[],
  bytes: Uint8Array,
  attempt: Attempt,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  let at = 0
  for (const { length, reading } of calls) {
    const text = bytes.subarray(at, at + length)
    at += length
    progress.call = outcomes.length
    outcomes.push(await attempt((sandbox) => read(sandbox.run(text), reading)))
  }
  return outcomes
}

function read(outcome: { bytes: Buffer } | { failure: Failure }, reading: Reading): Outcome {
  if ('failure' in outcome || reading === 'text') return outcome
  const { bytes } = outcome
  const border = reading === 'update' ? bytes.indexOf(1) : -1
  const response = readResponse(JSON.parse(bytes.toString('utf8', border + 1)))
  const hasDocument = border > 0 && bytes[0] === '{'.charCodeAt(0)
  return { response, document: hasDocument ? bytes.subarray(0, border) : undefined }
}

/** All of them together get the time of one call. */
async function compileParts(
  parts: { view: string; part: 'map' | 'reduce' }[],
  timeoutMs: number,
  attempt: Attempt,
): Promise<Outcome> {
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

/** Blocks while it waits for rows: the thread is the list's own until it ends. */
function runList(sandbox: Sandbox, { text, port, answers }: Job & { do: 'list' }): Outcome {
  const count = new AnswerCount(answers)
  const ask = (step: ListStep): ListAnswer => {
    port.postMessage(step)
    progress.isWaiting = true
    count.take()
    progress.isWaiting = false
    progress.step()
    return (
      (receiveMessageOnPort(port) as { message: ListAnswer } | undefined)?.message ?? {
        rows: undefined,
        isOver: true,
      }
    )
  }
  let refusal: Failure | undefined
  let isOver = false
  try {
    const outcome = sandbox.run(Buffer.from(text), (told) => {
      const step = JSON.parse(told) as { start?: unknown; chunks: string; ask: boolean }
      let start: ListStep['start']
      try {
        start = step.start === undefined ? undefined : readResponse(step.start)
      } catch (error) {
        refusal = error as Failure
        return undefined
      }
      const answer = ask({ start, chunks: step.chunks, isAsking: step.ask })
      isOver = answer.isOver
      return isOver ? undefined : Buffer.from(answer.rows ?? [])
    })
    if (refusal !== undefined) return { failure: refusal }
    return isOver ? { failure: CANCELLED } : outcome
  } finally {
    port.close()
  }
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'kind' in error && 'reason' in error
}

/** What is long is given away, and not copied. */
const LEAST_GIVEN_BYTES = 64 * 1024

function buffersOf({ outcomes }: Reply): ArrayBuffer[] {
  return outcomes.flatMap((outcome) => {
    if (!('bytes' in outcome) || outcome.bytes.length < LEAST_GIVEN_BYTES) return []
    return [outcome.bytes.buffer as ArrayBuffer]
  })
}

parentPort!.on('message', (work: Work) => {
  void perform(work).then((reply) => parentPort!.postMessage(reply, buffersOf(reply)))
})
