/**
 * The sockets that a server listens on beside its first: further addresses, those of HTTPS, a Unix socket. Their
 * connections become the first one's server's, so that there is one server of HTTP with one bound for all.
 */
import type { Socket } from 'node:net'
import type { HttpOptions } from '../request/options.ts'
import type { ConnectionRoom } from './connection-room.ts'
import { type ListeningServer, listenOn, withPort } from './sockets.ts'
import { TlsGate } from './tls-gate.ts'

export interface Surroundings {
  room: ConnectionRoom
  /** A connection could not be taken. */
  onError: (error: Error) => void
  /** The port that the first socket has. */
  firstPort: number
}

export class MoreSockets {
  readonly #servers: ListeningServer[] = []
  #gate: TlsGate | undefined
  #forget: (() => void) | undefined

  private constructor() {}

  /** Rejects as `listen` does. */
  static async open(options: HttpOptions, surroundings: Surroundings): Promise<MoreSockets> {
    const sockets = new MoreSockets()
    try {
      await sockets.#open(options, surroundings)
      return sockets
    } catch (error) {
      await sockets.close()
      throw error
    }
  }

  get urls(): readonly string[] {
    return this.#servers.flatMap(({ url }) => url ?? [])
  }

  async #open(options: HttpOptions, { room, onError, firstPort }: Surroundings): Promise<void> {
    const { others = [], tls, limits, backend } = options
    if (tls !== undefined) {
      const { material } = tls
      const { maxHandshakes, handshakeTimeoutMs: timeoutMs } = limits
      const onSecure = (socket: Socket): void => room.hand(socket)
      const gate = new TlsGate({ material, maxHandshakes, timeoutMs, onSecure, log: backend.log })
      this.#gate = gate
      this.#forget = tls.onChange((renewed) => gate.renew(renewed))
    }
    const ports = { plain: firstPort as number | undefined, secure: undefined as number | undefined }
    for (const address of others) {
      const kind = address.isSecure ? 'secure' : 'plain'
      const server = await listenOn(withPort(address, ports[kind]), {
        backlog: limits.backlog,
        onConnection: (socket) => {
          if (!room.admit(socket)) return
          if (address.isSecure) this.#gate!.take(socket)
          else room.hand(socket)
        },
        onError,
      })
      ports[kind] ??= server.port
      this.#servers.push(server)
    }
  }

  /** Takes no new connections. Resolves when all that were taken have ended, which those under way are let do. */
  async close(): Promise<void> {
    this.#forget?.()
    const closed = this.#servers.map((server) => server.close())
    this.#gate?.close()
    await Promise.all(closed)
  }
}
