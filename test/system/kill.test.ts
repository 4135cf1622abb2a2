/** The server's own process is killed while clients write: see `test/support/kill-run.ts`. */
import t from 'tap'
import { KillRun } from '../support/kill-run.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const KILLS = 20

t.setTimeout(300_000)
const random = new Random(propertySeed(t))
const run = new KillRun(t.testdir(), random.fork())
t.teardown(() => run.close())

t.test(`${KILLS} kills lose nothing`, async (t) => {
  await run.begin()
  for (let round = 1; round <= KILLS; round++) t.same(await run.killOnce(random), [], `round ${round}`)
  const { acknowledged, found, missing, size } = run.documents
  t.comment(`${acknowledged} writes of ${size} documents; of those in doubt ${found} done, ${missing} not`)
  t.comment(`${run.attaching.acknowledged} writes of attachments`)
})

t.test('a clean stop loses nothing', async (t) => {
  const server = run.start()
  const port = await server.port
  t.same(await run.compare(port), [])
  await run.loadUntil(port, random, async () => t.equal(await server.stop(), 0))
  t.same(await run.problemsOfFiles(), [])
  const again = run.start()
  t.same(await run.compare(await again.port), [])
  t.equal(await again.stop(), 0)
})
