import { DatabaseError, operatingFailureOf } from '../../base/errors.ts'
import { JsonSyntaxError } from '../../json/documents.ts'
import { isStackOverflow } from '../../json/print.ts'

/** What a client is told of any thrown value. */
export function knownError(thrown: unknown): DatabaseError {
  if (thrown instanceof DatabaseError) return thrown
  if (thrown instanceof JsonSyntaxError) return new DatabaseError('badRequest', thrown.message)
  if (isStackOverflow(thrown)) return new DatabaseError('badRequest', 'The request is nested too deeply.')
  return operatingFailureOf(thrown) ?? new DatabaseError('internal')
}
