/**
 * Requests that try to hold the server up, one after another, each beside a client that asks for something small again
 * and again. Wanted: that client waits at most 100 ms for each answer, and within two minutes of the last request
 * the server has at most 50 MB more than before the first. Fails otherwise. Linux only.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { hostileRequests } from '../test/support/hostile-requests.ts'
import { besideHostile } from '../test/support/hostile-run.ts'
import { HttpClient } from '../test/support/http-client.ts'
import {
  forgetPeak,
  processMemory,
  type ServerProcess,
  startServerProcess,
} from '../test/support/server-process.ts'
import { type Benchmark, megabytes, withFolder } from './tools.ts'

const MOST_WAIT_MS = 100
const MOST_KEPT_BYTES = 50e6
const SETTLING_SECONDS = 120
/** The default, which tests lower. */
const ITERATIONS = { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '600000' }

export const hostile: Benchmark = {
  summary: 'requests that try to hold the server up: what another client waits, memory',
  flags: '[--only TEXT] [--rounds 1] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        only: { type: 'string', default: '' },
        rounds: { type: 'string', default: '1' },
        folder: { type: 'string' },
      },
    })
    await withFolder(values.folder, async (dataDir) => {
      const server = startServerProcess({ dataDir, environment: ITERATIONS })
      try {
        await measure(server, values.only, Number(values.rounds), print)
      } finally {
        await server.kill()
      }
    })
  },
}

async function measure(
  server: ServerProcess,
  only: string,
  rounds: number,
  print: (line: string) => void,
): Promise<void> {
  const port = await server.port
  const requests = (await hostileRequests(port)).filter(({ what }) => what.includes(only))
  await warmUp(port)
  const before = (await processMemory(server)).residentBytes
  print(`${megabytes(before)} before the first`)
  const rows = [['request', 'status', 'took ms', 'answers beside', 'longest wait ms', 'peak', 'after']]
  let longest = 0
  for (let round = 0; round < rounds; round++) {
    for (const { what, run, status } of requests) {
      await forgetPeak(server)
      const { outcome, tookMs, longestWaitMs, answers } = await besideHostile(port, run, '/hostile/t0')
      if (round === 0 && outcome !== status) throw new Error(`${what}: ${outcome}, not ${status}`)
      longest = Math.max(longest, longestWaitMs)
      const { peakBytes, residentBytes } = await processMemory(server)
      const figures = [tookMs.toFixed(0), String(answers), longestWaitMs.toFixed(0)]
      rows.push([what, String(outcome), ...figures, megabytes(peakBytes), megabytes(residentBytes)])
    }
  }
  for (const line of alignedTable(rows)) print(line)
  const kept = await settled(server, before)
  print(`longest wait: ${longest.toFixed(0)} ms (at most ${MOST_WAIT_MS})`)
  print(`memory kept: ${megabytes(kept)} (at most ${megabytes(MOST_KEPT_BYTES)})`)
  if (longest > MOST_WAIT_MS || kept > MOST_KEPT_BYTES) process.exitCode = 1
}

/** What the first requests compile and allocate is none of the hostile ones': documents written, read and listed. */
async function warmUp(port: number): Promise<void> {
  const client = new HttpClient(port)
  for (let n = 0; n < 2000; n++) await client.send('GET', `/hostile/t${n % 200}`)
  for (let n = 0; n < 10; n++) {
    const docs = Array.from({ length: 2000 }, (_, i) => ({
      _id: `warm${n}-${i}`,
      n: i,
      text: 'x'.repeat(200),
    }))
    await client.send('POST', '/hostile/_bulk_docs', { docs })
    await client.send('GET', '/hostile/_all_docs?include_docs=true')
  }
  client.close()
}

/**
 * What the server has more than `before`, once it is little enough or the time is over: V8 gives its garbage back some
 * while after the work is done.
 */
async function settled(server: ServerProcess, before: number): Promise<number> {
  for (let second = 0; ; second++) {
    const kept = (await processMemory(server)).residentBytes - before
    if (kept <= MOST_KEPT_BYTES || second >= SETTLING_SECONDS) return kept
    await sleep(1000)
  }
}
