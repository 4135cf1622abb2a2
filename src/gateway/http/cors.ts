import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CorsConfig } from '../config.ts'

/** What of the allowed origins fits; '' for none. */
export function allowedOrigin(allowed: readonly string[], origin: string): string {
  if (allowed.includes(origin)) return origin
  return allowed.includes('*') ? '*' : ''
}

/** Puts the headers of cross-origin requests into an answer. */
export function putCors(
  cors: CorsConfig | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  methods: string,
): void {
  const { origin } = request.headers
  if (cors === undefined || origin === undefined) return
  response.setHeader('Access-Control-Allow-Origin', allowedOrigin(cors.Origin, origin))
  response.setHeader('Access-Control-Allow-Credentials', 'true')
  response.setHeader('Access-Control-Allow-Headers', cors.Headers.join(', '))
  if (request.method !== 'OPTIONS') return
  response.setHeader('Access-Control-Max-Age', String(cors.MaxAge))
  response.setHeader('Access-Control-Allow-Methods', methods)
}
