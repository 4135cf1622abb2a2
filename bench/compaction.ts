/**
 * What a compaction costs, in a server of its own, and what it leaves: its rate against a plain copy of the bytes
 * that it leaves, the length of the file against the bodies in it, and how long one client that gets and one that
 * puts wait for their answers meanwhile, against the same without it.
 *
 * Documents of 100 to 1,500 bytes are written and written again `rounds` times. The rate and the length are those of a
 * compaction that is alone; then the documents are written once more, and compacted beside the clients. The copy is one of the compacted
 * file, read and written in pieces of 1 MiB and synced. The clients share a process, which is not the server's.
 */
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { HttpClient } from '../test/support/http-client.ts'
import { Random } from '../test/support/random.ts'
import { startServerProcess } from '../test/support/server-process.ts'
import { type Benchmark, megabytes, percentile, stopwatch, withFolder } from './tools.ts'

type Print = (line: string) => void

const BATCH = 500
const QUIET_MS = 4000

export const compaction: Benchmark = {
  summary: 'rate of a compaction, length of the file, latency of others',
  flags: '[--documents 20000] [--rounds 3] [--share 100] [--folder PATH] [--seed N]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '20000' },
        rounds: { type: 'string', default: '3' },
        share: { type: 'string', default: '100' },
        folder: { type: 'string' },
        seed: { type: 'string', default: '1' },
      },
    })
    const documents = Number(values.documents)
    const random = new Random(Number(values.seed))
    await withFolder(values.folder, async (dataDir) => {
      const environment = { DAVENPORT_COMPACTION__SHARE_PERCENT: values.share }
      const server = startServerProcess({ dataDir, environment })
      try {
        const port = await server.port
        const client = new HttpClient(port)
        const bodyBytes = await fill(client, documents, Number(values.rounds), random)
        const path = join(dataDir, 'databases', 'bench.davenport')
        const before = (await stat(path)).size
        const seconds = await compact(client)
        const after = (await stat(path)).size
        const copySeconds = await copy(path, join(dataDir, 'copy'))
        await fill(client, documents, 1, random)
        const quiet = await latencies(port, documents, random, () => delay(QUIET_MS))
        let busySeconds = 0
        const busy = await latencies(port, documents, random, async () => {
          busySeconds = await compact(client)
        })
        print(`${documents} documents, ${megabytes(before)} before, ${megabytes(after)} after`)
        print(
          `compaction ${seconds.toFixed(2)} s: ${Math.round(documents / seconds)} documents/s, ` +
            `${megabytes(after / seconds)}/s; plain copy ${megabytes(after / copySeconds)}/s`,
        )
        const overhead = (after - bodyBytes) / documents
        print(`another one, beside two clients that never rest: ${busySeconds.toFixed(2)} s`)
        const bound = 1.15 * bodyBytes + 100 * documents
        print(
          `bodies ${megabytes(bodyBytes)}, ${overhead.toFixed(1)} bytes a document beside them; ` +
            `${((100 * after) / bound).toFixed(1)} % of 1.15 x the bodies + 100 bytes a document`,
        )
        for (const kind of ['get', 'put'] as const) report(kind, quiet[kind], busy[kind], print)
        client.close()
        await server.stop()
      } finally {
        await server.kill()
      }
    })
  },
}

function report(kind: string, quiet: number[], busy: number[], print: Print): void {
  const [a, b] = [percentile(quiet, 0.99), percentile(busy, 0.99)]
  print(
    `${kind}: p99 ${a.toFixed(2)} ms without (${quiet.length}), ${b.toFixed(2)} ms during (${busy.length}): ` +
      `${(b / a).toFixed(2)} x; the longest ${Math.max(...quiet).toFixed(1)} and ${Math.max(...busy).toFixed(1)} ms`,
  )
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Returns the bytes of the bodies that are left in the end. */
async function fill(client: HttpClient, documents: number, rounds: number, random: Random): Promise<number> {
  await client.send('PUT', '/bench')
  const revs = new Map<string, string>()
  const { rows: known } = await client.json<{ rows: { id: string; value: { rev: string } }[] }>(
    'GET',
    '/bench/_all_docs',
  )
  for (const { id, value } of known) revs.set(id, value.rev)
  const lengths = new Map<string, number>()
  for (let round = 0; round < rounds; round++) {
    for (let from = 0; from < documents; from += BATCH) {
      const docs = Array.from({ length: Math.min(BATCH, documents - from) }, (_, i) => {
        const _id = idOf(from + i)
        const body = { round, text: 'x'.repeat(random.between(80, 1480)) }
        lengths.set(_id, JSON.stringify(body).length)
        return { _id, _rev: revs.get(_id), ...body }
      })
      const rows = await client.json<{ id: string; rev: string }[]>('POST', '/bench/_bulk_docs', { docs })
      for (const { id, rev } of rows) revs.set(id, rev)
    }
  }
  return [...lengths.values()].reduce((sum, bytes) => sum + bytes, 0)
}

/** Spread over the ids' order, as most clients' are. */
function idOf(number: number): string {
  return (Math.imul(number, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0')
}

async function latencies(port: number, documents: number, random: Random, during: () => Promise<void>) {
  const times = { get: [] as number[], put: [] as number[] }
  let running = true
  const timed = async (kind: 'get' | 'put', request: () => Promise<unknown>): Promise<void> => {
    const start = performance.now()
    await request()
    times[kind].push(performance.now() - start)
  }
  const reader = async (): Promise<void> => {
    const client = new HttpClient(port)
    while (running) await timed('get', () => client.send('GET', `/bench/${idOf(random.int(documents))}`))
    client.close()
  }
  const writer = async (): Promise<void> => {
    const client = new HttpClient(port)
    const text = 'x'.repeat(700)
    while (running) {
      const id = `put-${random.int(2 ** 32)}`
      await timed('put', () => client.send('PUT', `/bench/${id}`, { text }))
    }
    client.close()
  }
  const clients = [reader(), writer()]
  await during()
  running = false
  await Promise.all(clients)
  return times
}

async function compact(client: HttpClient): Promise<number> {
  const clock = stopwatch()
  await client.send('POST', '/bench/_compact', {})
  for (;;) {
    if ((await client.json<unknown[]>('GET', '/_active_tasks')).length === 0) return clock()
    await delay(20)
  }
}

async function copy(from: string, to: string): Promise<number> {
  const clock = stopwatch()
  const [source, target] = [await open(from, 'r'), await open(to, 'w')]
  const buffer = Buffer.alloc(1024 * 1024)
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length)
    if (bytesRead === 0) break
    await target.write(buffer, 0, bytesRead)
  }
  await target.datasync()
  await Promise.all([source.close(), target.close()])
  return clock()
}
