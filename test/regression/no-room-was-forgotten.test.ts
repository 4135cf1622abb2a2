/**
 * A database that could not be compacted for want of room was not looked at again until it changed once more; on a full
 * disk, which refuses changes, that was never.
 */
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { AutomaticCompaction } from '../../src/server/automatic-compaction.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import type { Lease } from '../../src/server/open-databases.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

const INTERVAL_MS = 1000

function automatic(begin: (attempt: number) => Promise<void>) {
  const clock = manualClock()
  let attempts = 0
  const info = () => ({ sizes: { file: 1000, active: 10 }, compactRunning: false })
  const lease = { database: { info }, signal: new AbortController().signal, release: () => {} }
  const { log } = recordingLog()
  const bus = new EventBus(log)
  const compaction = new AutomaticCompaction({
    lease: async () => lease as unknown as Lease,
    compactions: { start: () => begin(++attempts), ended: async () => {}, running: 0 },
    bus,
    clock,
    log,
    settings: {
      fragmentationPercent: 50,
      leastFileBytes: 100,
      mostAtOnce: 1,
      intervalMs: INTERVAL_MS,
      window: undefined,
    },
  })
  return { bus, compaction, clock, attempts: () => attempts }
}

/** Looks a few times; between the looks the event loop rests, so that it does not count as busy. */
async function look(clock: ReturnType<typeof manualClock>, times = 5): Promise<void> {
  for (let time = 0; time < times; time++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    clock.advance(INTERVAL_MS)
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('where there was no room, it is tried again', async (t) => {
  const { bus, compaction, clock, attempts } = automatic(async (attempt) => {
    if (attempt < 3) throw new DatabaseError('insufficientStorage', 'no room')
  })
  bus.tell('updated', 'a')
  while (attempts() < 3) await look(clock, 1)
  await look(clock)
  t.equal(attempts(), 3, 'and not once more after it was begun')
  t.equal(clock.pending, 0, 'without a timer left')
  await compaction.stop()
})

t.test('a database that is gone is not', async (t) => {
  const { bus, compaction, clock, attempts } = automatic(async () => {
    throw new DatabaseError('noDatabase')
  })
  bus.tell('updated', 'a')
  while (attempts() < 1) await look(clock, 1)
  await look(clock)
  t.equal(attempts(), 1)
  t.equal(clock.pending, 0)
  await compaction.stop()
})
