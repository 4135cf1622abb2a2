/**
 * A client in a process of its own, which what the others do does not hold up: it gets a path again and again, and keeps
 * how long it waited. Its parent's message ends it; its own message says what it saw. Arguments: port, path.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpClient } from './http-client.ts'

export interface NeighbourReport {
  /** The longest that it waited for an answer. */
  longestWaitMs: number
  /** How long it waited for each. */
  waitsMs: number[]
  answers: number
  /** Its own time on a processor, from its first answer on. */
  cpuUs: number
  /** What went wrong: an answer of 300 and above, or none. */
  failure: string | undefined
}

/** Between an answer and the next request. */
const PAUSE_MS = 2

const [port, path] = [Number(process.argv[2]), process.argv[3]!]
const client = new HttpClient(port)
const report: NeighbourReport = { longestWaitMs: 0, waitsMs: [], answers: 0, cpuUs: 0, failure: undefined }
let isOver = false

process.once('message', () => {
  isOver = true
})
// Its parent has ended.
process.once('disconnect', () => process.exit())

async function ask(): Promise<number> {
  const startMs = performance.now()
  const { status, text } = await client.send('GET', path)
  if (status >= 300) throw new Error(`GET ${path}: ${status} ${text}`)
  return performance.now() - startMs
}

try {
  await ask()
  process.send!('ready')
  const usage = process.cpuUsage()
  while (!isOver) {
    const waitMs = await ask()
    report.waitsMs.push(waitMs)
    report.longestWaitMs = Math.max(report.longestWaitMs, waitMs)
    report.answers += 1
    await sleep(PAUSE_MS)
  }
  const { user, system } = process.cpuUsage(usage)
  report.cpuUs = user + system
} catch (error) {
  report.failure = (error as Error).message
}
client.close()
process.send!(report, () => {
  if (process.connected) process.disconnect()
})
