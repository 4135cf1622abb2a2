import type { IncomingMessage } from 'node:http'

/** In which proxies name the host that the client has sent a request to, unless `[chttpd] x_forwarded_host` names another. */
export const FORWARDED_HOST = 'x-forwarded-host'

/**
 * The host to which the client has sent a request, with its port: the one that a proxy names, if one does, in a header
 * of the name `forwardedHost`, in lower case.
 */
export function hostOf(request: IncomingMessage, forwardedHost = FORWARDED_HOST): string | undefined {
  const forwarded = request.headers[forwardedHost]
  return typeof forwarded === 'string' ? forwarded : request.headers.host
}
