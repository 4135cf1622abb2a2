/**
 * How many connections a server has at once, and that nobody keeps others out by having them all. What holds:
 * - There are so many at most, whatever goes on on them: requests, feeds, WebSockets, nothing.
 * - Where there is no room for one more, it is closed, unless some network (`networkOf`) has at least two more than its own: then the
 *   oldest connection of the network that has most is closed in its place. So who has many takes the room from himself, and two who
 *   have as many as each other do not take turns in cutting each other off.
 */
import type { Server, Socket } from 'node:net'
import { networkOf } from '../../auth/network.ts'

export class FairRoom {
  readonly #most: number
  #count = 0
  /** In the order in which they came. */
  readonly #byNetwork = new Map<string, Set<Socket>>()

  constructor(most: number) {
    this.#most = most
  }

  /** Counts what comes to a server from now on. */
  watch(server: Server): void {
    server.prependListener('connection', (socket) => this.admit(socket))
  }

  /** Whether a connection may stay; else it has been closed. */
  admit(socket: Socket): boolean {
    const network = networkOf(socket.remoteAddress ?? '')
    if (this.#count >= this.#most && !this.#makeRoom(network)) {
      socket.destroy()
      return false
    }
    const others = this.#byNetwork.get(network)
    if (others === undefined) this.#byNetwork.set(network, new Set([socket]))
    else others.add(socket)
    this.#count += 1
    socket.once('close', () => this.#forget(network, socket))
    return true
  }

  #makeRoom(network: string): boolean {
    const own = this.#byNetwork.get(network)?.size ?? 0
    let most: [string, Set<Socket>] | undefined
    for (const each of this.#byNetwork) if (most === undefined || each[1].size > most[1].size) most = each
    if (most === undefined || most[1].size < own + 2) return false
    const [oldest] = most[1]
    this.#forget(most[0], oldest!)
    oldest!.destroy()
    return true
  }

  #forget(network: string, socket: Socket): void {
    const sockets = this.#byNetwork.get(network)
    if (sockets?.delete(socket) !== true) return
    this.#count -= 1
    if (sockets.size === 0) this.#byNetwork.delete(network)
  }
}
