/** WebSockets of a server, before anything is said over them. */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { TellingMessage } from '../request/telling-message.ts'

/** The options of a feed, and whatever else clients send. */
const MAX_MESSAGE_BYTES = 1024 * 1024
/** A client that does not read gets no answers to its pings beyond this. */
const MAX_PONG_BYTES = 64 * 1024

/**
 * A request that leaves HTTP only for a WebSocket: one to upgrade to anything else (`h2c`, which Java's client always asks for) is an
 * ordinary request. To be given to the HTTP server.
 */
export class UpgradableMessage extends TellingMessage {
  declare asked: boolean | null

  set upgrade(asked: boolean | null) {
    this.asked = asked
  }

  get upgrade(): boolean | null {
    if (this.asked !== true || this.method === 'CONNECT') return this.asked
    return this.headers.upgrade?.toLowerCase() === 'websocket'
  }
}

/** A request that may become a WebSocket. */
export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Socket
  /** Undefined when the client has gone before. */
  take(): Promise<WebSocket | undefined>
}

export interface Websockets {
  /** Cuts off every connection, those that are still to come too. */
  cut(): void
}

/** Tells of each request to upgrade. */
export function upgradesOf(server: Server, onUpgrade: (upgrade: Upgrade) => void): Websockets {
  const sockets = new Set<Socket>()
  const upgrader = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    autoPong: false,
  })
  let isCut = false
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    if (isCut) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    const take = (): Promise<WebSocket | undefined> =>
      new Promise((resolve) => {
        socket.once('close', () => resolve(undefined))
        upgrader.handleUpgrade(request, socket, head, (client) => {
          answerPings(client)
          resolve(client)
        })
      })
    onUpgrade({ request, socket, take })
  })
  return {
    cut() {
      isCut = true
      for (const socket of sockets) socket.destroy()
    },
  }
}

function answerPings(client: WebSocket): void {
  client.on('error', () => client.terminate())
  client.on('ping', (data) => {
    if (client.bufferedAmount < MAX_PONG_BYTES) client.pong(data)
  })
}
