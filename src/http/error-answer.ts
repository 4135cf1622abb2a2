import { DatabaseError, type ErrorKind, operatingFailureOf } from '../base/errors.ts'
import { JsonSyntaxError } from '../base/json/documents.ts'
import { isStackOverflow } from '../base/json/print.ts'
import { DocumentError, type DocumentErrorCode } from '../database/document-error.ts'
import { jsonText, type WholeAnswer } from './answer.ts'
import type { Exchange } from './exchange.ts'

/** What an administrator must hear of. The rest is the client's business. */
const DEFECTS = new Set<ErrorKind>(['internal', 'storageDamaged', 'storageUnavailable'])

/** Any thrown value as CouchDB's `{"error":..,"reason":..}`. What nobody foresaw is logged and not told. */
export function errorAnswer(thrown: unknown, exchange: Exchange): WholeAnswer {
  const error = knownError(thrown)
  if (DEFECTS.has(error.kind)) {
    exchange.backend.log.error('request failed', {
      requestId: exchange.requestId,
      method: exchange.method,
      route: exchange.place.route,
      error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    })
  }
  const headers = { ...error.headers }
  // A client that wants the browser's own dialogue says so.
  const challenge = error.status === 401 ? exchange.header('x-couchdb-www-authenticate') : undefined
  if (challenge !== undefined) headers['www-authenticate'] = challenge
  return jsonText(error.status, `${errorText(error)}\n`, headers)
}

/** The JSON of an error, without a newline. */
export function errorText(error: { error: string; reason: string }): string {
  return JSON.stringify({ error: error.error, reason: error.reason })
}

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
