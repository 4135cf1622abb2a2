/** What a writer rejects with, as a value that can be cloned, and back. */
import { DatabaseError, type ErrorKind } from '../../base/errors.ts'
import { MovedContent } from '../write/moved-content.ts'
import { isErrorKind } from './text-codec.ts'

export type Failure =
  | { type: 'database'; kind: ErrorKind; reason: string; headers: Record<string, string> }
  | { type: 'moved'; salt: bigint }
  /** A defect, or what a source threw. */
  | { type: 'other'; message: string; stack: string | undefined }

export function failureOf(error: unknown): Failure {
  if (error instanceof DatabaseError) {
    const { kind, reason, headers } = error
    return { type: 'database', kind, reason, headers: { ...headers } }
  }
  if (error instanceof MovedContent) return { type: 'moved', salt: error.salt }
  if (error instanceof Error) return { type: 'other', message: error.message, stack: error.stack }
  return { type: 'other', message: String(error), stack: undefined }
}

export function errorOf(failure: Failure): Error {
  if (failure.type === 'moved') return new MovedContent(failure.salt)
  if (failure.type === 'database' && isErrorKind(failure.kind)) {
    return new DatabaseError(failure.kind, failure.reason, { headers: failure.headers })
  }
  const { message, stack } =
    failure.type === 'other' ? failure : { message: failure.reason, stack: undefined }
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
