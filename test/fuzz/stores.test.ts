/** The kill test for any store: what it takes for right, and that it notices what is lost. */
import t from 'tap'
import { runTarget } from '../../fuzz/run.ts'
import { LANES, makeLanes } from '../../fuzz/stores/lanes.ts'
import { stores } from '../../fuzz/targets/stores.ts'
import { startChild } from '../support/child.ts'

const CHILD = '../../fuzz/stores/child.js'

t.test('every process draws the same commits', async (t) => {
  const [first, second] = [makeLanes(5)[2]!, makeLanes(5)[2]!]
  first.advanceTo(30)
  for (let i = 0; i < 30; i++) second.advance(second.next())
  t.same(first.next(), second.next())
  t.same([...first.entries], [...second.entries])
  t.notSame(makeLanes(6)[2]!.next(), makeLanes(5)[2]!.next())
})

t.test('a store that is killed goes on', async (t) => {
  const { failure, coverage } = await runTarget(stores, { seed: 3, events: 3, seconds: 60 })
  t.equal(failure, undefined)
  t.equal(coverage.of('kills'), 3)
})

t.test('commits that are gone, or come from nowhere, are noticed', async (t) => {
  const args = ['native-free-btree', `${t.testdir()}/store`, '9']
  const none = Array.from({ length: LANES }, () => 0)
  const child = startChild(CHILD, [...args, none.join()])
  await child.until(/^done 0 3$/m)
  child.process.kill('SIGKILL')
  await child.ended
  const counts = none.map((_, lane) => child.out.match(new RegExp(`^done ${lane} `, 'gm'))?.length ?? 0)
  for (const wrong of [counts.map((count) => count + 2), none]) {
    const again = startChild(CHILD, [...args, wrong.join()])
    t.not(await again.ended, 0)
    t.match(again.err, /shows commit \d+, and \d+ was acknowledged/)
  }
  const another = startChild(CHILD, [args[0]!, args[1]!, '10', counts.join()])
  t.not(await another.ended, 0)
  t.match(another.err, /has other bytes|is missing/)
})
