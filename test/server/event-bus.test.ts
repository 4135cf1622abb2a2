import t from 'tap'
import type { OwnedDatabase } from '../../src/database/api/database.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { recordingLog } from '../support/recording-log.ts'

const DATABASE = {} as OwnedDatabase

function made() {
  const { log, lines } = recordingLog()
  return { bus: new EventBus(log), lines }
}

t.test('everybody hears of what he asked for, until he has heard enough', async (t) => {
  const { bus } = made()
  const heard: string[] = []
  const end = bus.on('created', (name) => heard.push(`first: created ${name}`))
  bus.on('created', (name) => heard.push(`second: created ${name}`))
  bus.on('deleted', (name) => heard.push(`deleted ${name}`))
  bus.tell('created', 'a')
  bus.tell('updated', 'a')
  end()
  bus.tell('deleted', 'a')
  bus.tell('created', 'a')
  t.same(heard, ['first: created a', 'second: created a', 'deleted a', 'second: created a'])
})

t.test('a listener that throws is logged, and hurts neither the teller nor others', async (t) => {
  const { bus, lines } = made()
  const heard: string[] = []
  bus.on('updated', () => {
    throw new Error('broken')
  })
  bus.on('updated', (name) => heard.push(name))
  bus.tell('updated', 'a')
  t.same(heard, ['a'])
  t.match(lines.join(''), /"message":"a listener failed","event":"updated","reason":"broken"/)
})

t.test('preparations are waited for, and none keeps a database from being opened', async (t) => {
  const { bus, lines } = made()
  const done: string[] = []
  const later = async (name: string) => {
    await new Promise(setImmediate)
    done.push(name)
  }
  bus.onOpening(async () => {
    throw new Error('rejected')
  })
  bus.onOpening(() => {
    throw new Error('thrown')
  })
  const end = bus.onOpening(later)
  bus.onOpening(later)
  await bus.prepare('a', DATABASE)
  t.same(done, ['a', 'a'])
  t.match(lines.join(''), /rejected.*thrown/s)
  end()
  await bus.prepare('b', DATABASE)
  t.same(done, ['a', 'a', 'b'])
})
