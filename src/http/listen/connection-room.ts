/**
 * The connections of a server over all sockets that it listens on: how many there are at once, who gives way where there is no room
 * for one more (`FairRoom`), and what the other threads are told of them. A thread cuts its own connections alone; since none has far more
 * than another one, whoever has most of all has most in each.
 */
import type { Server, Socket } from 'node:net'
import type { ConnectionShare } from '../../base/connection-shares.ts'
import { FairRoom } from './fair-room.ts'

export class ConnectionRoom {
  readonly #first: Server
  readonly #room: FairRoom
  readonly #share: ConnectionShare | undefined
  #handing = false

  /** Of a server that takes no connections yet. */
  constructor(first: Server, most: number, share: ConnectionShare | undefined) {
    this.#first = first
    this.#room = new FairRoom(most)
    this.#share = share
    // Before the server makes anything of it.
    first.prependListener('connection', (socket: Socket) => {
      // Those of the other sockets are handed to this server, and counted already.
      if (!this.#handing) this.admit(socket)
    })
  }

  /** Whether a connection that a socket has taken may stay; else it has been closed. */
  admit(socket: Socket): boolean {
    if (!this.#room.admit(socket)) return false
    this.#share?.came()
    socket.once('close', () => this.#share?.went())
    return true
  }

  /** Makes a connection that was admitted one of the first socket's server. */
  hand(socket: Socket): void {
    this.#handing = true
    this.#first.emit('connection', socket)
    this.#handing = false
  }
}
