import type { IncomingMessage } from 'node:http'

/** The host to which the client has sent a request, with its port: the one that a proxy names, if one does. */
export function hostOf(request: IncomingMessage): string | undefined {
  const forwarded = request.headers['x-forwarded-host']
  return typeof forwarded === 'string' ? forwarded : request.headers.host
}
