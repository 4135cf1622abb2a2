/**
 * Thousands of continuous feeds that wait on one database: what each costs the server while nothing happens, and how
 * long one write takes to reach all of them.
 *
 * Wanted for the defaults: at most 64 KiB of the server's memory for each feed (VmRSS, its socket included, after
 * writes have reached them, with what the collector has not got round to), at most 2 % of one core while they are
 * idle, and a write at all of them within 5 s, this process's reading included. Fails otherwise. The feeds are sockets of this process, so it and the server need a file each for every one of
 * them; the limit is read first. Linux only.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import {
  ADMIN,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { type Feed, openFeeds, openFilesLimit } from './feed-sockets.ts'
import { type Benchmark, megabytes, percentile, stopwatch, withFolder } from './tools.ts'

const MOST_BYTES = 64 * 1024
const MOST_CPU = 0.02
const MOST_SECONDS = 5
/** Files that a process needs beside the sockets of the feeds. */
const OTHER_FILES = 100
const TICKS_PER_SECOND = 100
const AUTHORIZATION = `Basic ${Buffer.from(ADMIN).toString('base64')}`

export const idleFeeds: Benchmark = {
  summary: 'thousands of idle continuous feeds: memory, CPU, time of a write to all',
  flags: '[--feeds 5000] [--idle-seconds 10] [--heartbeat-ms 60000] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        feeds: { type: 'string', default: '5000' },
        'idle-seconds': { type: 'string', default: '10' },
        'heartbeat-ms': { type: 'string', default: '60000' },
        folder: { type: 'string' },
      },
    })
    const wanted = Number(values.feeds)
    const limit = await openFilesLimit()
    const feeds = Math.min(wanted, limit - OTHER_FILES)
    print(`a process may have ${limit} open files here: ${feeds} feeds`)
    if (feeds < wanted) print(`${wanted} need a limit of ${wanted + OTHER_FILES}`)
    await withFolder(values.folder, async (dataDir) => {
      const server = startServerProcess({ dataDir, openFiles: limit })
      try {
        await measure(server, feeds, Number(values['heartbeat-ms']), Number(values['idle-seconds']), print)
      } finally {
        await server.kill()
      }
    })
  },
}

async function measure(
  server: ServerProcess,
  count: number,
  heartbeatMs: number,
  idleSeconds: number,
  print: (line: string) => void,
): Promise<void> {
  const port = await server.port
  await request(port, 'PUT', '/db')
  // What the first requests compile and allocate is no feed's.
  const path = `/db/_changes?feed=continuous&since=now&heartbeat=${heartbeatMs}`
  const first = await openFeeds(port, path, 50)
  await writeToAll(port, first, 'warm')
  for (const { socket } of first) socket.destroy()
  await sleep(500)
  const before = (await processMemory(server)).residentBytes
  const lap = stopwatch()
  const feeds = await openFeeds(port, path, count)
  print(`opened: ${lap().toFixed(1)} s`)
  const opened = (await processMemory(server)).residentBytes
  const seconds: number[] = []
  for (let write = 0; write < 3; write++) seconds.push(await writeToAll(port, feeds, `d${write}`))
  await sleep(1000)
  const after = (await processMemory(server)).residentBytes
  const ticks = await cpuTicks(server)
  await sleep(idleSeconds * 1000)
  const cpu = ((await cpuTicks(server)) - ticks) / TICKS_PER_SECOND / idleSeconds
  const idle = (await processMemory(server)).residentBytes
  const perFeed = (Math.max(after, idle) - before) / count
  const slowest = percentile(seconds, 1)
  print(
    `memory: ${megabytes(before)} before, ${megabytes(opened)} with ${count} feeds, ${megabytes(after)} after writes`,
  )
  print(`memory for each feed: ${(perFeed / 1024).toFixed(1)} KiB (at most ${MOST_BYTES / 1024})`)
  print(
    `CPU while idle, heartbeat ${heartbeatMs} ms: ${(cpu * 100).toFixed(2)} % (at most ${MOST_CPU * 100})`,
  )
  print(
    `a write reached all in ${seconds.map((each) => each.toFixed(3)).join(', ')} s (at most ${MOST_SECONDS})`,
  )
  for (const { socket } of feeds) socket.destroy()
  if (perFeed > MOST_BYTES || cpu > MOST_CPU || slowest > MOST_SECONDS) process.exitCode = 1
}

/** Seconds from the request to the last feed. */
async function writeToAll(port: number, feeds: readonly Feed[], id: string): Promise<number> {
  const arrivals = feeds.map(({ receives }) => receives(`"id":"${id}"`))
  const start = performance.now()
  await request(port, 'PUT', `/db/${id}`, '{}')
  return (Math.max(...(await Promise.all(arrivals))) - start) / 1000
}

async function request(port: number, method: string, path: string, body?: string): Promise<void> {
  const headers = { authorization: AUTHORIZATION, 'content-type': 'application/json' }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, body: body ?? null })
  if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}`)
}

/** Time on a CPU, user and system (proc(5): fields 14 and 15 of stat). */
async function cpuTicks(server: ServerProcess): Promise<number> {
  const stat = await readFile(`/proc/${server.child.process.pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}
