/**
 * Very many connections over several threads: 10,000 that were served once and are idle, and 5,000 feeds of one database, half
 * of them continuous and half waiting for one change (longpoll). What each costs in memory, how long a write takes to reach all
 * feeds, and then, with all of them open, hostile clients, one for each thread, each kind beside a client that reads a document
 * again and again. Wanted: at most 32 KiB of the server's memory for an idle connection and 64 KiB for a feed after writes, a write
 * at all feeds within 10 s, none lost, and the p99 of that client, in the median of the rounds, at most twice what it is beside the
 * idle ones alone. Fails otherwise.
 *
 * The kernel deals connections out to the threads, unevenly, so each thread is let take all of them. All sockets are this process's.
 * Server, driver and client share the processors: where hostile clients take all that there are, the client waits for those. Linux
 * only; where the open files are limited to fewer, there are fewer connections.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { machineCpuUs, processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { hostileRequests } from '../test/support/hostile-requests.ts'
import { besideHostile } from '../test/support/hostile-run.ts'
import { HttpClient } from '../test/support/http-client.ts'
import { processMemory, type ServerProcess, startServerProcess } from '../test/support/server-process.ts'
import { type Feed, openFeeds, openFilesLimit, openSockets } from './feed-sockets.ts'
import { type Benchmark, megabytes, percentile, stopwatch, withFolder } from './tools.ts'

const MOST_IDLE_BYTES = 32 * 1024
const MOST_FEED_BYTES = 64 * 1024
const MOST_SECONDS = 10
const MOST_SLOWER = 2
/** Files that a process needs beside the sockets. */
const OTHER_FILES = 1000
const PATH = '/quiet/doc'
const PATIENT_MS = '3600000'
const LISTING_DOCUMENTS = 20_000

type Print = (line: string) => void

interface Wanted {
  threads: number
  idle: number
  feeds: number
  rounds: number
  seconds: number
  only: string
}

export const connections: Benchmark = {
  summary:
    'thousands of idle connections and feeds over several threads: memory; beside them, hostile clients',
  flags:
    '[--threads 4] [--idle 10000] [--feeds 5000] [--rounds 3] [--seconds 5] [--only TEXT] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        threads: { type: 'string', default: '4' },
        idle: { type: 'string', default: '10000' },
        feeds: { type: 'string', default: '5000' },
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        only: { type: 'string', default: '' },
        folder: { type: 'string' },
      },
    })
    const limit = await openFilesLimit()
    const most = limit - OTHER_FILES
    const [idle, feeds] = [Number(values.idle), Number(values.feeds)]
    const share = Math.min(1, most / (idle + feeds))
    const wanted: Wanted = {
      threads: Number(values.threads),
      idle: Math.floor(idle * share),
      feeds: Math.floor(feeds * share),
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      only: values.only,
    }
    if (share < 1)
      print(`${idle + feeds} connections need a limit of ${idle + feeds + OTHER_FILES} open files`)
    await withFolder(values.folder, async (dataDir) => {
      const environment = {
        DAVENPORT_DAVENPORT__THREADS: values.threads,
        DAVENPORT_CHTTPD__MAX_CONNECTIONS: String(limit * Math.max(1, wanted.threads)),
        DAVENPORT_DAVENPORT__KEEP_ALIVE_MS: PATIENT_MS,
        DAVENPORT_DAVENPORT__IDLE_TIMEOUT_MS: PATIENT_MS,
        DAVENPORT_CHTTPD_AUTH__ITERATIONS: '600000',
      }
      const server = startServerProcess({ dataDir, environment, openFiles: limit })
      try {
        const isWithin = await measure(server, wanted, print)
        if (!isWithin) process.exitCode = 1
      } finally {
        await server.kill()
      }
    })
  },
}

