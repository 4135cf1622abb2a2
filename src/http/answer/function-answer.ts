/**
 * What a function of a design document answers, as HTTP. Whoever wrote the function says status, headers and body, and
 * nothing of how they travel: the message's length and its connection are the server's.
 */
import { DesignFunctionError } from '../../design/script-failure.ts'
import { isHeaderText } from '../../documents/characters.ts'
import type { ScriptResponse } from '../../scripting/response.ts'
import { ScriptError } from '../../scripting/script-error.ts'
import type { Headers, WholeAnswer } from './answer.ts'

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Of the connection (RFC 9110, 7.6.1), of the message's framing, and what every answer says of the server. */
export const OF_THE_SERVER = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-connection',
  'server',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-couch-request-id',
  'x-couchdb-body-time',
])
/** Those below are of answers that others follow (RFC 9110, 15.2). */
const FIRST_FINAL_STATUS = 200
const MOST_HEADERS = 100
/** Of all names and values, about what clients take. */
const MOST_HEADER_CHARACTERS = 16 * 1024

export interface FunctionHeaders {
  /** That the function cannot change. */
  own?: Headers
  /** `Content-Security-Policy`, unless it says another one. */
  policy: string | undefined
}

/** Throws DesignFunctionError for what HTTP cannot say. */
export function functionAnswer(
  response: ScriptResponse,
  status: number,
  given: FunctionHeaders,
): WholeAnswer {
  const body = Buffer.from(response.body.buffer, response.body.byteOffset, response.body.length)
  return {
    kind: 'whole',
    status: finalStatus(status),
    headers: functionHeaders(response, given),
    body: response.isJson ? Buffer.concat([body, Buffer.from('\n')]) : body,
  }
}

/** Throws DesignFunctionError. */
export function finalStatus(status: number): number {
  if (status < FIRST_FINAL_STATUS) throw refused('code', status)
  return status
}

/** Throws DesignFunctionError. */
export function functionHeaders(response: ScriptResponse, { own = {}, policy }: FunctionHeaders): Headers {
  // What a function answers is its author's: a browser must not run it with this server's rights.
  const headers = new Map<string, string>()
  if (response.isJson) headers.set('cache-control', 'must-revalidate')
  else if (policy !== undefined) headers.set('content-security-policy', policy)
  if (response.contentType !== '') headers.set('content-type', response.contentType)
  let characters = 0
  if (response.headers.length > MOST_HEADERS) throw refused('headers', response.headers.length)
  for (const [name, value] of response.headers) {
    characters += name.length + value.length
    if (characters > MOST_HEADER_CHARACTERS) throw refused('headers', characters)
    if (!TOKEN.test(name) || !isHeaderText(value)) throw refused(name, value)
    const lower = name.toLowerCase()
    if (!OF_THE_SERVER.has(lower)) headers.set(lower, Buffer.from(value).toString('latin1'))
  }
  return Object.fromEntries([...headers, ...Object.entries(own)])
}

function refused(name: string, value: unknown): DesignFunctionError {
  const shown = `{${JSON.stringify(name)},${JSON.stringify(value)}}`.slice(0, 1000)
  const reason = `Invalid data from external server: ${shown}`
  return new DesignFunctionError(
    new ScriptError({ kind: 'thrown', error: 'external_response_error', reason }),
  )
}
