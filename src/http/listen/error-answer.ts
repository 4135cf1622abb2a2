import type { DatabaseError, ErrorKind } from '../../base/errors.ts'
import { jsonText, type WholeAnswer } from '../answer/answer.ts'
import { knownError } from '../answer/known-error.ts'
import type { Exchange } from '../request/exchange.ts'

/** What an administrator must hear of. The rest is the client's business. */
const DEFECTS = new Set<ErrorKind>(['internal', 'storageDamaged', 'storageUnavailable'])

const REALM = 'Basic realm="server"'

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
  if (error.reference !== undefined) {
    exchange.backend.log.info('request refused', {
      requestId: exchange.requestId,
      ref: error.reference,
      error: error.stack ?? error.message,
    })
  }
  const headers = { ...error.headers }
  if (error.status === 401) {
    // A client that wants the browser's own dialogue says so.
    const wanted = exchange.header('x-couchdb-www-authenticate')
    const challenge = wanted ?? (exchange.limits.requireValidUser ? REALM : undefined)
    if (challenge !== undefined) headers['www-authenticate'] = challenge
  }
  return jsonText(error.status, `${errorText(error)}\n`, headers)
}

/** The JSON of an error, without a newline. */
export function errorText({ error, reason, reference }: ShownError): string {
  return JSON.stringify({ error, reason, ref: reference })
}

type ShownError = Pick<DatabaseError, 'error' | 'reason'> & Partial<Pick<DatabaseError, 'reference'>>
