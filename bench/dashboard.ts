/**
 * The dashboard: what it costs the server that people look on while nothing happens, with many databases there, and what while
 * all of these are written to.
 *
 * Wanted for the defaults: with ten who look on, idle, less than 1 % of a core more than without; and with a hundred databases,
 * of which all change all the time, an event at most twice a second for each of them. CPU time is the server's, of all threads.
 * Linux only. One database is filled, and the others are copies of its file: a hundred of 100,000 documents are there soon.
 */
import { constants } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { HttpClient } from '../test/support/http-client.ts'
import { ADMIN, startServerProcess } from '../test/support/server-process.ts'
import { type Benchmark, stopwatch, withFolder } from './tools.ts'

const MOST_CPU = 0.01
const MOST_EVENTS_PER_SECOND = 2
const WRITES_PER_SECOND = 10
const BATCH = 2000
/** Until all has been told and what compiles has been compiled. */
const SETTLE_MS = 15_000
const AUTHORIZATION = `Basic ${Buffer.from(ADMIN).toString('base64')}`

/** Somebody who looks on. */
class Onlooker {
  readonly #response: IncomingMessage
  events = 0
  bytes = 0

  private constructor(response: IncomingMessage) {
    this.#response = response
    response.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      for (let at = chunk.indexOf('data: '); at !== -1; at = chunk.indexOf('\ndata: ', at + 1))
        this.events += 1
    })
    response.on('error', () => {})
  }

  static open(port: number): Promise<Onlooker> {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/_dashboard/events',
      headers: { authorization: AUTHORIZATION },
    }
    return new Promise((resolve, reject) => {
      get(options, (response) => {
        if (response.statusCode === 200) resolve(new Onlooker(response))
        else reject(new Error(`the stream was answered with ${response.statusCode}`))
      }).on('error', reject)
    })
  }

  leave(): void {
    this.#response.destroy()
  }
}

export const dashboard: Benchmark = {
  summary:
    'CPU of the dashboard with those who look on: idle, with many databases, while these are written to',
  flags: '[--viewers 10] [--databases 100] [--documents 100000] [--seconds 60] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        viewers: { type: 'string', default: '10' },
        databases: { type: 'string', default: '100' },
        documents: { type: 'string', default: '100000' },
        seconds: { type: 'string', default: '60' },
        folder: { type: 'string' },
      },
    })
    const [viewers, databases, documents, seconds] = [
      values.viewers,
      values.databases,
      values.documents,
      values.seconds,
    ].map(Number) as [number, number, number, number]
    await withFolder(values.folder, async (dataDir) => {
      await makeDatabases(dataDir, databases, documents)
      const server = startServerProcess({ dataDir })
      try {
        const port = await server.port
        const client = new HttpClient(port)
        const pid = server.child.process.pid!
        print(`${databases} databases of ${documents} documents, ${viewers} look on, ${seconds} s each time`)
        await sleep(SETTLE_MS)
        const idle = (): Promise<unknown> => sleep(seconds * 1000)
        const write = writer(client, databases, seconds)
        const busyAlone = await shareOf(pid, write)
        await sleep(SETTLE_MS)
        const alone = await shareOf(pid, idle)
        const onlookers = await Promise.all(Array.from({ length: viewers }, () => Onlooker.open(port)))
        await sleep(SETTLE_MS)
        const watched = await shareOf(pid, idle)
        const cost = watched - alone
        print(
          `idle: ${percent(alone)} of a core alone, ${percent(watched)} looked at: ${percent(cost)} more (less than ${percent(MOST_CPU)})`,
        )
        const [first] = onlookers
        const [events, bytes, lap] = [first!.events, first!.bytes, stopwatch()]
        const busy = await shareOf(pid, write)
        const lasted = lap()
        const rate = (first!.events - events) / lasted
        const kilobytes = (first!.bytes - bytes) / lasted / 1000
        print(
          `${WRITES_PER_SECOND} writes a second: ${percent(busyAlone)} of a core alone, ${percent(busy)} looked at; ` +
            `${rate.toFixed(2)} events and ${kilobytes.toFixed(1)} KB a second for each who looks on`,
        )
        for (const onlooker of onlookers) onlooker.leave()
        client.close()
        if (cost >= MOST_CPU || rate > MOST_EVENTS_PER_SECOND) process.exitCode = 1
      } finally {
        await server.kill()
      }
    })
  },
}

/** `db0`, `db1` and so on, while no server runs. */
async function makeDatabases(dataDir: string, databases: number, documents: number): Promise<void> {
  const server = startServerProcess({ dataDir })
  const client = new HttpClient(await server.port)
  await client.json('PUT', '/db0')
  for (let first = 0; first < documents; first += BATCH) {
    const length = Math.min(BATCH, documents - first)
    const docs = Array.from({ length }, (_, at) => ({
      _id: `doc${first + at}`,
      value: at,
      text: 'some text',
    }))
    await client.json('POST', '/db0/_bulk_docs', { docs })
  }
  client.close()
  await server.stop()
  const path = (database: number): string => join(dataDir, 'databases', `db${database}.davenport`)
  for (let database = 1; database < databases; database++)
    await copyFile(path(0), path(database), constants.COPYFILE_FICLONE)
}

/** Writes for so many seconds, each time to the next database. */
function writer(client: HttpClient, databases: number, seconds: number): () => Promise<void> {
  let id = 0
  return async () => {
    const lap = stopwatch()
    for (let lasted = 0; lasted < seconds; lasted += lap()) {
      id += 1
      await client.json('PUT', `/db${id % databases}/new${id}`, {})
      await sleep(1000 / WRITES_PER_SECOND)
    }
  }
}

/** Of a core, over the time that `run` takes. */
async function shareOf(pid: number, run: () => Promise<unknown>): Promise<number> {
  const lap = stopwatch()
  const before = processCpuUs(pid)
  await run()
  return (processCpuUs(pid) - before) / 1e6 / lap()
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