/** Whether everything was as it is wanted. */
async function measure(server: ServerProcess, wanted: Wanted, print: Print): Promise<boolean> {
  const port = await server.port
  await prepare(port)
  const resident = async (): Promise<number> => {
    await sleep(2000)
    return (await processMemory(server)).residentBytes
  }
  const before = await resident()
  const lap = stopwatch()
  const idle = await openSockets(port, '/_up', wanted.idle)
  const openedSeconds = lap()
  const withIdle = await resident()
  const idleBytes = (withIdle - before) / wanted.idle
  print(
    `${wanted.idle} idle connections over ${wanted.threads} threads, opened in ${openedSeconds.toFixed(1)} s: ` +
      `${megabytes(before)} before, ${megabytes(withIdle)} with them, ${(idleBytes / 1024).toFixed(1)} KiB each ` +
      `(at most ${MOST_IDLE_BYTES / 1024})`,
  )
  const { seconds, feedBytes } = await feedsOf(port, wanted, { resident, withIdle, print })
  const slower = await besideEach(server, port, wanted, print)
  const lost = idle.filter((socket) => socket.destroyed).length
  print(`idle connections lost: ${lost}`)
  for (const socket of idle) socket.destroy()
  return (
    lost === 0 &&
    idleBytes <= MOST_IDLE_BYTES &&
    feedBytes <= MOST_FEED_BYTES &&
    seconds <= MOST_SECONDS &&
    slower <= MOST_SLOWER
  )
}

async function prepare(port: number): Promise<void> {
  const client = new HttpClient(port)
  for (const name of ['quiet', 'feeds', 'listed']) await client.json('PUT', `/${name}`)
  await client.json('PUT', PATH, { text: 'x'.repeat(500) })
  for (let first = 0; first < LISTING_DOCUMENTS; first += 1000) {
    const docs = Array.from({ length: 1000 }, (_, n) => ({ _id: `d${first + n}`, text: 'x'.repeat(500) }))
    await client.json('POST', '/listed/_bulk_docs', { docs })
  }
  client.close()
  // All threads compile what a request needs.
  const sockets = await openSockets(port, PATH, 100)
  for (const path of feedPaths())
    sockets.push(...(await openFeeds(port, path, 50)).map(({ socket }) => socket))
  await write(port, 'warm')
  for (const socket of sockets) socket.destroy()
}

function feedPaths(): string[] {
  const patience = `since=now&timeout=${PATIENT_MS}&heartbeat=600000`
  return ['continuous', 'longpoll'].map((feed) => `/feeds/_changes?feed=${feed}&${patience}`)
}

async function write(port: number, id: string): Promise<void> {
  const client = new HttpClient(port)
  await client.json('PUT', `/feeds/${id}`, {})
  client.close()
}

async function feedsOf(
  port: number,
  wanted: Wanted,
  { resident, withIdle, print }: { resident(): Promise<number>; withIdle: number; print: Print },
): Promise<{ seconds: number; feedBytes: number }> {
  const [continuous, longpoll] = feedPaths() as [string, string]
  const half = Math.floor(wanted.feeds / 2)
  const lasting = await openFeeds(port, continuous, wanted.feeds - half)
  const seconds: number[] = []
  const waiting: Feed[] = await openFeeds(port, longpoll, half)
  const withFeeds = await resident()
  for (let at = 0; at < 3; at++) {
    // A longpoll ends with its change: the second write and the third are for those that last.
    const all = at === 0 ? [...lasting, ...waiting] : lasting
    const arrivals = all.map(({ receives }) => receives(`"id":"w${at}"`))
    const startMs = performance.now()
    await write(port, `w${at}`)
    seconds.push((Math.max(...(await Promise.all(arrivals))) - startMs) / 1000)
  }
  const after = await resident()
  const feedBytes = (Math.max(withFeeds, after) - withIdle) / wanted.feeds
  print(
    `${wanted.feeds} feeds beside them: ${megabytes(withFeeds)}, ${megabytes(after)} after three writes, ` +
      `${(feedBytes / 1024).toFixed(1)} KiB each (at most ${MOST_FEED_BYTES / 1024})`,
  )
  print(
    `a write reached all ${wanted.feeds} in ${seconds[0]!.toFixed(2)} s, the ${lasting.length} continuous ones then in ` +
      `${seconds[1]!.toFixed(2)} and ${seconds[2]!.toFixed(2)} s (at most ${MOST_SECONDS})`,
  )
  return { seconds: Math.max(...seconds), feedBytes }
}

