/**
 * One listening socket for all threads. A thread that ends closes its descriptor, and a descriptor is the process's: so
 * each thread is given one of its own. Node duplicates no descriptor; the operating system does, when one is handed to
 * another process. A short-lived process hands them back.
 *
 * `SO_REUSEPORT`, with a socket for each thread, would need no such process. But then a second server could take the same port and
 * share its connections without anybody noticing, what waits on the socket of a thread that ends is lost, and the system spreads
 * connections by chance; here, threads see to that none has far more than the others (`base/connection-shares.ts`).
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ListenAddress } from '../config/listen-addresses.ts'
import { listenOnFile, type SocketFile } from '../http/listen/socket-file.ts'
import { urlOf, withPort } from '../http/listen/sockets.ts'

const ECHO = fileURLToPath(new URL('./echo-process.js', import.meta.url))

/** What Node has behind a server: documented as what `listen` takes, and sent as it is. */
interface Handle {
  readonly fd: number
  close(): void
}

export interface OpenOptions {
  ready?: number
  /** Connections that may wait to be taken. */
  backlog?: number
}

export class ListeningSocket {
  /** `scheme://host:port`, without a slash, or `unix:PATH`. */
  readonly url: string
  /** Undefined for a Unix socket. */
  readonly port: number | undefined
  readonly isSecure: boolean
  readonly #file: SocketFile | undefined
  readonly #handle: Handle
  /** Duplicates that nobody has asked for yet. */
  readonly #ready: Handle[]
  /** By descriptor: those that were given away, which whoever was given them closes. */
  readonly #given = new Map<number, Handle>()

  private constructor(handles: Handle[], { url, port, isSecure, file }: Opened) {
    const [handle, ...ready] = handles
    this.#handle = handle!
    this.#ready = ready
    this.url = url
    this.port = port
    this.isSecure = isSecure
    this.#file = file
  }

  /** As `openAll`. */
  static async open(address: ListenAddress, options: OpenOptions = {}): Promise<ListeningSocket> {
    const [socket] = await ListeningSocket.openAll([address], options)
    return socket!
  }

  /**
   * Sockets of several addresses; port 0 is that of the one before of the same kind, or any free one. `ready`
   * descriptors of each are made at once, for the first to ask for them. Rejects as `listen` does (EADDRINUSE, EACCES).
   */
  static async openAll(
    addresses: readonly ListenAddress[],
    { ready = 0, backlog }: OpenOptions = {},
  ): Promise<ListeningSocket[]> {
    const opened: Opened[] = []
    try {
      for (const address of addresses) {
        const before = opened.find(
          ({ isSecure, port }) => isSecure === address.isSecure && port !== undefined,
        )
        opened.push(await listenAt(withPort(address, before?.port), backlog))
      }
      const each = 1 + ready
      const handles = await duplicate(
        opened.flatMap(({ server }) => new Array<Handle>(each).fill(handleOf(server))),
      )
      return opened.map((one, at) => new ListeningSocket(handles.slice(at * each, (at + 1) * each), one))
    } catch (error) {
      for (const { file } of opened) await file?.remove()
      throw error
    } finally {
      for (const { server } of opened) server.close()
    }
  }

  /** Descriptors of the same socket, each to be closed by who is given it. */
  async descriptors(count: number): Promise<number[]> {
    const handles = this.#ready.splice(0, count)
    if (handles.length < count) {
      const missing = new Array<Handle>(count - handles.length).fill(this.#handle)
      handles.push(...(await duplicate(missing)))
    }
    for (const handle of handles) this.#given.set(handle.fd, handle)
    return handles.map(({ fd }) => fd)
  }

  /** A descriptor was listened on, and whoever did so has closed it: its number may be another file's by now. */
  forget(descriptor: number): void {
    this.#given.delete(descriptor)
  }

  /** Closes a descriptor that nobody has listened on. */
  giveBack(descriptor: number): void {
    this.#given.get(descriptor)?.close()
    this.#given.delete(descriptor)
  }

  /** The socket is closed when all its descriptors are. */
  async close(): Promise<void> {
    for (const handle of [this.#handle, ...this.#ready]) handle.close()
    await this.#file?.remove()
  }
}

/** A server that listens in this thread, until its socket has been duplicated. */
interface Opened {
  readonly server: Server
  readonly url: string
  readonly port: number | undefined
  readonly isSecure: boolean
  readonly file: SocketFile | undefined
}

async function listenAt(address: ListenAddress, backlog: number | undefined): Promise<Opened> {
  const { isSecure } = address
  // Nobody has been told of it yet: who comes by chance is turned away.
  const server = createServer((socket) => socket.destroy())
  if ('path' in address) {
    const file = await listenOnFile(server, address, backlog)
    return { server, url: `unix:${address.path}`, port: undefined, isSecure, file }
  }
  server.listen({ ...address, backlog })
  await once(server, 'listening')
  const info = server.address() as AddressInfo
  return { server, url: urlOf(info, isSecure), port: info.port, isSecure, file: undefined }
}

function handleOf(server: Server): Handle {
  return (server as unknown as { _handle: Handle })._handle
}

/** A duplicate of each, in their order, which are not listened on in this thread. */
async function duplicate(originals: readonly Handle[]): Promise<Handle[]> {
  const child = fork(ECHO, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] })
  const handles: Handle[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('message', (_message, duplicated) => {
        handles.push(duplicated as unknown as Handle)
        if (handles.length === originals.length) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error('the process that duplicates descriptors has ended')))
      for (const handle of originals) send(child, handle)
    })
  } finally {
    child.removeAllListeners('exit')
    if (child.connected) child.disconnect()
  }
  return handles
}

function send(child: ChildProcess, handle: Handle): void {
  // Errors come as events.
  child.send({}, handle as never, {}, () => undefined)
}
