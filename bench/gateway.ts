/**
 * The gateway as a user starts it, over many documents in channels of a thousand each:
 * - `writes`: PUTs of new documents at many connections, to a database with a sync function by the gateway, and to one without by
 *   CouchDB's API, in turns. Wanted: 0.6 of the rate.
 * - `pull`: somebody's first pull of his channel, as Couchbase Lite does it: `_changes`, then `_bulk_get`, fifty at a time.
 * - `open`: the server starts again: the time until it listens, and its memory.
 * - `live`: users who follow continuously, and one write a second to a channel that a hundred of them have: the time until all of them
 *   have heard of it, and the server's CPU.
 *
 * The documents are loaded by the gateway, so that the sync function has seen each. Linux only.
 */
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { describeMachine, machineOf } from '../src/lab/measure/machine.ts'
import { processCpuUs } from '../src/lab/measure/process-cpu.ts'
import {
  ADMIN,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { type Feed, openFeeds } from './feed-sockets.ts'
import { chosenTool } from './http/load.ts'
import { DOCUMENT, type Load } from './http/workload.ts'
import { type Benchmark, megabytes, percentile, stopwatch, withFolder } from './tools.ts'

const LEAST_RATIO = 0.6
const CHANNEL_DOCUMENTS = 1000
const BATCH = 1000
const LOADING_AT_ONCE = 2
const PULL_BATCH = 50
const FOLLOWERS_OF_CHANNEL = 100
const PASSWORD = 'password'
const WARM_UP_SECONDS = 3
/** Guards as an app's does, and grants nothing. */
const SYNC = `function (doc, oldDoc) {
  if (oldDoc && oldDoc.type !== doc.type) throw({ forbidden: 'a document keeps its type' });
  if (!doc.channels) throw({ forbidden: 'a document has channels' });
  channel(doc.channels);
}`

interface Settings {
  documents: number
  seconds: number
  connections: number
  rounds: number
  users: number
  liveWrites: number
  threads: string
}

interface Running {
  server: ServerProcess
  pid: number
  couchdb: string
  open: string
  admin: string
  /** Seconds from the start of the process until it listened. */
  startSeconds: number
}

export const gateway: Benchmark = {
  summary: 'the gateway: writes with a sync function, a first pull, opening, live followers',
  flags:
    '[--documents 1000000] [--seconds 5] [--connections 64] [--rounds 3] [--users 1000] [--live-writes 10] [--threads auto] [--only writes,pull,open,live] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        documents: { type: 'string', default: '1000000' },
        seconds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '64' },
        rounds: { type: 'string', default: '3' },
        users: { type: 'string', default: '1000' },
        'live-writes': { type: 'string', default: '10' },
        threads: { type: 'string', default: 'auto' },
        only: { type: 'string', default: 'writes,pull,open,live' },
        folder: { type: 'string' },
      },
    })
    const settings: Settings = {
      documents: Number(values.documents),
      seconds: Number(values.seconds),
      connections: Number(values.connections),
      rounds: Number(values.rounds),
      users: Number(values.users),
      liveWrites: Number(values['live-writes']),
      threads: values.threads,
    }
    const wanted = new Set(values.only.split(','))
    print(describeMachine(machineOf(values.folder ?? tmpdir())))
    await withFolder(values.folder, (folder) => measure(folder, settings, wanted, print))
  },
}

async function measure(
  folder: string,
  settings: Settings,
  wanted: ReadonlySet<string>,
  print: (line: string) => void,
): Promise<void> {
  const file = join(folder, 'gateway.json')
  await writeFile(file, JSON.stringify(configuration(settings.users)))
  const start = (): Promise<Running> => started(join(folder, 'data'), file, settings.threads)
  let running = await start()
  try {
    if (wanted.has('writes')) await measureWrites(running, settings, print)
    if (settings.documents > 0 && ['pull', 'open', 'live'].some((name) => wanted.has(name)))
      await load(running, settings.documents, print)
    if (wanted.has('open')) {
      await running.server.stop()
      running = await start()
      const { residentBytes, peakBytes } = await processMemory(running.server)
      const cpuSeconds = processCpuUs(running.pid) / 1e6
      print(
        `open: ${running.startSeconds.toFixed(1)} s until it listens, ${cpuSeconds.toFixed(1)} s of CPU; ${megabytes(residentBytes)} of memory, ${megabytes(peakBytes)} at most`,
      )
    }
    if (wanted.has('pull')) await measurePull(running, settings.documents, print)
    if (wanted.has('live')) await measureLive(running, settings, print)
  } finally {
    await running.server.kill()
  }
}

