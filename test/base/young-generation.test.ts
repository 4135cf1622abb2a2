/** The young generation of the thread that writes: V8 makes it larger and larger where nobody keeps it small. */
import t from 'tap'
import { startChild } from '../support/child.ts'

async function mostBytes(...args: string[]): Promise<number> {
  const child = startChild('./young-generation-program.js', args)
  const status = await child.ended
  if (status !== 0) throw new Error(child.err)
  return Number(child.out)
}

t.test('it stays small where it is kept so, however much outlives collections', async (t) => {
  const [small, free] = await Promise.all([mostBytes('small'), mostBytes()])
  t.comment(`${small} bytes at most, ${free} where it may grow`)
  t.ok(small <= 8 * 2 ** 20, `${small}`)
  t.ok(free > 16 * 2 ** 20, `${free}: else this test shows nothing`)
})