interface Kind {
  what: string
  /** Resolves once `isOver` says so and what was under way has ended. */
  run(isOver: () => boolean): Promise<void>
}

const NOTHING = 'nothing'

/** The largest of the kinds' ratios. */
async function besideEach(
  server: ServerProcess,
  port: number,
  { threads, rounds, seconds, only }: Wanted,
  print: Print,
): Promise<number> {
  const kinds = (await kindsOf(port)).filter(({ what }) => what.includes(only))
  const rows = [
    [
      `beside ${Math.max(1, threads)} at once of`,
      'p50 ms',
      'p99 ms',
      'times',
      'server CPU',
      'driver CPU',
      'others CPU',
    ],
  ]
  let worst = 0
  for (const kind of kinds) {
    const figures = { [NOTHING]: [] as Beside[], loud: [] as Beside[] }
    for (let round = 0; round < rounds; round++) {
      figures[NOTHING].push(await beside(server, port, () => sleep(seconds * 1000)))
      figures.loud.push(
        await beside(server, port, async () => {
          const endMs = performance.now() + seconds * 1000
          const isOver = (): boolean => performance.now() >= endMs
          await Promise.all(Array.from({ length: Math.max(1, threads) }, () => kind.run(isOver)))
        }),
      )
    }
    const of = (name: 'nothing' | 'loud', figure: keyof Beside): number =>
      median(figures[name].map((each) => each[figure]))
    const times = of('loud', 'p99') / of(NOTHING, 'p99')
    worst = Math.max(worst, times)
    const shares = (['server', 'driver', 'others'] as const).map((each) => `${of('loud', each).toFixed(0)} %`)
    rows.push([
      kind.what,
      of('loud', 'p50').toFixed(2),
      of('loud', 'p99').toFixed(2),
      times.toFixed(2),
      ...shares,
    ])
  }
  for (const line of alignedTable(rows)) print(line)
  print(`p99: at most ${worst.toFixed(2)} times the usual (at most ${MOST_SLOWER}; medians of ${rounds})`)
  return worst
}

interface Beside {
  p50: number
  p99: number
  /** Percent of one processor. */
  server: number
  driver: number
  others: number
}

async function beside(server: ServerProcess, port: number, work: () => Promise<unknown>): Promise<Beside> {
  const cpuUs = (): number[] => [
    processCpuUs(server.child.process.pid!),
    processCpuUs(process.pid),
    machineCpuUs(),
  ]
  const before = cpuUs()
  const { waitsMs, tookMs, cpuUs: clientUs } = await besideHostile(port, work, PATH)
  const [serverUs, driverUs, machineUs] = cpuUs().map((us, at) => us - before[at]!) as [
    number,
    number,
    number,
  ]
  const percent = (us: number): number => Math.max(0, us) / (tookMs * 10)
  const waits = [...waitsMs]
  return {
    p50: percentile(waits, 0.5),
    p99: percentile(waits, 0.99),
    server: percent(serverUs),
    driver: percent(driverUs),
    others: percent(machineUs - serverUs - driverUs - clientUs),
  }
}

async function kindsOf(port: number): Promise<Kind[]> {
  const requests = await hostileRequests(port)
  return [
    { what: 'clients that send a body a byte at a time', run: (isOver) => slowSender(port, isOver) },
    { what: 'clients that do not read their listing', run: (isOver) => slowReader(port, isOver) },
    ...requests.map(({ what, run }) => ({
      what,
      async run(isOver: () => boolean) {
        do await run()
        while (!isOver())
      },
    })),
  ]
}

async function slowSender(port: number, isOver: () => boolean): Promise<void> {
  const socket = quietSocket(port)
  socket.write(
    'POST /_session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n{"name":"',
  )
  while (!isOver()) {
    socket.write('x')
    await sleep(1)
  }
  socket.destroy()
}

async function slowReader(port: number, isOver: () => boolean): Promise<void> {
  const [socket] = await openSockets(port, '/listed/_all_docs?include_docs=true', 1)
  socket!.pause()
  while (!isOver()) {
    // A little, now and then, so that it is not taken for gone.
    await sleep(50)
    socket!.read(1024)
  }
  socket!.destroy()
}

function quietSocket(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  return socket
}
