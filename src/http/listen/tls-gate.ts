/**
 * From a connection to one that speaks TLS. Nobody has been asked who he is yet, and a handshake costs a thousand times
 * what a request does. What holds:
 * - A handshake begins when its first message has come whole, and one begins in each turn of the event loop: what is under
 *   way on other connections goes on between any two.
 * - So many are under way at most, waiting ones included, for a bounded time each. Beyond that the oldest one of the network
 *   that has most of them is closed: who has many takes the room from himself.
 * - Who speaks HTTP here is told so, and closed.
 */
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { networkOf } from '../../auth/network.ts'
import { describeError, type Log } from '../../base/log.ts'
import type { TlsMaterial } from '../../server/certificates.ts'
import { ByNetwork } from './by-network.ts'
import { malformedAnswer } from './malformed.ts'

/** RFC 8446, 5.1: type, version and length of a record, and the longest that anybody may send. */
const RECORD_HEAD_BYTES = 5
const HANDSHAKE = 22
const MAX_RECORD_BYTES = 16 * 1024 + 256

export interface TlsGateOptions {
  material: TlsMaterial
  maxHandshakes: number
  timeoutMs: number
  /** A handshake has succeeded: the connection is the caller's. */
  onSecure: (socket: TLSSocket) => void
  log: Pick<Log, 'debug'>
}

interface Pending {
  readonly socket: Socket
  /** Its two ends: what both a connection and the one that speaks TLS over it are known by. */
  readonly ends: string
  readonly network: string
  readonly timer: NodeJS.Timeout
}

export class TlsGate {
  readonly #options: Omit<TlsGateOptions, 'material'>
  readonly #pending = new Map<string, Pending>()
  readonly #byNetwork = new ByNetwork<Pending>()
  /** Whose first message has come. */
  readonly #ready: Pending[] = []
  #server: Server
  #isClosed = false

  constructor({ material, ...options }: TlsGateOptions) {
    this.#options = options
    this.#server = this.#serverOf(material)
  }

  /** Handshakes that begin from now on are made with `material`. */
  renew(material: TlsMaterial): void {
    this.#server = this.#serverOf(material)
  }

  /** A connection has come. */
  take(socket: Socket): void {
    const ends = endsOf(socket)
    if (this.#isClosed || ends === undefined) {
      socket.destroy()
      return
    }
    if (this.#byNetwork.count >= this.#options.maxHandshakes) this.#closeOldest()
    const network = networkOf(socket.remoteAddress!)
    const timer = setTimeout(() => socket.destroy(), this.#options.timeoutMs)
    const pending: Pending = { socket, ends, network, timer }
    this.#pending.set(ends, pending)
    this.#byNetwork.add(network, pending)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => this.#forget(pending))
    this.#awaitHello(pending)
  }

  /** Ends what is under way. */
  close(): void {
    this.#isClosed = true
    for (const { socket } of [...this.#pending.values()]) socket.destroy()
  }

  /** It is never listened with: connections are given to it. */
  #serverOf(material: TlsMaterial): Server {
    const { requestCert, requireCert, ticketKeys, ...context } = material
    const server = createServer({
      ...context,
      requestCert,
      rejectUnauthorized: requireCert,
      ticketKeys: Buffer.from(ticketKeys),
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: this.#options.timeoutMs,
    })
    server.on('secureConnection', (socket) => this.#succeeded(socket, requestCert))
    server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug('a handshake failed', {
        peer: socket.remoteAddress,
        reason: describeError(error),
      })
      socket.destroy()
    })
    return server
  }

  #succeeded(socket: TLSSocket, requestCert: boolean): void {
    const ends = endsOf(socket)
    const pending = ends === undefined ? undefined : this.#pending.get(ends)
    const isRefused = requestCert && !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0
    if (pending === undefined || isRefused || this.#isClosed) {
      socket.destroy()
      return
    }
    this.#forget(pending)
    this.#options.onSecure(socket)
  }

  #awaitHello(pending: Pending): void {
    const { socket } = pending
    let head: Buffer = Buffer.alloc(0)
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const state = firstRecord(head)
      if (state === 'begun') return
      socket.off('readable', onReadable)
      if (state === 'other') {
        this.#forget(pending)
        socket.end(malformedAnswer('400 Bad Request', 'this port speaks HTTPS'), () => socket.destroy())
        return
      }
      socket.unshift(head)
      this.#ready.push(pending)
      if (this.#ready.length === 1) setImmediate(this.#beginNext)
    }
    socket.on('readable', onReadable)
    // Who has said all before he has said hello will not.
    socket.once('end', () => socket.destroy())
  }

  readonly #beginNext = (): void => {
    const pending = this.#ready.shift()
    if (this.#ready.length > 0) setImmediate(this.#beginNext)
    if (pending === undefined || pending.socket.destroyed) return
    pending.socket.removeAllListeners('end')
    this.#server.emit('connection', pending.socket)
  }

  /** Of the network that has most. */
  #closeOldest(): void {
    const oldest = this.#byNetwork.takeOldestOfMost()!
    this.#forget(oldest)
    oldest.socket.destroy()
  }

  #forget(pending: Pending): void {
    const { ends, network, timer } = pending
    clearTimeout(timer)
    this.#byNetwork.delete(network, pending)
    // Another connection may have the same ends by now.
    if (this.#pending.get(ends) === pending) this.#pending.delete(ends)
  }
}

/** Undefined for a connection that has ended. */
function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | undefined {
  if (remoteAddress === undefined) return undefined
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

/** Whether the first record of a handshake is there, has begun, or is none. */
function firstRecord(head: Buffer): 'whole' | 'begun' | 'other' {
  if (head[0] !== HANDSHAKE) return 'other'
  if (head.length < RECORD_HEAD_BYTES) return 'begun'
  const bytes = head.readUInt16BE(RECORD_HEAD_BYTES - 2)
  if (bytes === 0 || bytes > MAX_RECORD_BYTES) return 'other'
  return head.length < RECORD_HEAD_BYTES + bytes ? 'begun' : 'whole'
}
