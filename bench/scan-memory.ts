/**
 * What reading a whole large database costs: the memory of the server's process, and the time that other
 * clients wait for a document meanwhile.
 *
 * The database is filled through `_bulk_docs` with documents of 1 to 10 KB. Each scan has a server of its own,
 * started just before: memory is its peak (VmHWM) less what it had when the scan began, and grows by the page
 * cache's budget (64 MiB) whatever the size. The paused scan stops reading four times. Latencies are those of
 * one client that gets random documents one after the other; it shares a process with the client that scans, whose
 * share they include. The file is in the page cache as far as the
 * machine's memory goes. Linux only.
 */
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { HttpClient } from '../test/support/http-client.ts'
import {
  fillLargeDatabase,
  growthDuring,
  LARGE_DATABASE,
  largeId,
  type Pause,
  scanLargeDatabase,
} from '../test/support/large-database.ts'
import { Random } from '../test/support/random.ts'
import { type ServerProcess, startServerProcess } from '../test/support/server-process.ts'
import { type Benchmark, megabytes, percentile, stopwatch, withFolder } from './tools.ts'

const PAUSES = 4
const QUIET_READS = 5000

type Print = (line: string) => void

export const scanMemory: Benchmark = {
  summary: 'full scans of a large database: memory, latency of others',
  flags: '[--gigabytes 2] [--pause-seconds 10] [--folder PATH] [--seed N]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        gigabytes: { type: 'string', default: '2' },
        'pause-seconds': { type: 'string', default: '10' },
        folder: { type: 'string' },
        seed: { type: 'string', default: '1' },
      },
    })
    const bytes = Number(values.gigabytes) * 1e9
    const random = new Random(Number(values.seed))
    const pause: Pause = {
      everyBytes: Math.floor(bytes / (PAUSES + 1)),
      pauseMs: Number(values['pause-seconds']) * 1000,
    }
    await withFolder(values.folder, async (dataDir) => {
      const documents = await fill(dataDir, bytes, random, print)
      const scan = (path: string, paused?: Pause) =>
        withServer(dataDir, (port, server) => measure(port, server, path, paused, print))
      await scan('_all_docs?include_docs=true')
      await scan('_changes?include_docs=true')
      await scan('_changes?include_docs=true&feed=continuous&timeout=1')
      await scan('_changes?include_docs=true', pause)
      await scan('_all_docs?include_docs=true', pause)
      await withServer(dataDir, (port) => latencies(port, documents, random, print))
    })
  },
}

async function withServer<T>(
  dataDir: string,
  use: (port: number, server: ServerProcess) => Promise<T>,
): Promise<T> {
  const server = startServerProcess({ dataDir })
  try {
    const result = await use(await server.port, server)
    await server.stop()
    return result
  } finally {
    await server.kill()
  }
}

function fill(dataDir: string, bytes: number, random: Random, print: Print): Promise<number> {
  return withServer(dataDir, async (port, server) => {
    const lap = stopwatch()
    const { result, baselineBytes, growthBytes } = await growthDuring(server, () =>
      fillLargeDatabase(port, bytes, random),
    )
    print(`filled with ${result} documents, ${megabytes(bytes)}, in ${lap().toFixed(1)} s`)
    print(`  memory: ${megabytes(baselineBytes)}, ${megabytes(growthBytes)} more at the most`)
    return result
  })
}

async function measure(
  port: number,
  server: ServerProcess,
  path: string,
  pause: Pause | undefined,
  print: Print,
): Promise<void> {
  const client = new HttpClient(port)
  await client.json('GET', `/${LARGE_DATABASE}`)
  client.close()
  const lap = stopwatch()
  const { result, baselineBytes, growthBytes } = await growthDuring(server, () =>
    scanLargeDatabase(port, path, pause),
  )
  const seconds = lap()
  const pauses = pause === undefined ? '' : `, with ${PAUSES} pauses of ${pause.pauseMs / 1000} s`
  print(`${path}${pauses}: ${megabytes(result.bytes)} in ${seconds.toFixed(1)} s`)
  print(`  memory: ${megabytes(baselineBytes)}, ${megabytes(growthBytes)} more at the most`)
}

/** How long a client waits for a document, alone and beside a full scan. */
async function latencies(port: number, documents: number, random: Random, print: Print): Promise<void> {
  let reads = 0
  const alone = await readWhile(port, documents, random, () => ++reads <= QUIET_READS)
  print(`GET of a document, alone: ${shown(alone)}`)
  for (const path of ['_all_docs?include_docs=true', '_changes?include_docs=true']) {
    let scanning = true
    const scan = scanLargeDatabase(port, path).finally(() => {
      scanning = false
    })
    const beside = await readWhile(port, documents, random, () => scanning)
    await scan
    print(`GET of a document, beside ${path}: ${shown(beside)}`)
  }
}

async function readWhile(
  port: number,
  documents: number,
  random: Random,
  goOn: () => boolean,
): Promise<number[]> {
  const client = new HttpClient(port)
  const times: number[] = []
  while (goOn()) {
    const start = performance.now()
    await client.json('GET', `/${LARGE_DATABASE}/${largeId(random.int(documents))}`)
    times.push(performance.now() - start)
  }
  client.close()
  return times
}

function shown(times: number[]): string {
  const [median, p99, most] = [0.5, 0.99, 1].map((share) => percentile(times, share).toFixed(2))
  return `median ${median} ms, p99 ${p99} ms, most ${most} ms (${times.length} reads)`
}
