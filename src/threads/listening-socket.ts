/**
 * One listening socket for all threads. A thread that ends closes its descriptor, and a descriptor is the process's: so
 * each thread is given one of its own. Node duplicates no descriptor; the operating system does, when one is handed to
 * another process. A short-lived process hands them back.
 *
 * `SO_REUSEPORT`, with a socket for each thread, would need no such process, and spread connections more evenly. But then a
 * second server could take the same port and share its connections without anybody noticing, and what waits on the socket of
 * a thread that ends is lost.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'

const ECHO = fileURLToPath(new URL('./echo-process.js', import.meta.url))

/** What Node has behind a server: documented as what `listen` takes, and sent as it is. */
interface Handle {
  readonly fd: number
  close(): void
}

export class ListeningSocket {
  readonly host: string
  readonly port: number
  readonly #handle: Handle
  /** Duplicates that nobody has asked for yet. */
  readonly #ready: Handle[]
  /** By descriptor: those that were given away, which whoever was given them closes. */
  readonly #given = new Map<number, Handle>()

  private constructor(handle: Handle, ready: Handle[], { address, port, family }: AddressInfo) {
    this.#handle = handle
    this.#ready = ready
    this.host = family === 'IPv6' ? `[${address}]` : address
    this.port = port
  }

  /**
   * `ready` descriptors are made at once, for the first to ask for them. Rejects as `listen` does (EADDRINUSE,
   * EACCES).
   */
  static async open(host: string, port: number, ready = 0): Promise<ListeningSocket> {
    // Nobody has been told of the port yet: who comes by chance is turned away.
    const server = createServer((socket) => socket.destroy())
    server.listen({ host, port })
    await once(server, 'listening')
    try {
      const [handle, ...others] = await duplicate(handleOf(server), 1 + ready)
      return new ListeningSocket(handle!, others, server.address() as AddressInfo)
    } finally {
      server.close()
    }
  }

  /** Descriptors of the same socket, each to be closed by who is given it. */
  async descriptors(count: number): Promise<number[]> {
    const handles = this.#ready.splice(0, count)
    if (handles.length < count) handles.push(...(await duplicate(this.#handle, count - handles.length)))
    for (const handle of handles) this.#given.set(handle.fd, handle)
    return handles.map(({ fd }) => fd)
  }

  /** Closes a descriptor that nobody has listened on. */
  giveBack(descriptor: number): void {
    this.#given.get(descriptor)?.close()
    this.#given.delete(descriptor)
  }

  /** The socket is closed when all its descriptors are. */
  close(): void {
    for (const handle of [this.#handle, ...this.#ready]) handle.close()
  }
}

function handleOf(server: Server): Handle {
  return (server as unknown as { _handle: Handle })._handle
}

/** Duplicates, which are not listened on in this thread. */
async function duplicate(handle: Handle, count: number): Promise<Handle[]> {
  const child = fork(ECHO, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], execArgv: [] })
  const handles: Handle[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('message', (_message, duplicated) => {
        handles.push(duplicated as unknown as Handle)
        if (handles.length === count) resolve()
      })
      child.once('error', reject)
      child.once('exit', () => reject(new Error('the process that duplicates descriptors has ended')))
      for (let at = 0; at < count; at++) send(child, handle)
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
