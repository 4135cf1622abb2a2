/**
 * Pages of a size that nobody took any more filled the pool, which then kept no others: every page was new memory
 * from there on.
 */
import t from 'tap'
import { PagePool } from '../../native-free-btree/page/pool.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function giveBack(pool: PagePool, pages: readonly Buffer[]): Promise<void> {
  for (const page of pages) pool.giveBack(page)
  await turn()
}

t.test('a pool that is full of pages of one size takes those of another', async (t) => {
  const pool = new PagePool()
  const large = Array.from({ length: 1024 }, () => Buffer.allocUnsafeSlow(8192))
  for (let i = 0; i < large.length; i += 64) await giveBack(pool, large.slice(i, i + 64))
  const small = Array.from({ length: 50 }, () => pool.take(2500))
  await giveBack(pool, small)
  const again = Array.from({ length: 50 }, () => pool.take(2500))
  t.equal(new Set(again).size, 50)
  // Sizes give way in turn, the new one among them.
  const used = again.filter((page) => small.includes(page)).length
  t.ok(used > 25, `${used} of 50 were used before`)
  const kept = new Set<Buffer>(large)
  let bytes = 0
  for (let page = pool.take(8192); kept.has(page); page = pool.take(8192)) bytes += page.length
  t.ok(bytes > 0 && bytes <= 4 * 1024 * 1024 + 16 * 1024, `${bytes} bytes were kept`)
})
