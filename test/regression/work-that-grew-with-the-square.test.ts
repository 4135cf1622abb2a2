/**
 * Point reads of a transaction on a tree with a comparator looked at every operation of the group, and a queue of many
 * writers moved all of them at each turn.
 */
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import { WriteQueue } from '../../native-free-btree/write/queue.ts'

const OPERATIONS = 8000

t.test('reads within a transaction compare about as often as a search does', async (t) => {
  let compared = 0
  const comparator = {
    name: 'caseless',
    version: 1,
    compare: (a: Uint8Array, b: Uint8Array) => {
      compared += 1
      const [left, right] = [Buffer.from(a).toString().toLowerCase(), Buffer.from(b).toString().toLowerCase()]
      return left < right ? -1 : left > right ? 1 : 0
    },
  }
  const store = await openStore(`${t.testdir()}/s`, { trees: { t: { comparator } } })
  t.teardown(() => store.close())
  const key = (i: number, prefix: string) => Buffer.from(`${prefix}${(i * 7919) % OPERATIONS}`)
  await store.transact((tx) => {
    for (let i = 0; i < OPERATIONS; i++) {
      tx.put('t', key(i, 'k'), Buffer.from(String(i)))
      if (tx.get('t', key(i, 'K'))?.toString() !== String(i)) throw new Error(`entry ${i}`)
      if (i % 3 === 0) tx.delete('t', key(i, 'K'))
      if (i % 3 === 0 && tx.get('t', key(i, 'k')) !== undefined) throw new Error(`deleted ${i}`)
    }
  })
  t.ok(compared < 100 * OPERATIONS, `${compared} comparisons`)
  const snapshot = store.snapshot()
  t.equal(snapshot.tree('t').count(), OPERATIONS - Math.ceil(OPERATIONS / 3))
  snapshot.close()
})

t.test('the queue keeps its order and its bound, whoever gives up', async (t) => {
  const queue = new WriteQueue(10)
  const controllers = Array.from({ length: 8 }, () => new AbortController())
  const settled = controllers.map(({ signal }, i) =>
    queue
      .add<number>('transaction', 4, () => i, signal)
      .then(
        () => `taken ${i}`,
        (error: { code: string }) => `${error.code} ${i}`,
      ),
  )
  t.equal(queue.queuedBytes, 8, 'two fit')
  controllers[5]!.abort()
  controllers[1]!.abort()
  controllers[7]!.abort()
  t.equal(queue.queuedBytes, 8, 'another one took the place')
  const order: unknown[] = []
  while (queue.peek() !== undefined && order.length < 3) {
    const entry = queue.take()
    order.push(entry.build(undefined as never, undefined as never))
    entry.resolve(undefined)
  }
  t.same(order, [0, 2, 3])
  controllers[0]!.abort()
  queue.rejectAll(Object.assign(new Error('closed'), { code: 'CLOSED' }))
  t.ok(queue.isEmpty)
  t.equal(queue.queuedBytes, 0)
  t.same(await Promise.all(settled), [
    'taken 0',
    'ABORTED 1',
    'taken 2',
    'taken 3',
    'CLOSED 4',
    'ABORTED 5',
    'CLOSED 6',
    'ABORTED 7',
  ])
})
