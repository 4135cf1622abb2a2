import { join } from 'node:path'
import t from 'tap'
import { UNASKED } from '../../src/base/metrics.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { DatabaseEvents, eventOf } from '../../src/server/database-events.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'
import { until } from '../support/until.ts'

const clock = manualClock()
const { log } = recordingLog()
const bus = new EventBus(log)

function open(folder: string, names: string[]): Promise<DatabaseEvents> {
  const path = join(folder, 'events.davenport')
  return DatabaseEvents.open(
    {
      path,
      metrics: UNASKED,
      bus,
      clock,
      log,
      openDatabase: (file, name) => openDatabase(file, name),
      createDatabase: (file, name) => createDatabase(file, name),
    },
    names,
  )
}

function listed(events: DatabaseEvents, since?: string): string[] {
  return [...events.database.changes({ since }).rows].map(({ id }) => {
    const { type, name } = eventOf(id)
    return `${type} ${name}`
  })
}

t.test('events, over restarts', async (t) => {
  const folder = t.testdir()
  let events = await open(folder, [])
  bus.tell('created', 'a')
  bus.tell('created', 'b/c')
  bus.tell('deleted', 'a')
  bus.tell('created', 'a')
  await events.flush()
  t.same(listed(events), ['created b/c', 'deleted a', 'created a'], 'in the order of their happening')
  const { updateSeq } = events.database.info()
  await events.close()
  events = await open(folder, ['a', 'b/c'])
  t.same(listed(events, updateSeq), [], 'nothing new was found at the start')
  await events.close()
  events = await open(folder, ['b/c', 'd'])
  t.same(listed(events, updateSeq), ['deleted a', 'created d'], 'what a crash kept from being told')
  await events.close()
})

t.test('updates are gathered', async (t) => {
  const events = await open(t.testdir(), ['a', 'b'])
  const { updateSeq } = events.database.info()
  const written = new Promise<void>((resolve) => {
    events.database.onChange(() => resolve())
  })
  for (let i = 0; i < 100; i++) bus.tell('updated', i % 2 === 0 ? 'a' : 'b')
  t.same(listed(events, updateSeq), [])
  clock.advance(499)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(listed(events, updateSeq), [])
  clock.advance(1)
  await written
  await events.flush()
  t.same(listed(events, updateSeq), ['updated a', 'updated b'])
  bus.tell('updated', 'a')
  bus.tell('deleted', 'a')
  await events.close()
})

t.test('an update that was not told yet is forgotten with its database', async (t) => {
  const events = await open(t.testdir(), ['a'])
  bus.tell('updated', 'a')
  bus.tell('deleted', 'a')
  await events.flush()
  t.same(listed(events), ['created a', 'deleted a'])
  await events.close()
})

t.test(
  'events that could not be written are, before those that came later, and wait for no other one',
  async (t) => {
    const events = await open(t.testdir(), [])
    t.teardown(() => events.close())
    const { database } = events
    const { update } = database
    database.update = () => Promise.reject(new Error('no room'))
    bus.tell('created', 'a')
    const failing = events.flush()
    bus.tell('created', 'b')
    await failing
    bus.tell('deleted', 'a')
    await events.flush()
    t.same(listed(events), [])
    t.equal(events.pending, 3)
    database.update = update
    clock.advance(60_000)
    await until('they are written', () => events.pending === 0)
    await events.flush()
    t.same(listed(events), ['created a', 'created b', 'deleted a'])
  },
)
