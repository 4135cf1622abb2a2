/** One design document in one engine, whichever: its functions are compiled as they are called. */
import type { Limits } from '../limits.ts'
import { OPERATION } from '../prelude/prelude.ts'
import type { Task } from '../prelude/run.ts'
import type { ReduceLimit } from '../prelude/views.ts'
import { type Failure, TOO_LONG } from '../script-error.ts'

/** What a list's `getRow` does: sends, and waits for rows. Undefined ends the list. */
export type RowExchange = (step: string) => Buffer | undefined

export type Outcome = { bytes: Buffer } | { failure: Failure }

export interface OpenSandbox {
  /** Whether it must not be used again. */
  readonly isSpent: boolean
  /** What its engine has taken of memory of its own, beyond what it began with. */
  readonly grownBytes: number
  /** Lines of `log` since they were taken before. */
  takeLog(): string[]
  run(task: Uint8Array, exchange?: RowExchange): Outcome
  runTask(task: Task): Outcome
  /** Documents are in lists of JSON, each list on a line, and the last line ends too. See `rows.ts` for what comes back. */
  map(views: readonly string[], texts: Uint8Array): Outcome
  reduce(views: readonly string[], texts: Uint8Array, isAgain: boolean, limit: ReduceLimit): Outcome
}

/** Batches pause after so long, so that calls of other design documents get the thread. */
const SLICE_MS = 100

/** `Wiring` of the prelude, as JSON. */
export function wiringText({ rowsPerDocument, resultBytes, timeoutMs }: Limits): string {
  return JSON.stringify({
    operations: OPERATION,
    limits: {
      mostRows: rowsPerDocument,
      mostCharacters: resultBytes,
      sliceMs: Math.min(SLICE_MS, timeoutMs),
    },
  })
}

const RESULT = 'R'.charCodeAt(0)
const ERROR = 'E'.charCodeAt(0)

/** What an entry of the prelude returns: an outcome, or what the engine said of its end. */
export function readTold(bytes: Buffer): Outcome | { end: string } {
  const [status] = bytes
  if (status === RESULT) {
    mendSurrogates(bytes)
    return { bytes: bytes.subarray(1) }
  }
  let told: [string, string]
  try {
    told = JSON.parse(bytes.toString('utf8', 1)) as [string, string]
  } catch {
    return { end: '' }
  }
  const [error, reason] = told.map(String) as [string, string]
  if (status !== ERROR) return { end: error }
  if (error === 'too_many_rows' || error === 'result_too_long') return { failure: { ...TOO_LONG, reason } }
  return { failure: { kind: kindOf(error), error, reason } }
}

const BACKSLASH = 0x5c
const SURROGATE = '\\ud'

/** A surrogate without its other half, which the engine writes as an escape and UTF-8 cannot hold, becomes U+FFFD. */
function mendSurrogates(text: Buffer): void {
  for (let at = text.indexOf(SURROGATE); at !== -1; at = text.indexOf(SURROGATE, at + 1)) {
    let first = at
    while (text[first - 1] === BACKSLASH) first -= 1
    // Else the backslash itself is what was escaped.
    if ((at - first) % 2 === 0) text.write('fffd', at + 2, 'latin1')
  }
}

/** `outcome`, unless it is longer than it may be. */
export function bounded(outcome: Outcome, { resultBytes }: Limits): Outcome {
  const length = 'bytes' in outcome ? outcome.bytes.length : outcome.failure.reason.length
  return length > resultBytes ? { failure: TOO_LONG } : outcome
}

function kindOf(error: string): Failure['kind'] {
  if (error === 'compilation_error') return 'compilation'
  return error === 'not_found' ? 'missing' : 'thrown'
}
