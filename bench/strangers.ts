/**
 * What requests of nobody cost the others: 200 wrong log-ins a second, and a thousand bodies that unpack to 256 MB at
 * everything that is open to all, twenty at once as fast as the server takes them, each beside a client that reads a document
 * again and again. Wanted: the p99 of that client is at most twice what it is without them, and the server's memory is afterwards
 * at most 50 MB more than before. Fails otherwise. Both programs share the processors, so what each takes of one is told:
 * where they take all that there are, the client waits for the other strangers and not for the server. Linux only; on a machine that
 * has nothing else to do.
 */
import { Agent, request } from 'node:http'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { besideHostile } from '../test/support/hostile-run.ts'
import { HttpClient } from '../test/support/http-client.ts'
import {
  forgetPeak,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { processCpuUs } from './process-cpu.ts'
import { alignedTable } from './text-table.ts'
import { type Benchmark, megabytes, percentile, withFolder } from './tools.ts'

const LOGINS_PER_SECOND = 200
const MOST_SLOWER = 2
const BODIES = 1000
const BODIES_AT_ONCE = 20
const BODY_BYTES = 256 * 1024 * 1024
const MOST_KEPT_BYTES = 50e6
const SETTLING_SECONDS = 60
/** Requests come from so many addresses. */
const ADDRESSES = 20
const PATH = '/quiet/doc'
const OPEN_PATHS = [
  '/_session',
  '/_session',
  '/_replicate',
  '/_up',
  '/_uuids',
  '/',
  '/favicon.ico',
  '/_utils/',
]
const ITERATIONS = { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '600000' }

export const strangers: Benchmark = {
  summary: 'wrong log-ins and packed bodies of nobody in particular: p99 of another client, memory',
  flags: '[--seconds 10] [--threads N] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        seconds: { type: 'string', default: '10' },
        threads: { type: 'string' },
        folder: { type: 'string' },
      },
    })
    const { threads } = values
    const environment =
      threads === undefined ? ITERATIONS : { ...ITERATIONS, DAVENPORT_DAVENPORT__THREADS: threads }
    await withFolder(values.folder, async (dataDir) => {
      const server = startServerProcess({ dataDir, environment })
      try {
        await measure(server, Number(values.seconds), print)
      } finally {
        await server.kill()
      }
    })
  },
}

const HEAD = [
  'beside',
  'seconds',
  'answers',
  'p50 ms',
  'p99 ms',
  'longest ms',
  'server CPU',
  'driver CPU',
  'peak',
  'after',
  'statuses',
]

type Work = () => Promise<string>

