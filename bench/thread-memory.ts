/**
 * The memory of a server whose requests threads take: idle, and when many documents were written and read. Wanted: at most
 * 200 MB idle, and afterwards at most the cache's budget and 60 MB for each thread that takes requests. Fails otherwise.
 *
 * The documents, of 1 KB, are written by `_bulk_docs`, and then as many are read one by one, at random, over connections
 * that are opened at one after another, so that all threads have some. The lines that follow a phase are taken from
 * `smaps_rollup` when it has ended (resident: Rss; of its own: anonymous), and again after a minute of rest; the peak is
 * VmHWM. Linux only.
 */
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { HttpClient } from '../test/support/http-client.ts'
import { Random } from '../test/support/random.ts'
import {
  ADMIN,
  forgetPeak,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { type Benchmark, megabytes, stopwatch, withFolder } from './tools.ts'

const MOST_IDLE_BYTES = 200e6
const MOST_THREAD_BYTES = 60e6
const CACHE_BYTES = 256 * 1024 * 1024
const BODY_BYTES = 1000
const BATCH = 500
const WRITERS = 4
/** The garbage collector gives memory back in the course of a minute in which nothing happens. */
const REST_MS = 60_000
const STARTED_MS = 5000
const DATABASE = 'documents'
const AUTHORIZATION = `Basic ${Buffer.from(ADMIN).toString('base64')}`

type Print = (line: string) => void

export const threadMemory: Benchmark = {
  summary: 'memory of a server with threads: idle, after documents were written and read',
  flags: '[--threads 4] [--documents 1000000] [--connections 32] [--folder PATH] [--seed 1]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        threads: { type: 'string', default: '4' },
        documents: { type: 'string', default: '1000000' },
        connections: { type: 'string', default: '32' },
        folder: { type: 'string' },
        seed: { type: 'string', default: '1' },
      },
    })
    const threads = Number(values.threads)
    await withFolder(values.folder, async (dataDir) => {
      const environment = {
        DAVENPORT_DAVENPORT__THREADS: values.threads,
        DAVENPORT_DAVENPORT__CACHE_BYTES: String(CACHE_BYTES),
      }
      const server = startServerProcess({ dataDir, environment })
      try {
        const port = await server.port
        await sleep(STARTED_MS)
        await report(server, 'started', print)
        await sleep(REST_MS)
        const idle = await report(server, 'idle', print)
        const random = new Random(Number(values.seed))
        await fill(port, Number(values.documents), random, print)
        await report(server, 'written', print)
        await read(port, Number(values.documents), Number(values.connections), random, print)
        const loaded = await report(server, 'read', print)
        await sleep(REST_MS)
        await report(server, `${REST_MS / 1000} s later`, print)
        const most = CACHE_BYTES + threads * MOST_THREAD_BYTES
        print(`idle: ${megabytes(idle)} (at most ${megabytes(MOST_IDLE_BYTES)})`)
        print(`written and read: ${megabytes(loaded)} (at most ${megabytes(most)})`)
        if (idle > MOST_IDLE_BYTES || loaded > most) process.exitCode = 1
      } finally {
        await server.kill()
      }
    })
  },
}

/** Returns the resident bytes, and starts the peak anew. */
async function report(server: ServerProcess, what: string, print: Print): Promise<number> {
  const text = await readFile(`/proc/${server.child.process.pid}/smaps_rollup`, 'utf8')
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)![1]) * 1024
  const { peakBytes } = await processMemory(server)
  await forgetPeak(server)
  const figures = [bytes('Rss'), bytes('Anonymous'), peakBytes].map(megabytes)
  print(`${what}: ${figures[0]} resident, ${figures[1]} of its own, ${figures[2]} at the most`)
  return bytes('Rss')
}

function idOf(number: number): string {
  return `document-${String(number).padStart(9, '0')}`
}

async function fill(port: number, count: number, random: Random, print: Print): Promise<void> {
  const lap = stopwatch()
  const clients = Array.from({ length: WRITERS }, () => new HttpClient(port))
  await clients[0]!.json('PUT', `/${DATABASE}`)
  const filler = Buffer.from(random.bytes(2 * BODY_BYTES)).toString('base64')
  let next = 0
  const write = async (client: HttpClient): Promise<void> => {
    while (next < count) {
      const from = next
      next = Math.min(count, from + BATCH)
      const docs = Array.from({ length: next - from }, (_, at) => {
        const start = random.int(BODY_BYTES)
        return `{"_id":"${idOf(from + at)}","text":"${filler.slice(start, start + BODY_BYTES)}"}`
      })
      await client.json('POST', `/${DATABASE}/_bulk_docs`, `{"docs":[${docs.join(',')}]}`)
    }
    client.close()
  }
  await Promise.all(clients.map(write))
  print(`${count} documents written: ${lap().toFixed(1)} s`)
}

async function read(
  port: number,
  count: number,
  connections: number,
  random: Random,
  print: Print,
): Promise<void> {
  const lap = stopwatch()
  let left = count
  const readSome = async (): Promise<void> => {
    const reader = new Reader(port)
    while (left > 0) {
      left -= 1
      await reader.get(`/${DATABASE}/${idOf(random.int(count))}`)
    }
    reader.close()
  }
  await Promise.all(Array.from({ length: connections }, readSome))
  print(`as many read: ${lap().toFixed(1)} s`)
}

/** Reads answers that say how long they are, one at a time, with as little work as can be: the server has the machine. */
class Reader {
  readonly #socket: Socket
  #text = ''
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setEncoding('latin1').setNoDelay()
    this.#socket.on('data', (chunk: string) => this.#take(chunk))
    this.#socket.on('error', (error) => this.#reject(error))
    this.#socket.on('close', () => this.#reject(new Error('a connection ended')))
  }

  get(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: ${AUTHORIZATION}\r\n\r\n`)
    })
  }

  #take(chunk: string): void {
    this.#text += chunk
    const end = this.#text.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = Number(/\r\nContent-Length: (\d+)/i.exec(this.#text)?.[1])
    if (this.#text.length < end + 4 + length) return
    if (!this.#text.startsWith('HTTP/1.1 200')) this.#reject(new Error(this.#text))
    this.#text = ''
    this.#resolve()
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }
}
