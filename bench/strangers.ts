/**
 * What requests of nobody cost the others: 200 wrong log-ins a second, and a thousand bodies that unpack to 256 MB at
 * everything that is open to all, twenty at once as fast as the server takes them, each beside a client that reads a document
 * again and again. All are in turn with nothing, several times, and with 200 requests a second that anybody may make (`GET /_up`),
 * since on few processors so many requests cost the others something, whatever they ask for. Wanted: the p99 of that client, in the
 * median of the rounds, is beside log-ins at most twice what it is beside those requests, and beside bodies at most twice what it is
 * beside nothing; and the server's memory is afterwards at most 50 MB more than before. Fails otherwise.
 *
 * Client, driver and server are processes of their own that share the processors, so what each takes of one is told: where they take
 * all that there are, the client waits for the other strangers and not for the server. So is what others on the machine took,
 * beside which no figure says anything. Linux only.
 */
import { Agent, request } from 'node:http'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { machineCpuUs, processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { besideHostile } from '../test/support/hostile-run.ts'
import { HttpClient } from '../test/support/http-client.ts'
import {
  forgetPeak,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { type Benchmark, megabytes, percentile, withFolder } from './tools.ts'

const REQUESTS_PER_SECOND = 200
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
  flags: '[--rounds 3] [--seconds 10] [--threads N] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string', default: '3' },
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
        await measure(server, { rounds: Number(values.rounds), seconds: Number(values.seconds), print })
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
  'client CPU',
  'others CPU',
  'peak',
  'after',
  'statuses',
]

const NOTHING = 'nothing'

interface Measured {
  rounds: number
  seconds: number
  print(line: string): void
}

interface Work {
  what: string
  run(): Promise<string>
}

async function measure(server: ServerProcess, { rounds, seconds, print }: Measured): Promise<void> {
  const port = await server.port
  const client = new HttpClient(port)
  await client.json('PUT', '/quiet')
  await client.json('PUT', PATH, { text: 'x'.repeat(500) })
  for (let n = 0; n < 3000; n++) await client.send('GET', PATH)
  client.close()
  const bomb = gzipSync(Buffer.alloc(BODY_BYTES, '[0],'), { level: 9 })
  const bodies = Math.ceil(BODIES / rounds)
  const nothing: Work = { what: NOTHING, run: () => sleep(seconds * 1000, '') }
  const loud: Work[] = [
    { what: `${REQUESTS_PER_SECOND} requests a second`, run: () => atPace(port, seconds, upRequest) },
    { what: `${REQUESTS_PER_SECOND} wrong log-ins a second`, run: () => atPace(port, seconds, wrongLogin) },
    {
      what: `${bodies} bodies that unpack to ${megabytes(BODY_BYTES)}`,
      run: () => packedBodies(port, bomb, bodies),
    },
  ]
  const before = (await processMemory(server)).residentBytes
  const rows = [HEAD]
  const p99s = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const work of loud.flatMap((each) => [nothing, each])) {
      const { p99, row } = await besideWork(server, port, work)
      p99s.set(work.what, [...(p99s.get(work.what) ?? []), p99])
      rows.push(row)
    }
  }
  for (const line of alignedTable(rows)) print(line)
  const usual = median(p99s.get(NOTHING)!)
  const kept = await settled(server, before)
  const [requests, logins, packed] = loud.map(({ what }) => median(p99s.get(what)!) / usual) as [
    number,
    number,
    number,
  ]
  const beside = logins / requests
  print(
    `p99, medians of ${rounds}, on ${availableParallelism()} processors: ${usual.toFixed(2)} ms beside nothing; ` +
      `${requests.toFixed(2)} times that beside requests, ${logins.toFixed(2)} beside wrong log-ins, which is ` +
      `${beside.toFixed(2)} times that beside requests (at most ${MOST_SLOWER}), ` +
      `${packed.toFixed(2)} beside packed bodies (at most ${MOST_SLOWER})`,
  )
  print(`memory kept: ${megabytes(kept)} (at most ${megabytes(MOST_KEPT_BYTES)})`)
  if (Math.max(beside, packed) > MOST_SLOWER || kept > MOST_KEPT_BYTES) process.exitCode = 1
}

