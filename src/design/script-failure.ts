import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import type { Design } from '../scripting/design.ts'
import { ScriptError } from '../scripting/script-error.ts'

const KINDS: Readonly<Record<number, ErrorKind>> = { 401: 'unauthorized', 403: 'forbidden', 404: 'missing' }

/** What a design function threw, or how it ended: under the name that it gave, which may be any. */
export class DesignFunctionError extends DatabaseError {
  override readonly status: number
  override readonly error: string

  constructor(cause: ScriptError, error = cause.error) {
    super(KINDS[cause.status] ?? 'designFunction', cause.reason, { cause })
    this.status = cause.status
    this.error = error
  }
}

/** The same of a filter of changes, whose own errors have no names in CouchDB. */
export function filterError(error: unknown): DatabaseError {
  if (!(error instanceof ScriptError)) throw error
  return new DesignFunctionError(
    error,
    error.kind === 'thrown' && error.status === 500 ? 'error' : error.error,
  )
}

/** Throws missing where the design document has no such function, and what says that its language is not run. */
export function requireFunction(design: Design, path: readonly string[]): void {
  try {
    design.require(path)
  } catch (error) {
    throw functionError(error)
  }
}

/** The error that a client is told; anything but a failure of a function is thrown on. */
export function functionError(error: unknown): DatabaseError {
  if (error instanceof ScriptError) return new DesignFunctionError(error)
  throw error
}
