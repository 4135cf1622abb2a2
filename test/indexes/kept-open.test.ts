/** What is kept open, and what is closed for others. */
import t from 'tap'
import { KeptOpen } from '../../src/indexes/kept-open.ts'

function keptOpen(most: number) {
  const closed: string[] = []
  const kept = new KeptOpen({
    most,
    idleMs: 1000,
    clock: { after: () => () => {} },
    onFailure: (error) => {
      throw error
    },
  })
  const use = (key: string, work: () => Promise<void> = async () => {}): Promise<void> =>
    kept.use(key, async () => ({ close: async () => void closed.push(key) }), work)
  return { kept, closed, use }
}

t.test('beyond a number the one that was used longest ago is closed, and no other', async (t) => {
  const { kept, closed, use } = keptOpen(3)
  for (const key of ['a', 'b', 'c', 'a', 'd']) await use(key)
  await kept.close((key) => key === 'b')
  t.same(closed, ['b'])
  t.same(kept.keys, ['c', 'a', 'd'])
  await use('e')
  await use('f')
  await kept.close((key) => key === 'a')
  t.same(closed, ['b', 'c', 'a'])
  t.same(kept.keys, ['d', 'e', 'f'])
})

t.test('what is used is not closed, however many there are', async (t) => {
  const { kept, closed, use } = keptOpen(1)
  await use('a', () => use('b', () => use('c')))
  await kept.close(() => false)
  t.same(kept.keys.length, 1)
  t.same(closed.length, 2)
})
