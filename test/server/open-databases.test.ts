import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { type Lease, OpenDatabases } from '../../src/server/open-databases.ts'
import { errorLike } from '../support/error-like.ts'
import { fakeDatabases } from '../support/fake-database.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

function setUp(t: Tap, maxOpen: number) {
  const folder = t.testdir({ a: '{}', b: '{}', c: '{}', d: '{}' })
  const fakes = fakeDatabases()
  const clock = manualClock()
  const { log, lines } = recordingLog()
  const databases = new OpenDatabases({
    maxOpen,
    waitMs: 5000,
    clock,
    log,
    open: (name) => fakes.openDatabase(`${folder}/${name}`, name),
  })
  const use = async (name: string): Promise<void> => (await databases.acquire(name)).release()
  return { fakes, clock, databases, use, lines }
}

type Tap = { testdir(content: Record<string, string>): string }

/** Lets everything that can go on go on, file operations included. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
}

t.test('the least recently used goes first', async (t) => {
  const { fakes, databases, use } = setUp(t, 2)
  await use('a')
  await use('b')
  await use('a')
  await use('c')
  t.same([...fakes.open].sort(), ['a', 'c'])
  await use('a')
  t.same(fakes.opened, ['a', 'b', 'c'])
  t.equal(fakes.mostOpen, 2)
  t.equal(databases.size, 2)
})

t.test('one that is in use is never closed to make room', async (t) => {
  const { fakes, databases, use } = setUp(t, 2)
  const lease = await databases.acquire('a')
  for (const name of ['b', 'c', 'd', 'b']) await use(name)
  t.equal(lease.database.updateSeqNumber, 0)
  t.same([...fakes.open].sort(), ['a', 'b'])
  const other = await databases.acquire('a')
  lease.release()
  lease.release()
  for (const name of ['b', 'c', 'd']) await use(name)
  t.equal(other.database.updateSeqNumber, 0, 'releasing twice does not count twice')
  other.release()
})

t.test('many who ask at the same time share one opening', async (t) => {
  const { fakes, databases } = setUp(t, 2)
  const leases = await Promise.all(Array.from({ length: 10 }, () => databases.acquire('a')))
  t.same(fakes.opened, ['a'])
  t.equal(new Set(leases.map(({ database }) => database)).size, 1)
  for (const lease of leases) lease.release()
})

t.test('waiting for room: served in order, or refused in time', async (t) => {
  const { databases, clock, fakes } = setUp(t, 1)
  const first = await databases.acquire('a')
  const order: string[] = []
  const second = databases.acquire('b').then((lease) => {
    order.push('b')
    return lease
  })
  const third = databases.acquire('c').then((lease) => {
    order.push('c')
    return lease
  })
  await settle()
  t.same(order, [])
  first.release()
  ;(await second).release()
  ;(await third).release()
  t.same(order, ['b', 'c'])
  t.equal(fakes.mostOpen, 1)
  t.equal(clock.pending, 0, 'no timers are left')

  const holder = await databases.acquire('d')
  const late = t.rejects(databases.acquire('a'), errorLike({ status: 503, error: 'all_dbs_active' }))
  await settle()
  clock.advance(5000)
  await late
  holder.release()
  await databases.acquire('a').then((lease) => lease.release())
})

t.test('what fails to open fails for all who asked, and may be tried again', async (t) => {
  const { databases, fakes, use } = setUp(t, 1)
  fakes.before = () => Promise.reject(new Error('damaged'))
  await Promise.all(
    Array.from({ length: 3 }, () => t.rejects(databases.acquire('a'), { message: 'damaged' })),
  )
  t.equal(databases.size, 0)
  fakes.before = () => undefined
  await use('a')
  await use('b')
})

t.test('a name is not opened again while it is being closed', async (t) => {
  const { databases, fakes, use } = setUp(t, 1)
  await use('a')
  let finish = (): void => undefined
  fakes.before = (what) =>
    what === 'close'
      ? new Promise((resolve) => {
          finish = resolve
        })
      : undefined
  const other = databases.acquire('b')
  const again = databases.acquire('a')
  await settle()
  t.same(fakes.opened, ['a'])
  fakes.before = () => undefined
  finish()
  ;(await other).release()
  ;(await again).release()
  t.same(fakes.opened, ['a', 'b', 'a'])
  t.equal(fakes.mostOpen, 1)
})

t.test('retiring waits for those who use it, tells them, and does not wait for ever', async (t) => {
  const { databases, clock, fakes } = setUp(t, 2)
  const reason = new DatabaseError('noDatabase')
  const polite = await databases.acquire('a')
  polite.signal.addEventListener('abort', () => polite.release())
  await databases.retire('a', reason, 1000)
  t.equal(polite.signal.reason, reason)
  t.same(fakes.open, [])
  t.equal(clock.pending, 0)

  const stubborn = await databases.acquire('a')
  const retired = databases.retire('a', reason, 1000)
  await settle()
  t.same(fakes.open, ['a'])
  clock.advance(1000)
  await retired
  t.same(fakes.open, [])
  t.throws(() => stubborn.database.updateSeqNumber, { message: 'a is closed' })
  stubborn.release()
  t.equal(databases.size, 0)
})

t.test('stopping closes everything and refuses the rest', async (t) => {
  const { databases, fakes, lines, clock } = setUp(t, 2)
  const held = await databases.acquire('a')
  const stubborn = await databases.acquire('b')
  const waiting = t.rejects(databases.acquire('c'), errorLike({ status: 503 }))
  held.signal.addEventListener('abort', () => held.release())
  const stopped = databases.stop(1000)
  await waiting
  await settle()
  t.same(fakes.open, ['b'], 'the one that nobody releases gets its time')
  fakes.before = () => Promise.reject(new Error('disk full'))
  clock.advance(1000)
  await stopped
  stubborn.release()
  t.equal(databases.size, 0)
  t.match(lines.join(''), /disk full/)
  await t.rejects(databases.acquire('a'), errorLike({ status: 503 }))
})

t.test('random use keeps the promises', async (t) => {
  const { databases, fakes } = setUp(t, 2)
  let state = 12345
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
  const held: Lease[] = []
  const worker = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) {
      const lease = await databases.acquire('abcd'[random(4)]!)
      held.push(lease)
      if (random(3) === 0) await new Promise(setImmediate)
      t.equal(lease.database.updateSeqNumber, 0)
      lease.release()
    }
  }
  await Promise.all([worker(), worker(), worker(), worker(), worker()])
  t.ok(fakes.mostOpen <= 2)
  await databases.stop(0)
  t.same(fakes.open, [])
})

t.test('what is open is leased at once', async (t) => {
  const { databases, use } = setUp(t, 2)
  t.equal(databases.acquireOpen('a'), undefined, 'never opened')
  const opening = databases.acquire('a')
  t.equal(databases.acquireOpen('a'), undefined, 'not open yet')
  ;(await opening).release()
  const lease = databases.acquireOpen('a')!
  for (const name of ['b', 'c', 'd']) await use(name)
  t.equal(lease.database.updateSeqNumber, 0, 'its lease keeps it open')
  lease.release()
  lease.release()
  for (const name of ['b', 'c']) await use(name)
  t.equal(databases.acquireOpen('a'), undefined, 'closed to make room')
  await use('a')
  const held = databases.acquireOpen('a')!
  const retired = databases.retire('a', new DatabaseError('noDatabase'), 1000)
  t.equal(databases.acquireOpen('a'), undefined, 'nobody gets what is being retired')
  await settle()
  t.ok(held.signal.aborted)
  held.release()
  await retired
  await use('b')
  const stopped = databases.stop(0)
  t.equal(databases.acquireOpen('b'), undefined)
  await stopped
})
