import t from 'tap'
import { shrink } from '../../src/lab/shrink.ts'

const all = Array.from({ length: 60 }, (_, number) => number)

t.test('events that are not needed are dropped', async (t) => {
  const needed = [3, 31, 32, 57]
  let tries = 0
  const shortest = await shrink(all, async (numbers) => {
    tries += 1
    return needed.every((number) => numbers.includes(number))
  })
  t.same(shortest, needed)
  t.ok(tries < 200, `${tries} tries`)
})

t.test('one event is enough', async (t) => {
  t.same(await shrink(all, async (numbers) => numbers.includes(59)), [59])
})

t.test('what fails in any case comes down to one event, never to none', async (t) => {
  t.equal((await shrink(all, async () => true)).length, 1)
})

t.test('the search ends when it is told to', async (t) => {
  let left = 3
  const shortest = await shrink(
    all,
    async () => true,
    () => left-- > 0,
  )
  t.ok(shortest.length > 1 && shortest.length < 60)
})
