import { DatabaseError, type ErrorKind, operatingFailureOf } from '../../base/errors.ts'
import { DocumentError, type DocumentErrorCode } from '../../database/errors/document-error.ts'
import { JsonSyntaxError } from '../../json/documents.ts'
import { isStackOverflow } from '../../json/print.ts'

const DOCUMENT_KINDS: Record<DocumentErrorCode, ErrorKind> = {
  bad_request: 'badRequest',
  doc_validation: 'documentValidation',
  illegal_docid: 'illegalDocumentId',
}

/** What a client is told of any thrown value. */
export function knownError(thrown: unknown): DatabaseError {
  if (thrown instanceof DatabaseError) return thrown
  if (thrown instanceof JsonSyntaxError) return new DatabaseError('badRequest', thrown.message)
  if (thrown instanceof DocumentError) return new DatabaseError(DOCUMENT_KINDS[thrown.code], thrown.message)
  if (isStackOverflow(thrown)) return new DatabaseError('badRequest', 'The request is nested too deeply.')
  return operatingFailureOf(thrown) ?? new DatabaseError('internal')
}
