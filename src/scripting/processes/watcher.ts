/**
 * A thread beside the one that runs functions: it ends the process when a step takes longer than it may, when the process takes
 * more memory than it may (V8 bounds its heap by itself, and what lies beside it, buffers, not), and when nobody is there any
 * more to work for. While nothing runs it sleeps, since then the process itself waits for work, and sees the end of it.
 */
import { read, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { systemClock } from '../../base/clock.ts'
import { Progress } from '../threads/protocol.ts'
import { NOTES, type Note, Watch, type WatcherData } from './watch.ts'

const MOST_CHECK_MS = 50
const LEAST_CHECK_MS = 10

const { progress: sharedProgress, watch: sharedWatch } = workerData as WatcherData
const progress = new Progress(sharedProgress)
const watch = new Watch(sharedWatch)
const beganBytes = process.memoryUsage.rss()

function end(): void {
  process.kill(process.pid, 'SIGKILL')
}

function tell(kind: Note['kind']): void {
  try {
    writeSync(NOTES, `${JSON.stringify({ call: progress.call, kind } satisfies Note)}\n`)
  } catch {
    // Nobody is there to be told.
  }
  end()
}

read(NOTES, Buffer.alloc(1), 0, 1, null, end)

let steps = progress.steps
let sinceMs = systemClock.monotonic()
for (;;) {
  if (!watch.isBusy) {
    watch.wait()
    sinceMs = systemClock.monotonic()
  }
  const { stepMs, memoryBytes } = watch
  await delay(Math.min(MOST_CHECK_MS, Math.max(LEAST_CHECK_MS, stepMs / 8)))
  if (!watch.isBusy) continue
  const now = systemClock.monotonic()
  if (progress.steps !== steps || progress.isWaiting) {
    steps = progress.steps
    sinceMs = now
  } else if (now - sinceMs >= stepMs) tell('timeout')
  if (process.memoryUsage.rss() - beganBytes > memoryBytes) tell('memory')
}