/** Users of whom a hundred each have a channel, and one who pulls. */
function configuration(users: number): object {
  const followers = Array.from({ length: users }, (_, at): [string, object] => [
    `u${at}`,
    { password: PASSWORD, admin_channels: [`live${Math.floor(at / FOLLOWERS_OF_CHANNEL)}`] },
  ])
  return {
    interface: '127.0.0.1:0',
    adminInterface: '127.0.0.1:0',
    databases: {
      db: {
        sync: SYNC,
        users: Object.fromEntries([
          ...followers,
          ['writer', { password: PASSWORD, admin_channels: [] }],
          ['puller', { password: PASSWORD, admin_channels: ['c0'] }],
        ]),
      },
      written: { sync: SYNC, users: { writer: { password: PASSWORD } } },
    },
  }
}

async function started(dataDir: string, file: string, threads: string): Promise<Running> {
  const elapsed = stopwatch()
  const server = startServerProcess({
    dataDir,
    environment: { DAVENPORT_DAVENPORT__THREADS: threads },
    moreArguments: ['--gateway', file],
  })
  const port = await server.port
  const [, open] = await server.child.until(/gateway listening on (\S+)\//)
  const [, admin] = await server.child.until(/gateway administrators on (\S+)\//)
  const startSeconds = elapsed()
  const couchdb = `http://127.0.0.1:${port}`
  return { server, pid: server.child.process.pid!, couchdb, open: open!, admin: admin!, startSeconds }
}

async function ask(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<string> {
  const answer = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text}`)
  return text
}

function basic(credentials: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }
}

async function measureWrites(
  { couchdb, open, pid }: Running,
  { connections, seconds, rounds }: Settings,
  print: (line: string) => void,
): Promise<void> {
  const { name, load: run } = chosenTool(false, false)
  await ask(`${couchdb}/written`, 'PUT', undefined, basic(ADMIN))
  const body = JSON.stringify({ ...DOCUMENT, channels: ['a', 'b'] })
  const loadOf = (round: number, credentials: string): Load => ({
    method: 'PUT',
    path: `/written/${round}-{n}`,
    body,
    headers: { 'content-type': 'application/json', ...basic(credentials) },
    connections,
    numbers: { kind: 'fresh' },
  })
  const rates = { without: [] as number[], with: [] as number[] }
  for (let round = 0; round <= rounds; round++) {
    for (const [kind, origin, credentials] of [
      ['without', couchdb, ADMIN],
      ['with', open, `writer:${PASSWORD}`],
    ] as const) {
      const isWarmUp = round === 0
      const before = processCpuUs(pid)
      const measured = await run(origin, loadOf(round, credentials), isWarmUp ? WARM_UP_SECONDS : seconds)
      if (measured.errors > 0) throw new Error(`${measured.errors} writes ${kind} a sync function failed`)
      if (isWarmUp) continue
      const rate = measured.requests / measured.seconds
      const cpuUs = (processCpuUs(pid) - before) / measured.requests
      rates[kind].push(rate)
      print(
        `writes ${kind} a sync function: ${rate.toFixed(0)}/s, ${cpuUs.toFixed(0)} us of CPU each, p99 ${(measured.p99Us / 1000).toFixed(1)} ms`,
      )
    }
  }
  const ratio = percentile(rates.with, 0.5) / percentile(rates.without, 0.5)
  print(
    `writes at ${connections} connections by ${name}: ${ratio.toFixed(2)} of without (at least ${LEAST_RATIO})`,
  )
  if (!(ratio >= LEAST_RATIO)) process.exitCode = 1
}

/** Document `n` is in a channel with each that has the same rest: of channels there are so many that each has a thousand. */
async function load(
  { admin, pid, server }: Running,
  documents: number,
  print: (line: string) => void,
): Promise<void> {
  const channels = Math.max(1, Math.floor(documents / CHANNEL_DOCUMENTS))
  const elapsed = stopwatch()
  const before = processCpuUs(pid)
  let next = 0
  const loader = async (): Promise<void> => {
    while (next < documents) {
      const from = next
      next += BATCH
      const docs = Array.from({ length: Math.min(BATCH, documents - from) }, (_, at) => ({
        _id: `d${String(from + at).padStart(8, '0')}`,
        type: 'note',
        number: from + at,
        channels: [`c${(from + at) % channels}`, 'everything'],
        text: 'the quick brown fox jumps over the lazy dog',
      }))
      const rows = JSON.parse(await ask(`${admin}/db/_bulk_docs`, 'POST', { docs })) as { error?: string }[]
      if (rows.some(({ error }) => error !== undefined)) throw new Error('a document was not written')
    }
  }
  await Promise.all(Array.from({ length: LOADING_AT_ONCE }, loader))
  const seconds = elapsed()
  const cpuUs = (processCpuUs(pid) - before) / documents
  const { residentBytes } = await processMemory(server)
  print(
    `load: ${documents} documents of 2 channels in ${seconds.toFixed(1)} s, ${(documents / seconds).toFixed(0)}/s, ${cpuUs.toFixed(0)} us of CPU each; ${megabytes(residentBytes)} of memory`,
  )
}

async function measurePull(
  { open, pid }: Running,
  documents: number,
  print: (line: string) => void,
): Promise<void> {
  const headers = basic(`puller:${PASSWORD}`)
  for (let round = 0; round < 3; round++) {
    const elapsed = stopwatch()
    const before = processCpuUs(pid)
    const text = await ask(`${open}/db/_changes?since=0`, 'GET', undefined, headers)
    const { results } = JSON.parse(text) as { results: { id: string; changes: { rev: string }[] }[] }
    const wanted = results.filter(({ id }) => !id.startsWith('_user/'))
    const changesSeconds = elapsed()
    let bytes = 0
    for (let at = 0; at < wanted.length; at += PULL_BATCH) {
      const docs = wanted.slice(at, at + PULL_BATCH).map(({ id, changes }) => ({ id, rev: changes[0]!.rev }))
      const multipart = { ...headers, accept: 'multipart/mixed' }
      bytes += (await ask(`${open}/db/_bulk_get?revs=true&attachments=true`, 'POST', { docs }, multipart))
        .length
    }
    const pullSeconds = elapsed()
    const cpuMs = (processCpuUs(pid) - before) / 1000
    print(
      `pull: ${wanted.length} of ${documents} documents: _changes ${(changesSeconds * 1000).toFixed(0)} ms, bodies ${(pullSeconds * 1000).toFixed(0)} ms (${megabytes(bytes)}), ${cpuMs.toFixed(0)} ms of CPU`,
    )
  }
}

async function measureLive(
  { open, admin, pid, server }: Running,
  { users, liveWrites }: Settings,
  print: (line: string) => void,
): Promise<void> {
  const before = (await processMemory(server)).residentBytes
  const port = Number(new URL(open).port)
  const sessions: string[] = []
  for (let at = 0; at < users; at++) sessions.push(await sessionOf(admin, `u${at}`))
  const elapsed = stopwatch()
  const path = '/db/_changes?feed=continuous&since=0&heartbeat=60000&timeout=0'
  const feeds = await openFeeds(port, path, users, (at) => `Cookie: ${sessions[at]}`)
  print(`live: ${users} followers opened in ${elapsed().toFixed(1)} s`)
  const millis: number[] = []
  const cpuBefore = processCpuUs(pid)
  const channels = Math.floor(users / FOLLOWERS_OF_CHANNEL)
  elapsed()
  for (let write = 0; write < liveWrites; write++) {
    const channel = write % channels
    const followers = feeds.slice(channel * FOLLOWERS_OF_CHANNEL, (channel + 1) * FOLLOWERS_OF_CHANNEL)
    millis.push(await heardBy(followers, `${admin}/db`, `live-${write}`, `live${channel}`))
    await sleep(1000)
  }
  const cpu = (processCpuUs(pid) - cpuBefore) / 1e6 / elapsed()
  const after = (await processMemory(server)).residentBytes
  print(
    `live: a write at all ${FOLLOWERS_OF_CHANNEL} of its channel after ${percentile(millis, 0.5).toFixed(0)} ms (most ${percentile(millis, 1).toFixed(0)}), ${(cpu * 100).toFixed(1)} % of a core; ${megabytes(after - before)} for ${users} followers`,
  )
  for (const { socket } of feeds) socket.destroy()
}

/** The cookie of a new session. */
async function sessionOf(admin: string, name: string): Promise<string> {
  const { cookie_name, session_id } = JSON.parse(await ask(`${admin}/db/_session`, 'POST', { name }))
  return `${cookie_name}=${session_id}`
}

/** Milliseconds from the write until the last of them has its row. */
async function heardBy(
  followers: readonly Feed[],
  database: string,
  id: string,
  channel: string,
): Promise<number> {
  const arrivals = followers.map(({ receives }) => receives(`"id":"${id}"`))
  const start = performance.now()
  await ask(`${database}/${id}`, 'PUT', { type: 'note', channels: [channel] })
  return Math.max(...(await Promise.all(arrivals))) - start
}
