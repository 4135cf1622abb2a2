/**
 * A request that tries to hold a server up, and another client beside it that asks for something small again and again,
 * over a connection of its own. The server is to be a process of its own, or what is measured is this one.
 */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpClient } from './http-client.ts'

export interface HostileRun<T> {
  /** What the hostile request came to. */
  outcome: T
  /** How long it took. */
  tookMs: number
  /** The longest that the other client waited for an answer that began while it ran. */
  longestWaitMs: number
  /** Answers that the other client got meanwhile. */
  answers: number
}

/** Between an answer and the next request of the other client. */
const PAUSE_MS = 2

/** `path` is what the other client gets; it must be answered with a status below 300. */
export async function besideHostile<T>(
  port: number,
  hostile: () => Promise<T>,
  path = '/_up',
): Promise<HostileRun<T>> {
  const other = new HttpClient(port)
  try {
    await asked(other, path)
    let isOver = false
    const startMs = performance.now()
    const running = hostile().finally(() => {
      isOver = true
    })
    // Heard of below, when the other client is done.
    running.catch(() => undefined)
    let longestWaitMs = 0
    let answers = 0
    while (!isOver) {
      longestWaitMs = Math.max(longestWaitMs, await asked(other, path))
      answers += 1
      await sleep(PAUSE_MS)
    }
    const tookMs = performance.now() - startMs
    return { outcome: await running, tookMs, longestWaitMs, answers }
  } finally {
    other.close()
  }
}

/** Milliseconds until the answer was there. */
async function asked(client: HttpClient, path: string): Promise<number> {
  const startMs = performance.now()
  const { status, text } = await client.send('GET', path)
  if (status >= 300) throw new Error(`GET ${path}: ${status} ${text}`)
  return performance.now() - startMs
}
