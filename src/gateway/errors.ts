/**
 * Failures as Sync Gateway tells them: a whole request's `error` is the text of the HTTP status (but `not_found` and
 * `conflict`), a row's or a part's is CouchDB's name. The texts of statuses are those of Go's net/http.
 */
import { STATUS_CODES } from 'node:http'
import { DatabaseError } from '../base/errors.ts'
import { JsonSyntaxError } from '../json/documents.ts'

export interface FailureOptions {
  headers?: Record<string, string>
  cause?: unknown
}

/** What a client is told. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, reason: string, { headers = {}, cause }: FailureOptions = {}) {
    super(`${status}: ${reason}`, cause === undefined ? undefined : { cause })
    this.status = status
    this.reason = reason
    this.headers = headers
  }
}

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

export function badRequest(reason: string): GatewayError {
  return new GatewayError(400, reason)
}

export function missing(reason = 'missing'): GatewayError {
  return new GatewayError(404, reason)
}

export function forbidden(): GatewayError {
  return new GatewayError(403, 'forbidden')
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
