/**
 * A request that tries to hold a server up, and another client beside it that asks for something small again and again,
 * over a connection and in a thread of its own. The server is to be a process of its own, or what is measured is this one.
 */
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import type { NeighbourData, NeighbourReport } from './neighbour.ts'

export interface HostileRun<T> {
  /** What the hostile request came to. */
  outcome: T
  /** How long it took. */
  tookMs: number
  /** The longest that the other client waited for an answer that began while it ran. */
  longestWaitMs: number
  /** What it waited for each. */
  waitsMs: readonly number[]
  /** Answers that the other client got meanwhile. */
  answers: number
}

/** `path` is what the other client gets; it must be answered with a status below 300. */
export async function besideHostile<T>(
  port: number,
  hostile: () => Promise<T>,
  path = '/_up',
): Promise<HostileRun<T>> {
  const workerData: NeighbourData = { port, path }
  const neighbour = new Worker(new URL('./neighbour.js', import.meta.url), { workerData })
  const [first] = await once(neighbour, 'message')
  if (first !== 'ready') throw new Error((first as NeighbourReport).failure)
  const startMs = performance.now()
  const [outcome] = await Promise.allSettled([hostile()])
  const tookMs = performance.now() - startMs
  const reported = once(neighbour, 'message')
  neighbour.postMessage('over')
  const [{ longestWaitMs, waitsMs, answers, failure }] = (await reported) as [NeighbourReport]
  if (outcome.status === 'rejected') throw outcome.reason
  if (failure !== undefined) throw new Error(failure)
  return { outcome: outcome.value, tookMs, longestWaitMs, waitsMs, answers }
}
