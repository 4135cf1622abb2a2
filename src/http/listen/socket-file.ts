/**
 * Unix sockets. What holds:
 * - Nobody connects before the file has its mode: the socket is made in a folder that nobody else can enter, and is
 *   given its name then.
 * - A file of that name that is a socket nobody listens on is replaced; one that somebody listens on is not, whoever
 *   else begins at the same time; what is no socket stays. Only who holds the claim on a dead socket's inode takes its
 *   name away, so that nobody who looked too early takes away the name of a living one.
 * - The name goes with the server, unless it is another one's by then.
 */
import { once } from 'node:events'
import { chmod, link, lstat, mkdtemp, rm, unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { dirname, join, sep } from 'node:path'
import { hasCode } from '../../base/node-error.ts'
import type { PathAddress } from '../../config/listen-addresses.ts'

/** How often a name is tried for: once as it is, and again after each dead socket that was in the way. */
const TRIES = 3
/** How many claims of crashed processes may stand in each other's way. */
const MAX_DEPTH = 4

export interface SocketFile {
  /** Takes the name away. */
  remove(): Promise<void>
}

/**
 * Resolves when `server` listens. Rejects as `listen` does, with EADDRINUSE for a name that is not free, and with
 * EPERM where a dead socket there is somebody else's and the system lets nobody link to it.
 */
export async function listenOnFile(
  server: Server,
  { path, mode }: PathAddress,
  backlog?: number,
): Promise<SocketFile> {
  // Beside the name that it is to have: a link may not lead to another file system.
  const folder = await mkdtemp(`${dirname(path)}${sep}.`)
  try {
    const draft = join(folder, 's')
    server.listen({ path: draft, backlog })
    await once(server, 'listening')
    try {
      await chmod(draft, mode)
      const { dev, ino } = await lstat(draft)
      await take(path, draft)
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

/**
 * Gives the socket `draft`, which is listened on, the name `path` too. Rejects with EADDRINUSE if it is not free.
 * `depth` counts the claims that this name is within.
 */
async function take(path: string, draft: string, depth = 0): Promise<void> {
  for (let tries = 1; ; tries++) {
    const error = await link(draft, path).catch((error: unknown) => error)
    if (error === undefined) return
    if (!hasCode(error, 'EEXIST')) throw error
    if (tries === TRIES || depth === MAX_DEPTH) throw inUse(path)
    await clear(path, draft, depth)
  }
}

/**
 * Takes away the name of a socket that nobody listens on. A dead socket stays dead, since sockets get their names when
 * they are listened on already; and its inode is not given to another while a name of ours, `aside`, links to it. So
 * who has the claim on an inode may take `path` away as long as it is this inode's: nobody else does. A claim is
 * another name of the claimant's own socket: it dies with him, and goes as any name of a dead socket does.
 */
async function clear(path: string, draft: string, depth: number): Promise<void> {
  const there = await lstat(path).catch(unlessMissing)
  if (there === undefined) return
  if (!there.isSocket()) throw inUse(path)
  const aside = join(dirname(draft), String(depth))
  try {
    await link(path, aside)
  } catch (error) {
    unlessMissing(error)
    return
  }
  const { ino } = await lstat(aside)
  if (await isListenedOn(aside)) throw inUse(path)
  const claim = join(dirname(path), `.${ino.toString(36)}`)
  await take(claim, draft, depth + 1)
  try {
    if ((await lstat(path).catch(unlessMissing))?.ino === ino) await unlink(path)
  } finally {
    await unlink(claim)
    await unlink(aside)
  }
}

function unlessMissing(error: unknown): undefined {
  if (!hasCode(error, 'ENOENT')) throw error
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
