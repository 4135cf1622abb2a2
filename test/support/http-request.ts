/** Requests that go out exactly as they are written: path, method and headers untouched. */
import { type IncomingHttpHeaders, request } from 'node:http'
import type { TestServer } from './http-server.ts'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The body as JSON, undefined where it is none. */
  json: unknown
}

export interface Sending {
  /** Sent as JSON with its content type. */
  json?: unknown
  /** Sent as it is. */
  body?: string | Buffer
  headers?: Record<string, string>
  /** "name:password", or null for nobody; default the administrator. */
  as?: string | null
}

/** `line` is "METHOD /path". */
export function ask(server: TestServer, line: string, sending: Sending = {}): Promise<Reply> {
  const space = line.indexOf(' ')
  const headers: Record<string, string> = { accept: 'application/json', ...sending.headers }
  if (sending.as === undefined) headers['authorization'] = server.authorization
  else if (sending.as !== null) {
    headers['authorization'] = `Basic ${Buffer.from(sending.as).toString('base64')}`
  }
  const body = sending.json === undefined ? sending.body : JSON.stringify(sending.json)
  if (sending.json !== undefined) headers['content-type'] ??= 'application/json'
  if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body))
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        maxHeaderSize: 100_000,
        port: server.http.port,
        method: line.slice(0, space),
        path: line.slice(space + 1),
        headers,
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const { statusCode, headers: got } = response
          resolve({ status: statusCode!, headers: got, text, json: parsed(text) })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A pattern for `t.rejects` with the fields that clients' errors carry. */
export function failure(fields: Record<string, unknown>): Error {
  return fields as unknown as Error
}
