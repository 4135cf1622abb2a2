import t from 'tap'
import { systemRandom } from '../../src/base/random.ts'
import { sequentialUuids } from '../../src/base/uuids.ts'

t.test('neighbours: one prefix, a number that grows', async (t) => {
  const next = sequentialUuids(systemRandom)
  const ids = Array.from({ length: 1000 }, next)
  t.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)))
  t.equal(new Set(ids.map((id) => id.slice(0, 26))).size, 1)
  t.same([...ids].sort(), ids)
  t.equal(new Set(ids).size, ids.length)
  t.not(sequentialUuids(systemRandom)().slice(0, 26), ids[0]!.slice(0, 26))
})

t.test('the number never runs over: a new prefix begins', async (t) => {
  // Every byte 0xff gives one and the same long step.
  let prefixes = 0
  const next = sequentialUuids((target) => {
    target.fill(0xff)
    if (target.length === 13) target[0] = prefixes++
  })
  let before = next()
  for (let made = 0; prefixes < 4; made++) {
    const id = next()
    t.equal(id.length, 32)
    if (id.slice(0, 26) === before.slice(0, 26)) t.ok(id > before)
    if (made > 100_000) throw new Error('no new prefix')
    before = id
  }
  t.pass('four prefixes')
})
