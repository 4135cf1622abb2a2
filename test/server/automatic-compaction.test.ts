import t from 'tap'
import {
  AutomaticCompaction,
  type AutomaticCompactionSettings,
} from '../../src/server/automatic-compaction.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import type { Lease } from '../../src/server/open-databases.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

const INTERVAL_MS = 1000

function automatic(settings: Partial<AutomaticCompactionSettings>) {
  const clock = manualClock()
  const { log } = recordingLog()
  const bus = new EventBus(log)
  const started: string[] = []
  const info = () => ({ sizes: { file: 1000, active: 10 }, compactRunning: false })
  const lease = { database: { info }, signal: new AbortController().signal, release: () => {} }
  const all = {
    fragmentationPercent: 50,
    leastFileBytes: 100,
    mostAtOnce: 1,
    intervalMs: INTERVAL_MS,
    window: undefined,
    ...settings,
  }
  const compaction = new AutomaticCompaction({
    lease: async () => lease as unknown as Lease,
    compactions: { start: async (name) => void started.push(name), ended: async () => {}, running: 0 },
    bus,
    clock,
    log,
    settings: all,
  })
  /** One look, with the event loop at rest before it, so that it does not count as busy. */
  const look = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20))
    clock.advance(INTERVAL_MS)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { compaction, bus, clock, settings: all, started, look }
}

t.test('what changed is compacted, what was deleted is not', async (t) => {
  const { compaction, bus, started, look } = automatic({})
  bus.tell('updated', 'a')
  bus.tell('updated', 'b')
  bus.tell('deleted', 'b')
  while (started.length === 0) await look()
  t.same(started, ['a'])
  await compaction.stop()
})

t.test('settings that change are obeyed at the next look', async (t) => {
  const { compaction, bus, clock, settings, started, look } = automatic({ leastFileBytes: 2000 })
  bus.tell('updated', 'a')
  while (clock.pending > 0) await look()
  t.same(started, [], 'too short')
  settings.leastFileBytes = 100
  bus.tell('updated', 'a')
  settings.fragmentationPercent = 0
  while (clock.pending > 0) await look()
  t.same(started, [], 'switched off')
  settings.fragmentationPercent = 50
  bus.tell('updated', 'a')
  while (started.length === 0) await look()
  t.same(started, ['a'])
  await compaction.stop()
})

t.test('nothing is heard after the stop', async (t) => {
  const { compaction, bus, clock } = automatic({})
  await compaction.stop()
  bus.tell('updated', 'a')
  t.equal(clock.pending, 0)
})
