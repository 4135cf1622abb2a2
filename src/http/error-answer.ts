import { DatabaseError } from '../base/errors.ts'
import { JsonSyntaxError } from '../base/json/documents.ts'
import { jsonText, type WholeAnswer } from './answer.ts'
import type { Exchange } from './exchange.ts'

/** Any thrown value as CouchDB's `{"error":..,"reason":..}`. What nobody foresaw is logged and not told. */
export function errorAnswer(thrown: unknown, exchange: Exchange): WholeAnswer {
  const error = known(thrown)
  if (error.status >= 500 && error.status !== 501) {
    exchange.service.options.log.error('request failed', {
      requestId: exchange.requestId,
      method: exchange.method,
      route: exchange.place.route,
      error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    })
  }
  return jsonText(error.status, `${errorText(error)}\n`, error.headers)
}

/** The JSON of an error, without a newline. */
export function errorText(error: { error: string; reason: string }): string {
  return JSON.stringify({ error: error.error, reason: error.reason })
}

function known(thrown: unknown): DatabaseError {
  if (thrown instanceof DatabaseError) return thrown
  if (thrown instanceof JsonSyntaxError) return new DatabaseError('badRequest', thrown.message)
  return new DatabaseError('internal')
}
