/**
 * A front that was told to stop while it started ended its line to the core with the question open that its start waits for:
 * it failed instead of stopping. One whose listening was under way went on to take requests until it was ended by force.
 */
import t from 'tap'
import type { Fronts } from '../../src/threads/fronts.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.test('a front that is replacing another stops with the rest', async (t) => {
  const server = await startTestServer({ threads: 2 })
  const fronts = server.http as unknown as Fronts
  const [first] = fronts.workers
  await first!.terminate()
  await until('one starts', () => fronts.workers.length === 2 && !fronts.workers.includes(first!))
  await server.stop(5000)
  t.equal(fronts.workers.length, 0)
  t.notOk(
    server.lines.some((line) => line.includes('a thread failed')),
    'it ends as one that has started does',
  )
})
