/** A failure by its status, as Sync Gateway tells it, and as a sync function refuses a document. */

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

export function badRequest(reason: string): GatewayError {
  return new GatewayError(400, reason)
}

export function missing(reason = 'missing'): GatewayError {
  return new GatewayError(404, reason)
}

export function forbidden(): GatewayError {
  return new GatewayError(403, 'forbidden')
}
