/**
 * There was one listener for the events of databases, called in the middle of a creation or a deletion: had it thrown,
 * the request would have failed although its work was done. And each event queued a write of its own while an earlier one
 * was slow.
 */
import { join } from 'node:path'
import t from 'tap'
import { UNASKED } from '../../src/base/metrics.ts'
import { DatabaseEvents } from '../../src/server/database-events.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { DatabaseRegistry } from '../../src/server/registry.ts'
import { fakeDatabases } from '../support/fake-database.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

const clock = manualClock()

t.test('creations and deletions are done whoever fails to hear of them', async (t) => {
  const { log, lines } = recordingLog()
  const bus = new EventBus(log)
  for (const type of ['created', 'updated', 'deleted'] as const) {
    bus.on(type, () => {
      throw new Error('broken')
    })
  }
  bus.onOpening(async () => {
    throw new Error('broken')
  })
  const registry = await DatabaseRegistry.open({
    dataDir: t.testdir(),
    maxOpen: 5,
    bus,
    clock,
    log,
    ...fakeDatabases(),
  })
  await registry.create('a')
  t.ok(await registry.withDatabase('a', (database) => database.uuid))
  await registry.delete('a')
  t.same(registry.list(), [])
  t.equal(lines.filter((line) => line.includes('broken')).length, 3)
  await registry.stop(0)
})

t.test('a slow write of events has one write behind it, not one for each event', async (t) => {
  const { log } = recordingLog()
  const bus = new EventBus(log)
  const fakes = fakeDatabases()
  const ended: (() => void)[] = []
  let updates = 0
  const events = await DatabaseEvents.open(
    {
      path: join(t.testdir(), 'events'),
      metrics: UNASKED,
      bus,
      clock,
      log,
      openDatabase: fakes.openDatabase,
      async createDatabase(path, name) {
        const database = await fakes.createDatabase(path, name)
        return Object.assign(database, {
          update() {
            updates += 1
            return new Promise<never[]>((resolve) => ended.push(() => resolve([])))
          },
        })
      },
    },
    [],
  )
  bus.tell('created', 'first')
  await new Promise(setImmediate)
  t.equal(updates, 1)
  const waits = new Set<Promise<void>>()
  for (let time = 0; time < 1000; time++) {
    bus.tell(time % 2 === 0 ? 'created' : 'deleted', `db${time % 4}`)
    waits.add(events.flush())
  }
  t.equal(waits.size, 1, 'all wait for the same write')
  for (const end of ended.splice(0)) end()
  await new Promise(setImmediate)
  t.equal(updates, 5, 'in which each name counts once')
  for (const end of ended.splice(0)) end()
  await Promise.all(waits)
  await events.close()
})
