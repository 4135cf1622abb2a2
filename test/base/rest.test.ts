/** What the kernel says of a thread: how often it gave its processor back by itself. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { restIfDue, restOften } from '../../src/base/rest.ts'
import { sayBusy } from '../../src/base/serving-load.ts'

const WORK_MS = 60

/** Sleeps of this thread (proc_pid_status(5)). */
function sleeps(): number {
  const text = readFileSync('/proc/thread-self/status', 'latin1')
  return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(text)![1])
}

/** Works without waiting for anything; returns how often the thread slept. */
function work(): number {
  const before = sleeps()
  for (const endMs = performance.now() + WORK_MS; performance.now() < endMs; ) restIfDue()
  return sleeps() - before
}

t.test(
  'a thread of long work rests, and one that was not told to does not',
  { skip: process.platform !== 'linux' },
  (t) => {
    work()
    const without = work()
    restOften()
    const rested = work()
    // Pieces of 1.5 ms at most, of which a busy machine may let it have few.
    t.ok(rested >= without + 5, `it slept ${rested} times, and ${without} times before`)
    t.end()
  },
)

/** Of the time that passed meanwhile, how much this thread ran: the first figure of its schedstat, in nanoseconds. */
function runningShare(): number {
  const ran = (): number => Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
  const startMs = performance.now()
  const before = ran()
  work()
  return (ran() - before) / (performance.now() - startMs)
}

t.test(
  'one that steps back works for less than half of its time while requests take the machine',
  { skip: process.platform !== 'linux' },
  (t) => {
    sayBusy(availableParallelism())
    t.teardown(() => sayBusy(0))
    restOften({ stepBack: true })
    const share = runningShare()
    t.ok(share < 0.5, `it ran for ${share} of its time`)
    t.end()
  },
)
