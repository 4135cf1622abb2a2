/**
 * An entry that had left the writer's queue led to the next one. One of them grew old in memory, and kept all that came behind it,
 * with their requests, up to a full collection.
 */
import t from 'tap'
import { type QueueEntry, WriteQueue } from '../../native-free-btree/write/queue.ts'

t.test('an entry that left the queue leads to no other', async (t) => {
  const queue = new WriteQueue(1000)
  for (let at = 0; at < 4; at++) {
    queue.add('transaction', 1, () => undefined, undefined).catch(() => undefined)
  }
  const leadsOn = (entry: QueueEntry): boolean =>
    Object.values(entry).some((value) => typeof value === 'object' && value !== null)
  t.ok(leadsOn(queue.peek()!), 'while it waits it does')
  t.notOk(leadsOn(queue.take()))
  t.notOk(leadsOn(queue.take()))
  const waiting = queue.peek()!
  queue.rejectAll(new Error('over'))
  t.notOk(leadsOn(waiting))
})
