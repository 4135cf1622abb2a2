/**
 * What a design function's failure is to whoever called it: CouchDB's name of the error and its reason, which come from
 * the function itself where it threw such, and what kind of end it was.
 */
export type FailureKind =
  /** The function threw, or what it returned is none of what it may. */
  | 'thrown'
  /** Its text is no function. */
  | 'compilation'
  /** There is no such function. */
  | 'missing'
  /** The design document is in a language that is not run. */
  | 'language'
  | 'timeout'
  | 'memory'
  | 'stack'
  /** What it answered is too long. */
  | 'result'
  /** The thread that ran it ended. */
  | 'crashed'
  /** Too many calls wait, or there is no thread for them. */
  | 'busy'
  /** Whoever called has gone, or the room was closed. */
  | 'cancelled'

export interface Failure {
  kind: FailureKind
  error: string
  reason: string
}

/** What CouchDB answers errors by their names with; all others get 500. */
const STATUS: Readonly<Record<string, number>> = {
  bad_request: 400,
  compilation_error: 400,
  illegal_docid: 400,
  query_parse_error: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  conflict: 409,
  file_exists: 412,
  too_large: 413,
  bad_content_type: 415,
  service_unavailable: 503,
}

export class ScriptError extends Error {
  override readonly name = 'ScriptError'
  readonly kind: FailureKind
  /** CouchDB's name of the error; a design function may say any. */
  readonly error: string
  readonly reason: string

  constructor({ kind, error, reason }: Failure) {
    super(`${error}: ${reason}`)
    this.kind = kind
    this.error = error
    this.reason = reason
  }

  get status(): number {
    return Object.hasOwn(STATUS, this.error) ? STATUS[this.error]! : 500
  }
}

/** What ends a process of CouchDB's query server ends a call here; its name is CouchDB's. */
const OS_PROCESS_ERROR = 'os_process_error'

export const TIMED_OUT: Failure = {
  kind: 'timeout',
  error: OS_PROCESS_ERROR,
  reason: 'OS process timed out.',
}
export const OUT_OF_MEMORY: Failure = {
  kind: 'memory',
  error: OS_PROCESS_ERROR,
  reason: 'The function took more memory than it may.',
}
export const OUT_OF_STACK: Failure = {
  kind: 'stack',
  error: OS_PROCESS_ERROR,
  reason: 'The function called itself too deeply.',
}
export const TOO_LONG: Failure = {
  kind: 'result',
  error: OS_PROCESS_ERROR,
  reason: 'The function answered with more than it may.',
}
export const CRASHED: Failure = {
  kind: 'crashed',
  error: OS_PROCESS_ERROR,
  reason: 'The thread that ran the function ended.',
}
export const BUSY: Failure = {
  kind: 'busy',
  error: 'service_unavailable',
  reason: 'Too many calls of design functions wait.',
}
export const NO_THREAD: Failure = {
  kind: 'busy',
  error: 'service_unavailable',
  reason: 'There is no thread to run the function.',
}
export const CANCELLED: Failure = {
  kind: 'cancelled',
  error: 'service_unavailable',
  reason: 'The call was cancelled.',
}
