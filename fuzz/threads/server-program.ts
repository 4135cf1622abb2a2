/**
 * `davenport serve` out of the package's own parts, with one thing more: it ends threads when it is told to. Linux ends the
 * whole process when a single thread of it is killed from outside, and the product has no hook for tests.
 */
import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import { packageVersion } from '../../src/base/version.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { processConsole } from '../../src/cli/process-console.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { Fronts } from '../../src/threads/fronts.ts'
import { frontCacheBytes, threadsOf } from '../../src/threads/shares.ts'
import type { FromServer, TakenPort, ToServer } from './messages.ts'

const PROGRAM = new URL('./front-program.js', import.meta.url)
/** A kill leaves one front at least: requests go on meanwhile. */
const LEAST_LEFT = 1

let fronts: Fronts | undefined
const tables = new Map<Worker, Float64Array>()
const killed: TakenPort[] = []
let kills = 0

function portsOf(worker: Worker): TakenPort[] {
  const taken: TakenPort[] = []
  for (const [port, takenMs] of tables.get(worker)?.entries() ?? [])
    if (takenMs > 0) taken.push({ port, takenMs })
  return taken
}

// Each front sends its table as soon as it runs, replaced ones too.
process.on('worker', (worker: Worker) => {
  worker.on('message', (table: unknown) => {
    if (table instanceof Float64Array) tables.set(worker, table)
  })
})

async function kill(count: number, draw: number): Promise<void> {
  const workers = [...(fronts?.workers ?? [])]
  const most = Math.min(count, workers.length - LEAST_LEFT)
  const victims = Array.from(
    { length: Math.max(0, most) },
    () => workers.splice(draw % workers.length, 1)[0]!,
  )
  kills += victims.length
  await Promise.all(
    victims.map((victim) => {
      const exited = once(victim, 'exit')
      victim.postMessage('end')
      return exited
    }),
  )
  // What it took until its very end is in its table.
  for (const victim of victims) {
    killed.push(...portsOf(victim))
    tables.delete(victim)
  }
}

process.on('message', async (message) => {
  const { id, kill: count, draw } = message as ToServer
  await kill(count, draw)
  const served = (fronts?.workers ?? []).map(portsOf)
  const answer: FromServer = { id, kills, killed, served }
  process.send!(answer)
})

const parts: typeof systemParts = {
  ...systemParts,
  async startHttp(server) {
    const { settings } = server
    const count = threadsOf(settings.get('threads'))
    if (count === 0) return systemParts.startHttp(server)
    const cacheBytes = frontCacheBytes(settings, count)
    fronts = await Fronts.start({ server, count, version: packageVersion(), cacheBytes, program: PROGRAM })
    return fronts
  },
}

process.exit(await runCommandLine(process.argv.slice(2), parts, processConsole()))
