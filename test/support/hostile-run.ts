/**
 * A request that tries to hold a server up, and another client beside it that asks for something small again and again,
 * over a connection and in a process of its own. The server is to be a process of its own, too, or what is measured is this one.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import type { NeighbourReport } from './neighbour.ts'

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
  /** The other client's time on a processor. */
  cpuUs: number
}

/** `path` is what the other client gets; it must be answered with a status below 300. */
export async function besideHostile<T>(
  port: number,
  hostile: () => Promise<T>,
  path = '/_up',
): Promise<HostileRun<T>> {
  const neighbour = fork(fileURLToPath(new URL('./neighbour.js', import.meta.url)), [String(port), path], {
    execArgv: [],
  })
  try {
    const first = await messageOf(neighbour)
    if (first !== 'ready') throw new Error(first.failure)
    const reported = messageOf(neighbour)
    // It may end early, which is told below.
    reported.catch(() => undefined)
    const startMs = performance.now()
    const [outcome] = await Promise.allSettled([hostile()])
    const tookMs = performance.now() - startMs
    if (neighbour.connected) neighbour.send('over')
    const report = (await reported) as NeighbourReport
    if (outcome.status === 'rejected') throw outcome.reason
    if (report.failure !== undefined) throw new Error(report.failure)
    const { longestWaitMs, waitsMs, answers, cpuUs } = report
    return { outcome: outcome.value, tookMs, longestWaitMs, waitsMs, answers, cpuUs }
  } finally {
    neighbour.kill('SIGKILL')
  }
}

/** Rejects when the process ends first. */
async function messageOf(neighbour: ChildProcess): Promise<NeighbourReport | 'ready'> {
  const ended = new AbortController()
  const onExit = (): void => ended.abort(new Error('the client beside has ended'))
  neighbour.once('exit', onExit)
  try {
    const [message] = await once(neighbour, 'message', { signal: ended.signal })
    return message as NeighbourReport | 'ready'
  } finally {
    neighbour.off('exit', onExit)
  }
}
