/**
 * Answers that wait behind others of their connection (RFC 9112, 9.3.2). When a connection is closed Node tells the one answer that
 * has it, and none of those behind: whoever makes one would wait for it to be taken for ever, with his lease and his snapshot.
 * What holds: each answer that `watchQueued` was called for is told, by 'close', as the first one is.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** By connection, those that have not ended. */
const QUEUED = new WeakMap<Socket, Set<ServerResponse>>()

/** To be called for each request before anything is awaited for it. Costs next to nothing where its answer has the connection. */
export function watchQueued(response: ServerResponse): void {
  if (response.socket !== null || response.destroyed) return
  const { socket } = response.req
  if (socket.destroyed) {
    tell(response)
    return
  }
  const queued = QUEUED.get(socket) ?? begin(socket)
  queued.add(response)
  response.once('finish', () => queued.delete(response))
}

function begin(socket: Socket): Set<ServerResponse> {
  const queued = new Set<ServerResponse>()
  QUEUED.set(socket, queued)
  socket.once('close', () => {
    for (const response of queued) tell(response)
    queued.clear()
  })
  return queued
}

function tell(response: ServerResponse): void {
  // One that has the connection by now is told by Node.
  if (response.destroyed || response.socket !== null) return
  response.destroy()
  response.emit('close')
}
