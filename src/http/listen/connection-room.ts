/**
 * How many connections a server has at once, over all sockets that it listens on. Those beyond are closed when they come.
 * The first socket's are refused by Node itself, which cannot be told to take none: it may have one more than is left.
 */
import type { Server, Socket } from 'node:net'
import type { ConnectionShare } from '../../base/connection-shares.ts'

export class ConnectionRoom {
  readonly #first: Server
  readonly #most: number
  readonly #share: ConnectionShare | undefined
  #firsts = 0
  #others = 0
  #handing = false

  constructor(first: Server, most: number, share: ConnectionShare | undefined) {
    this.#first = first
    this.#most = most
    this.#share = share
    first.maxConnections = most
    first.on('connection', (socket: Socket) => {
      // Those of the other sockets are handed to this server, and counted already.
      if (this.#handing) return
      this.#firsts += 1
      this.#share?.came()
      socket.once('close', () => {
        this.#firsts -= 1
        this.#share?.went()
      })
    })
  }

  /** Whether a connection that another socket has taken may stay; else it has been closed. */
  admit(socket: Socket): boolean {
    if (this.#firsts + this.#others >= this.#most) {
      socket.destroy()
      return false
    }
    this.#count(1)
    this.#share?.came()
    socket.once('close', () => {
      this.#count(-1)
      this.#share?.went()
    })
    return true
  }

  /** Makes a connection that was admitted one of the first socket's server. */
  hand(socket: Socket): void {
    this.#handing = true
    this.#first.emit('connection', socket)
    this.#handing = false
  }

  #count(change: 1 | -1): void {
    this.#others += change
    this.#first.maxConnections = Math.max(1, this.#most - this.#others)
  }
}
