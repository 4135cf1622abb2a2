import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import { ScriptError } from '../scripting/script-error.ts'

const KINDS: Readonly<Record<number, ErrorKind>> = { 401: 'unauthorized', 403: 'forbidden', 404: 'missing' }

/** What a design function threw, or how it ended: under the name that it gave, which may be any. */
export class DesignFunctionError extends DatabaseError {
  override readonly status: number
  override readonly error: string

  constructor(cause: ScriptError) {
    super(KINDS[cause.status] ?? 'designFunction', cause.reason, { cause })
    this.status = cause.status
    this.error = cause.error
  }
}

/** The error that a client is told; anything but a failure of a function is thrown on. */
export function functionError(error: unknown): DatabaseError {
  if (error instanceof ScriptError) return new DesignFunctionError(error)
  throw error
}
