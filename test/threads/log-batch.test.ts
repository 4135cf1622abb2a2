import { once } from 'node:events'
import t from 'tap'
import { LogBatch } from '../../src/threads/log-batch.ts'

t.test('lines go out together, in order, and none stays behind', async (t) => {
  const sent: string[] = []
  const batch = new LogBatch((lines) => {
    sent.push(lines)
    process.emit('message', lines, undefined)
  })
  const later = once(process, 'message')
  // The timer alone keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  batch.add('a\n', false)
  batch.add('b\n', false)
  t.same(sent, [])
  await later
  clearInterval(alive)
  t.same(sent.splice(0), ['a\nb\n'])
  batch.add('c\n', false)
  batch.add('d\n', true)
  t.same(sent.splice(0), ['c\nd\n'], 'trouble takes along what waits')
  const long = `${'x'.repeat(40_000)}\n`
  batch.add(long, false)
  batch.add(long, false)
  t.same(sent.splice(0), [long + long], 'much does not wait')
  batch.add('e\n', false)
  batch.flush()
  batch.flush()
  t.same(sent, ['e\n'])
})
