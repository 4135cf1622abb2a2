/**
 * A listening unix-domain socket that says "I am alive" for its process, in a folder that others share.
 *
 * The kernel refuses connections to it from the moment its process is gone, whatever pid namespace either side
 * is in. Whoever listens accepts and hangs up; even a process that is stopped or busy is seen as alive, since
 * the kernel queues the connection, or answers EAGAIN when the queue is full.
 *
 * - The name appears only once the socket listens (it is bound under another name and renamed), so a refused
 *   connection always means a dead owner.
 * - A socket's address has room for about 100 bytes (unix(7): 108). On Linux the folder is reached through
 *   /proc/self/fd, so any path is short enough; elsewhere, a longer path means no socket.
 * - Dead sockets are left alone while a lock names them: they prove that their owner is gone.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import * as net from 'node:net'
import { join } from 'node:path'
import { systemErrorCode } from '../errors.ts'

const NAME_PATTERN = /^\.lock-[0-9a-f]{16}\.socket(\.new)?$/
const ADDRESS_LIMIT = 100
const RENAME_ATTEMPTS = 3

export type SocketAnswer = 'answered' | 'refused' | 'unknown'

interface Folder {
  readonly path: string
  readonly descriptor: number | null
}

function openFolder(path: string): Folder {
  if (process.platform !== 'linux' || !fs.existsSync('/proc/self/fd')) return { path, descriptor: null }
  return { path, descriptor: fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY) }
}

function closeFolder(folder: Folder): void {
  if (folder.descriptor !== null) fs.closeSync(folder.descriptor)
}

function addressOf(folder: Folder, name: string): string | null {
  const address =
    folder.descriptor === null ? join(folder.path, name) : `/proc/self/fd/${folder.descriptor}/${name}`
  return Buffer.byteLength(address) <= ADDRESS_LIMIT ? address : null
}

export function isSocketName(name: string): boolean {
  return NAME_PATTERN.test(name)
}

/** Asks whether the process that made the socket `name` in `directory` still runs. */
export async function askSocket(directory: string, name: string): Promise<SocketAnswer> {
  const folder = openFolder(directory)
  try {
    const address = addressOf(folder, name)
    return address === null ? 'unknown' : await connect(address)
  } finally {
    closeFolder(folder)
  }
}

function connect(address: string): Promise<SocketAnswer> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: address })
    const end = (answer: SocketAnswer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end('answered'))
    socket.once('error', (error) => {
      const code = systemErrorCode(error)
      end(code === 'ECONNREFUSED' ? 'refused' : code === 'EAGAIN' ? 'answered' : 'unknown')
    })
  })
}

export interface LivenessSocket {
  /** The socket's name in its folder. */
  readonly name: string
  close(): Promise<void>
}

/** Starts listening in `directory`; null where the platform, the file system or the path's length forbid it. */
export async function openLivenessSocket(directory: string): Promise<LivenessSocket | null> {
  const folder = openFolder(directory)
  for (let attempt = 0; attempt < RENAME_ATTEMPTS; attempt++) {
    const name = `.lock-${randomBytes(8).toString('hex')}.socket`
    const address = addressOf(folder, `${name}.new`)
    const server = address === null ? null : await listen(address)
    if (server === null) break
    const socket = new ListeningSocket(folder, name, server)
    if (await socket.publish()) return socket
    await socket.stop()
  }
  closeFolder(folder)
  return null
}

class ListeningSocket implements LivenessSocket {
  readonly name: string
  private readonly folder: Folder
  private readonly server: net.Server

  constructor(folder: Folder, name: string, server: net.Server) {
    this.folder = folder
    this.name = name
    this.server = server
  }

  /** False if a sweeper took the name away between bind and listen. */
  async publish(): Promise<boolean> {
    const path = join(this.folder.path, this.name)
    return fs.promises.rename(`${path}.new`, path).then(
      () => true,
      () => false,
    )
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
    await fs.promises.unlink(join(this.folder.path, this.name)).catch(() => undefined)
  }

  async close(): Promise<void> {
    await this.stop()
    closeFolder(this.folder)
  }
}

function listen(address: string): Promise<net.Server | null> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.destroy()
    })
    server.unref()
    server.once('error', () => resolve(null))
    server.listen({ path: address, backlog: 16 }, () => {
      server.removeAllListeners('error')
      // Failing to accept (too many open files) leaves the connection queued, which is answer enough.
      server.on('error', () => undefined)
      resolve(server)
    })
  })
}

/** Those of `names` whose process is gone. */
export async function deadSockets(directory: string, names: readonly string[]): Promise<string[]> {
  const dead: string[] = []
  for (const name of names) {
    if ((await askSocket(directory, name)) === 'refused') dead.push(name)
  }
  return dead
}
