/** What a thread that has more connections than another one waits, by a clock that is moved by hand. */
import t from 'tap'
import {
  ConnectionShare,
  connectionCounts,
  connectionsOf,
  forgetConnections,
} from '../../src/base/connection-shares.ts'

/** A thread whose waits take all the time that they may, and what it has waited, one after another. */
function threadOf(words: Int32Array, place: number, onWait?: () => void) {
  const waits: number[] = []
  const clock = { ms: 1000 }
  const share = new ConnectionShare(words, place, {
    now: () => clock.ms,
    wait: (_words, _at, _value, ms) => {
      waits.push(ms)
      if (onWait === undefined) clock.ms += ms
      else onWait()
    },
  })
  share.listens(true)
  /** `count` connections in a burst, one in each turn of the loop. */
  const take = async (count: number, apartMs = 0.1): Promise<void> => {
    for (let n = 0; n < count; n++) {
      clock.ms += apartMs
      share.came()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { share, clock, waits, take, waitedMs: () => waits.reduce((all, ms) => all + ms, 0) }
}

t.test('who is ahead waits until another thread is not behind any more', async (t) => {
  const words = connectionCounts(2)
  const other = new ConnectionShare(words, 1)
  other.listens(true)
  const thread = threadOf(words, 0, () => other.came())
  await thread.take(20)
  const [own, others] = connectionsOf(words)
  t.equal(own, 20)
  t.ok(others! >= 16, `${others}`)
  t.ok(thread.waits.length > 10)
})

t.test('nobody waits who is not ahead, is alone, or ahead only of threads that do not listen', async (t) => {
  const even = connectionCounts(2)
  const other = new ConnectionShare(even, 1)
  other.listens(true)
  for (let n = 0; n < 10; n++) other.came()
  const thread = threadOf(even, 0)
  await thread.take(11)
  t.same(thread.waits, [], 'not ahead')
  const alone = threadOf(connectionCounts(1), 0)
  await alone.take(20)
  t.same(alone.waits, [], 'alone')
  for (const isForgotten of [true, false]) {
    const words = connectionCounts(3)
    const ended = new ConnectionShare(words, 1)
    ended.listens(true)
    const rest = threadOf(words, 0)
    if (isForgotten) forgetConnections(words, 1)
    else ended.listens(false)
    await rest.take(20)
    t.same(rest.waits, [], 'the others do not listen')
  }
})

t.test('connections that come one by one wait for nothing', async (t) => {
  const words = connectionCounts(2)
  new ConnectionShare(words, 1).listens(true)
  const thread = threadOf(words, 0)
  await thread.take(50, 2)
  t.same(thread.waits, [])
})

t.test('however often clients connect, a thread waits a hundredth of its time', async (t) => {
  const words = connectionCounts(2)
  // It never takes any: it is blocked.
  new ConnectionShare(words, 1).listens(true)
  const thread = threadOf(words, 0)
  await thread.take(20)
  t.ok(Math.max(...thread.waits) <= 1, 'a moment in each turn')
  t.ok(thread.waitedMs() > 7.9, 'some of them in a row')
  t.ok(thread.waitedMs() < 8.2, 'not for long')
  const before = thread.waitedMs()
  const startMs = thread.clock.ms
  await thread.take(10_000)
  t.ok(thread.waitedMs() - before <= (thread.clock.ms - startMs) / 100 + 0.1, 'then as much as it gains')
  thread.clock.ms += 10_000
  const rested = thread.waitedMs()
  await thread.take(100)
  t.ok(thread.waitedMs() - rested < 8.3, 'and no more after a long rest')
})

t.test('connections that have ended count no more', async (t) => {
  const words = connectionCounts(2)
  new ConnectionShare(words, 1).listens(true)
  const thread = threadOf(words, 0)
  for (let n = 0; n < 50; n++) {
    await thread.take(1)
    thread.share.went()
  }
  t.same(connectionsOf(words), [0, 0])
  t.same(thread.waits, [])
})