async function besideWork(
  server: ServerProcess,
  port: number,
  { what, run }: Work,
): Promise<{ p99: number; row: string[] }> {
  await forgetPeak(server)
  const cpuUs = (): number[] => [
    processCpuUs(server.child.process.pid!),
    processCpuUs(process.pid),
    machineCpuUs(),
  ]
  const beforeUs = cpuUs()
  const beside = await besideHostile(port, run, PATH)
  const [serverUs, driverUs, machineUs] = cpuUs().map((us, at) => us - beforeUs[at]!) as [
    number,
    number,
    number,
  ]
  const othersUs = Math.max(0, machineUs - serverUs - driverUs - beside.cpuUs)
  const shares = [serverUs, driverUs, beside.cpuUs, othersUs].map(
    (us) => `${(us / (beside.tookMs * 10)).toFixed(0)} %`,
  )
  const waits = [...beside.waitsMs]
  const p99 = percentile(waits, 0.99)
  const figures = [percentile(waits, 0.5), p99, beside.longestWaitMs].map((each) => each.toFixed(2))
  const { peakBytes, residentBytes } = await processMemory(server)
  const memory = [megabytes(peakBytes), megabytes(residentBytes)]
  const took = [(beside.tookMs / 1000).toFixed(1), String(beside.answers)]
  return { p99, row: [what, ...took, ...figures, ...shares, ...memory, beside.outcome] }
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

type Sent = Parameters<typeof send>[1]

/** At a steady pace, whatever the answers do. */
async function atPace(port: number, seconds: number, nth: (n: number) => Sent): Promise<string> {
  const tally = new Tally()
  const agent = new Agent({ keepAlive: true, maxSockets: 1000 })
  const underWay: Promise<void>[] = []
  const startMs = performance.now()
  for (let n = 0; n < seconds * REQUESTS_PER_SECOND; n++) {
    underWay.push(send(port, nth(n), { agent, from: n }).then((outcome) => tally.add(outcome)))
    const dueMs = startMs + ((n + 1) * 1000) / REQUESTS_PER_SECOND
    await sleep(Math.max(0, dueMs - performance.now()))
  }
  agent.destroy()
  await Promise.allSettled(underWay)
  return String(tally)
}

/** Half of the names are nobody's, so that none is locked. */
function wrongLogin(n: number): Sent {
  const name = n % 2 === 0 ? 'admin' : `nobody${n}`
  return { path: '/_session', body: Buffer.from(JSON.stringify({ name, password: `wrong${n}` })) }
}

function upRequest(): Sent {
  return { path: '/_up' }
}

async function packedBodies(port: number, bomb: Buffer, bodies: number): Promise<string> {
  const tally = new Tally()
  let next = 0
  const client = async (): Promise<void> => {
    while (next < bodies) {
      const n = next++
      const sent = { path: OPEN_PATHS[n % OPEN_PATHS.length]!, body: bomb, isPacked: true }
      tally.add(await send(port, sent, { from: n }))
    }
  }
  await Promise.all(Array.from({ length: BODIES_AT_ONCE }, client))
  return String(tally)
}

/** The status, or what the connection came to. */
function send(
  port: number,
  { path, body, isPacked = false }: { path: string; body?: Buffer; isPacked?: boolean },
  { agent, from }: { agent?: Agent; from: number },
): Promise<string> {
  const headers: Record<string, string> = {}
  if (isPacked) headers['content-encoding'] = 'gzip'
  if (body !== undefined) {
    headers['content-type'] = 'application/json'
    headers['content-length'] = String(body.length)
  }
  const method = body === undefined ? 'GET' : 'POST'
  const localAddress = `127.0.0.${2 + (from % ADDRESSES)}`
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent, localAddress })
    sent.on('response', (response) => {
      response.resume()
      response.on('close', () => resolve(String(response.statusCode)))
    })
    sent.on('error', (error) => resolve('code' in error ? String(error.code) : 'broken'))
    sent.end(body)
  })
}
