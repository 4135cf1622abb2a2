/**
 * How many connections a server has at once, and that nobody keeps others out by having them all. What holds:
 * - There are so many at most, whatever goes on on them: requests, feeds, WebSockets, nothing.
 * - Where there is no room for one more, it is closed, unless some network (`networkOf`) has at least two more than its own: then the
 *   oldest connection of the network that has most is closed in its place. So who has many takes the room from himself, and two who
 *   have as many as each other do not take turns in cutting each other off.
 */
import type { Server, Socket } from 'node:net'
import { networkOf } from '../../auth/network.ts'
import { ByNetwork } from './by-network.ts'

export class FairRoom {
  readonly #most: number
  readonly #sockets = new ByNetwork<Socket>()

  constructor(most: number) {
    this.#most = most
  }

  /** Counts what comes to a server from now on. */
  watch(server: Server): void {
    server.prependListener('connection', (socket) => this.admit(socket))
  }

  /** Whether a connection may stay; else it has been closed. */
  admit(socket: Socket): boolean {
    // Those of a Unix socket are of one network.
    const network = networkOf(socket.remoteAddress ?? '')
    if (this.#sockets.count >= this.#most && !this.#makeRoom(network)) {
      socket.destroy()
      return false
    }
    this.#sockets.add(network, socket)
    socket.once('close', () => this.#sockets.delete(network, socket))
    return true
  }

  #makeRoom(network: string): boolean {
    if (this.#sockets.most < this.#sockets.countOf(network) + 2) return false
    this.#sockets.takeOldestOfMost()!.destroy()
    return true
  }
}
