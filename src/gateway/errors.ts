/**
 * Failures as Sync Gateway tells them: a whole request's `error` is the text of the HTTP status (but `not_found` and
 * `conflict`), a row's or a part's is CouchDB's name. The texts of statuses are those of Go's net/http.
 */
import { STATUS_CODES } from 'node:http'
import { DatabaseError } from '../base/errors.ts'
import { GatewayError } from '../channels/gateway-error.ts'
import { JsonSyntaxError } from '../json/documents.ts'

export { badRequest, forbidden, GatewayError, missing } from '../channels/gateway-error.ts'

/** Where Go's names of statuses are not Node's. */
const GO_STATUS: Readonly<Record<number, string>> = {
  404: 'not_found',
  409: 'conflict',
  413: 'Request Entity Too Large',
  414: 'Request URI Too Long',
  416: 'Requested Range Not Satisfiable',
  418: "I'm a teapot",
}

const ROW_NAMES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  406: 'not_acceptable',
  409: 'conflict',
  412: 'file_exists',
  415: 'bad_content_type',
}

/** The `error` of a whole answer. */
export function errorName(status: number): string {
  return GO_STATUS[status] ?? STATUS_CODES[status] ?? String(status)
}

/** The `error` of a row or a part. */
export function rowErrorName(status: number): string {
  return ROW_NAMES[status] ?? String(status)
}

/** Undefined for what no client may be told more of than that it happened. */
export function knownFailure(error: unknown): GatewayError | undefined {
  if (error instanceof GatewayError) return error
  if (error instanceof JsonSyntaxError) return new GatewayError(400, 'Bad JSON')
  if (error instanceof DatabaseError && error.status < 500) {
    return new GatewayError(error.status, error.reason, { headers: { ...error.headers } })
  }
  if (error instanceof DatabaseError && error.status !== 500)
    return new GatewayError(error.status, error.reason)
  return undefined
}
