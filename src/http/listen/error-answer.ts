import type { DatabaseError, ErrorKind } from '../../base/errors.ts'
import { jsonText, type WholeAnswer } from '../answer/answer.ts'
import { knownError } from '../answer/known-error.ts'
import { accepts } from '../request/accept.ts'
import type { Exchange } from '../request/exchange.ts'
import { decodeComponent, encodeComponent } from '../request/path.ts'

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
  let { status } = error
  if (error.status === 401) {
    // A client that wants the browser's own dialogue says so.
    const wanted = exchange.header('x-couchdb-www-authenticate')
    const challenge = wanted ?? (exchange.limits.requireValidUser ? REALM : undefined)
    if (challenge !== undefined) headers['www-authenticate'] = challenge
    else if (isForPages(exchange)) {
      headers['location'] = loginUri(exchange, error.reason)
      status = 302
    }
  }
  return jsonText(status, `${errorText(error)}\n`, headers)
}

/** Whether the client takes HTML and no JSON: somebody who has followed a link. */
function isForPages(exchange: Exchange): boolean {
  const accept = exchange.header('accept')
  return !accepts(accept, 'application/json') && accepts(accept, 'text/html')
}

/** The page to sign in on, told where to come back to, and why it was asked for. */
function loginUri(exchange: Exchange, reason: string): string {
  const path = decodeComponent(exchange.rawTarget.split('?', 1)[0]!)
  const query = `return=${encodeComponent(path)}&reason=${encodeComponent(reason)}`
  return exchange.absoluteUri(`${exchange.limits.loginPage}?${query}`)
}

/** The JSON of an error, without a newline. */
export function errorText({ error, reason, reference }: ShownError): string {
  return JSON.stringify({ error, reason, ref: reference })
}

type ShownError = Pick<DatabaseError, 'error' | 'reason'> & Partial<Pick<DatabaseError, 'reference'>>