async function measure(server: ServerProcess, seconds: number, print: (line: string) => void): Promise<void> {
  const port = await server.port
  const client = new HttpClient(port)
  await client.json('PUT', '/quiet')
  await client.json('PUT', PATH, { text: 'x'.repeat(500) })
  for (let n = 0; n < 3000; n++) await client.send('GET', PATH)
  client.close()
  const bomb = gzipSync(Buffer.alloc(BODY_BYTES, '[0],'), { level: 9 })
  const works: [string, Work][] = [
    ['nothing', () => sleep(seconds * 1000, '')],
    [`${LOGINS_PER_SECOND} wrong log-ins a second`, () => wrongLogins(port, seconds)],
    ['nothing', () => sleep(seconds * 1000, '')],
    [`${BODIES} bodies that unpack to ${megabytes(BODY_BYTES)}`, () => packedBodies(port, bomb)],
    ['nothing', () => sleep(seconds * 1000, '')],
  ]
  const before = (await processMemory(server)).residentBytes
  const rows = [HEAD]
  const quiet: number[] = []
  const loud: number[] = []
  for (const [what, work] of works) {
    await forgetPeak(server)
    const usedUs = [server.child.process.pid!, process.pid].map(processCpuUs)
    const { outcome, waitsMs, answers, longestWaitMs, tookMs } = await besideHostile(port, work, PATH)
    const shares = [server.child.process.pid!, process.pid].map((pid, at) => {
      const percent = (processCpuUs(pid) - usedUs[at]!) / (tookMs * 10)
      return `${percent.toFixed(0)} %`
    })
    const [p50, p99] = [percentile([...waitsMs], 0.5), percentile([...waitsMs], 0.99)]
    if (what === 'nothing') quiet.push(p99)
    else loud.push(p99)
    const { peakBytes, residentBytes } = await processMemory(server)
    const figures = [p50, p99, longestWaitMs].map((each) => each.toFixed(2))
    rows.push([
      what,
      (tookMs / 1000).toFixed(1),
      String(answers),
      ...figures,
      ...shares,
      megabytes(peakBytes),
      megabytes(residentBytes),
      outcome,
    ])
  }
  for (const line of alignedTable(rows)) print(line)
  const usual = percentile(quiet, 0.5)
  const kept = await settled(server, before)
  const slower = loud.map((p99) => p99 / usual)
  print(
    `p99: ${slower.map((each) => each.toFixed(2)).join(' and ')} times the usual ${usual.toFixed(2)} ms ` +
      `(at most ${MOST_SLOWER}), on ${availableParallelism()} processors`,
  )
  print(`memory kept: ${megabytes(kept)} (at most ${megabytes(MOST_KEPT_BYTES)})`)
  if (Math.max(...slower) > MOST_SLOWER || kept > MOST_KEPT_BYTES) process.exitCode = 1
}

async function settled(server: ServerProcess, before: number): Promise<number> {
  for (let second = 0; ; second++) {
    const kept = (await processMemory(server)).residentBytes - before
    if (kept <= MOST_KEPT_BYTES || second >= SETTLING_SECONDS) return kept
    await sleep(1000)
  }
}

class Tally {
  readonly #counts = new Map<string, number>()

  add(outcome: string): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1)
  }

  toString(): string {
    return [...this.#counts].map(([outcome, count]) => `${count} ${outcome}`).join(', ')
  }
}

/** At a steady pace, whatever the answers do. Half of the names are nobody's, so that none is locked. */
async function wrongLogins(port: number, seconds: number): Promise<string> {
  const tally = new Tally()
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  const underWay: Promise<void>[] = []
  const startMs = performance.now()
  for (let n = 0; n < seconds * LOGINS_PER_SECOND; n++) {
    const name = n % 2 === 0 ? 'admin' : `nobody${n}`
    const body = Buffer.from(JSON.stringify({ name, password: `wrong${n}` }))
    underWay.push(post(port, '/_session', body, { agent, from: n }).then((outcome) => tally.add(outcome)))
    const dueMs = startMs + ((n + 1) * 1000) / LOGINS_PER_SECOND
    await sleep(Math.max(0, dueMs - performance.now()))
  }
  agent.destroy()
  await Promise.allSettled(underWay)
  return String(tally)
}

async function packedBodies(port: number, bomb: Buffer): Promise<string> {
  const tally = new Tally()
  let next = 0
  const client = async (): Promise<void> => {
    while (next < BODIES) {
      const n = next++
      tally.add(await post(port, OPEN_PATHS[n % OPEN_PATHS.length]!, bomb, { packed: true, from: n }))
    }
  }
  await Promise.all(Array.from({ length: BODIES_AT_ONCE }, client))
  return String(tally)
}

/** The status, or what the connection came to. */
function post(
  port: number,
  path: string,
  body: Buffer,
  { agent, packed = false, from }: { agent?: Agent; packed?: boolean; from: number },
): Promise<string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (packed) headers['content-encoding'] = 'gzip'
  headers['content-length'] = String(body.length)
  const localAddress = `127.0.0.${2 + (from % ADDRESSES)}`
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent, localAddress })
    sent.on('response', (response) => {
      response.resume()
      response.on('close', () => resolve(String(response.statusCode)))
    })
    sent.on('error', (error) => resolve('code' in error ? String(error.code) : 'broken'))
    sent.end(body)
  })
}
