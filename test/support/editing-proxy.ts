/** A proxy in front of a server that changes requests and answers as a test says. */
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface EditedRequest {
  readonly method: string
  /** Behind the database, without its query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface EditedAnswer {
  status: number
  headers?: Record<string, string>
  body: string | Buffer
}

/** Undefined: the request goes on as it is. */
export type Edit = (
  asked: EditedRequest,
  forward: Forward,
) => Promise<EditedAnswer> | EditedAnswer | undefined

/** Asks the server behind the proxy, with what is to be another body or query. */
export type Forward = (other?: { body?: string; query?: URLSearchParams }) => Promise<EditedAnswer>

export const jsonAnswer = (value: unknown, status = 200): EditedAnswer => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

/** Resolves with `http://127.0.0.1:PORT`. */
export async function startEditingProxy(t: Test, port: number, edit: Edit): Promise<string> {
  const server = createServer((incoming, answer) => {
    const { method = 'GET', url = '/', headers } = incoming
    const [whole = '', search = ''] = url.split('?', 2)
    const chunks: Buffer[] = []
    incoming.on('error', () => undefined)
    answer.on('error', () => undefined)
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', async () => {
      const body = Buffer.concat(chunks)
      const forward: Forward = ({ body: text, query } = {}) => {
        const at = query === undefined ? url : `${whole}?${query}`
        return ask(port, method, at, headers, text === undefined ? body : Buffer.from(text))
      }
      const path = whole.split('/').slice(2).join('/')
      try {
        const asked = { method, path, query: new URLSearchParams(search), headers, body }
        const edited = await (edit(asked, forward) ?? forward())
        answer.writeHead(edited.status, edited.headers).end(edited.body)
      } catch {
        answer.destroy()
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function ask(
  port: number,
  method: string,
  path: string,
  { 'content-length': _length, ...headers }: IncomingHttpHeaders,
  body: Buffer,
): Promise<EditedAnswer> {
  return new Promise((resolve, reject) => {
    const length = body.length === 0 ? {} : { 'content-length': String(body.length) }
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers: { ...headers, ...length } },
      (head) => {
        const received: Buffer[] = []
        head.on('data', (chunk: Buffer) => received.push(chunk))
        head.on('error', reject)
        head.on('end', () => {
          const {
            'transfer-encoding': _coding,
            'content-length': _bytes,
            connection: _connection,
            ...rest
          } = head.headers
          resolve({
            status: head.statusCode ?? 500,
            headers: rest as Record<string, string>,
            body: Buffer.concat(received),
          })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
