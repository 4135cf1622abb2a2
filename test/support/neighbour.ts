/**
 * A client in a thread of its own, which what the others do does not hold up: it gets a path again and again, and keeps
 * how long it waited. Its parent's message ends it; its own message says what it saw.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { HttpClient } from './http-client.ts'

export interface NeighbourData {
  port: number
  path: string
}

export interface NeighbourReport {
  /** The longest that it waited for an answer. */
  longestWaitMs: number
  /** How long it waited for each. */
  waitsMs: number[]
  answers: number
  /** What went wrong: an answer of 300 and above, or none. */
  failure: string | undefined
}

/** Between an answer and the next request. */
const PAUSE_MS = 2

const { port, path } = workerData as NeighbourData
const client = new HttpClient(port)
const report: NeighbourReport = { longestWaitMs: 0, waitsMs: [], answers: 0, failure: undefined }
let isOver = false

parentPort!.once('message', () => {
  isOver = true
})

async function ask(): Promise<number> {
  const startMs = performance.now()
  const { status, text } = await client.send('GET', path)
  if (status >= 300) throw new Error(`GET ${path}: ${status} ${text}`)
  return performance.now() - startMs
}

try {
  await ask()
  parentPort!.postMessage('ready')
  while (!isOver) {
    const waitMs = await ask()
    report.waitsMs.push(waitMs)
    report.longestWaitMs = Math.max(report.longestWaitMs, waitMs)
    report.answers += 1
    await sleep(PAUSE_MS)
  }
} catch (error) {
  report.failure = (error as Error).message
}
client.close()
parentPort!.postMessage(report)
