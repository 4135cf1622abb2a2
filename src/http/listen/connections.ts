import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { answerUnderWay } from './dispatch.ts'

/**
 * Closes connections that nothing is under way on, while the server stops. Node's own `closeIdleConnections`, which its
 * `close` calls too, takes a connection for idle as soon as an answer was ended, though megabytes of it may still wait for
 * a slow client; so it is replaced: an answer counts until the operating system has taken all of it.
 */
export function keepUnsentAnswers(server: Server): void {
  const sockets = new Set<Socket>()
  const forget = (socket: Socket): void => {
    sockets.delete(socket)
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => forget(socket))
  })
  // From here on it is no HTTP any more, and its owner ends it.
  server.on('upgrade', (_request, socket) => forget(socket as Socket))
  server.closeIdleConnections = () => {
    for (const socket of sockets) if (answerUnderWay(socket) === undefined) socket.destroySoon()
  }
}
