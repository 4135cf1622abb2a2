/** Feeds of changes, and other requests whose answers stay open, as sockets of this process. */
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { ADMIN } from '../test/support/server-process.ts'

/** Connections that are opened at the same time. */
const OPENING = 100
const AS_ADMIN = `Authorization: Basic ${Buffer.from(ADMIN).toString('base64')}`

export interface Feed {
  socket: Socket
  /** Resolves when the server has answered. */
  opened: Promise<void>
  /** Resolves with the time when the text has come. */
  receives(text: string): Promise<number>
}

/**
 * Some at a time. `headerOf` gives the header that says who asks, by the number of the feed. Rejects when one ends before it was
 * answered.
 */
export async function openFeeds(
  port: number,
  path: string,
  count: number,
  headerOf: (number: number) => string = () => AS_ADMIN,
): Promise<Feed[]> {
  const feeds: Feed[] = []
  while (feeds.length < count) {
    const group = Array.from({ length: Math.min(OPENING, count - feeds.length) }, (_, at) =>
      openFeed(port, path, headerOf(feeds.length + at)),
    )
    await Promise.all(group.map(({ opened }) => opened))
    feeds.push(...group)
  }
  return feeds
}

/** Connections that are left open once a `GET` of `path` was answered, or its answer has begun. */
export async function openSockets(port: number, path: string, count: number): Promise<Socket[]> {
  return (await openFeeds(port, path, count)).map(({ socket }) => socket)
}

function openFeed(port: number, path: string, header: string): Feed {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  let wake: () => void = () => {}
  const until = (wanted: string): Promise<number> =>
    new Promise((resolve, reject) => {
      wake = () => {
        if (text.includes(wanted)) resolve(performance.now())
      }
      socket.once('close', () => reject(new Error(`a feed ended: ${text}`)))
      wake()
    })
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text = text.slice(-200) + chunk
    wake()
  })
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`)
  return { socket, opened: until('HTTP/1.1 200').then(() => undefined), receives: until }
}

/** Files that this process may have open. Linux only. */
export async function openFilesLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8')
  return Number(/^Max open files\s+(\d+)/m.exec(limits)![1])
}
