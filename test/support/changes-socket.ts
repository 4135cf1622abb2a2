/** A client of `_changes?feed=websocket`. */
import { WebSocket } from 'ws'
import type { TestServer } from './http-server.ts'

export interface ChangesSocket {
  socket: WebSocket
  /** Every message so far, parsed; an empty one is null. */
  messages: unknown[]
  /** The next message that has not been taken. */
  next(): Promise<unknown>
  /** Resolves when the connection is closed. */
  closed: Promise<{ code: number; reason: string }>
}

export interface OpenOptions {
  /** Default the administrator's. */
  headers?: Record<string, string>
  /** The first message; undefined sends none. */
  options?: object | string | undefined
}

/** Rejects as `ws` does when the handshake fails, with the answer's status in the message. */
export async function openChangesSocket(
  server: TestServer,
  path: string,
  { headers, options }: OpenOptions = {},
): Promise<ChangesSocket> {
  const socket = new WebSocket(`${server.http.url.replace('http', 'ws')}${path}`, {
    headers: headers ?? { authorization: server.authorization },
  })
  const messages: unknown[] = []
  const waiting: ((message: unknown) => void)[] = []
  let taken = 0
  socket.on('message', (data: Buffer) => {
    const message: unknown = data.length === 0 ? null : JSON.parse(data.toString())
    messages.push(message)
    if (waiting.length > 0) waiting.shift()!(messages[taken++])
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => undefined)
  if (options !== undefined) socket.send(typeof options === 'string' ? options : JSON.stringify(options))
  return {
    socket,
    messages,
    next: () =>
      taken < messages.length
        ? Promise.resolve(messages[taken++])
        : new Promise((resolve) => waiting.push(resolve)),
    closed,
  }
}
