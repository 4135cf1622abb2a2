/**
 * Unix sockets. What holds:
 * - Nobody connects before the file has its mode: the socket is made in a folder that nobody else can enter, and is
 *   given its name then.
 * - A file of that name that is a socket nobody listens on is replaced; one that somebody listens on is not, whoever
 *   else begins at the same time; what is no socket stays.
 * - The name goes with the server, unless it is another one's by then.
 */
import { once } from 'node:events'
import { chmod, link, lstat, mkdtemp, rename, rm } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { hasCode } from '../../base/node-error.ts'
import type { PathAddress } from '../../config/listen-addresses.ts'

export interface SocketFile {
  /** Takes the name away. */
  remove(): Promise<void>
}

/** Resolves when `server` listens. Rejects as `listen` does, with EADDRINUSE for a name that is not free. */
export async function listenOnFile(
  server: Server,
  { path, mode }: PathAddress,
  backlog?: number,
): Promise<SocketFile> {
  const folder = await mkdtemp(join(dirname(path), '.'))
  try {
    const draft = join(folder, 's')
    server.listen({ path: draft, backlog })
    await once(server, 'listening')
    try {
      await chmod(draft, mode)
      await clear(path, join(folder, 'o'))
      await link(draft, path).catch((error: unknown) => {
        throw hasCode(error, 'EEXIST') ? inUse(path) : error
      })
      const { dev, ino } = await lstat(path)
      return {
        async remove() {
          const now = await lstat(path).catch(() => undefined)
          if (now?.dev === dev && now.ino === ino) await rm(path, { force: true })
        },
      }
    } catch (error) {
      server.close()
      throw error
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Takes away a socket that nobody listens on. `aside` is a free name in a folder of the same file system. */
async function clear(path: string, aside: string): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  })
  if (stats === undefined) return
  if (!stats.isSocket() || (await isListenedOn(path))) throw inUse(path)
  await rename(path, aside).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw error
  })
  // Another server may have taken the name between the look and the change.
  if (!(await isListenedOn(aside))) return
  await link(aside, path).catch(() => undefined)
  throw inUse(path)
}

/** Whatever but a refusal is taken for somebody who listens: he may be busy, or not for us to reach. */
async function isListenedOn(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    return !hasCode(error, 'ECONNREFUSED') && !hasCode(error, 'ENOENT')
  } finally {
    socket.destroy()
  }
}

function inUse(path: string): Error {
  return Object.assign(new Error(`${path} is in use`), { code: 'EADDRINUSE', path })
}
