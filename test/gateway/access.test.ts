/** Who sees what: random lives of a database against a plain model, across restarts. */
import t from 'tap'
import { GatewayRun } from '../support/gateway-run.ts'
import { GatewayServer } from '../support/gateway-server.ts'
import { Random } from '../support/random.ts'
import { explained, rounds, seed } from '../support/test-run.ts'

t.setTimeout(280_000)

const STEPS = 40
const RESTARTS = 2

t.test('nobody sees what he may not, and everybody what he may', async (t) => {
  const random = new Random(seed)
  for (let round = 0; round < rounds; round++) {
    const folder = t.testdir()
    let server = await GatewayServer.start(folder)
    const run = new GatewayRun(random.fork(), () => server)
    try {
      await run.begin()
      for (let life = 0; life <= RESTARTS; life++) {
        for (let step = 0; step < STEPS; step++) await run.step(random.fork())
        await server.stop()
        server = await GatewayServer.start(folder)
        await run.checkAll()
      }
    } catch (error) {
      throw explained(error, `round ${round}`)
    } finally {
      await server.stop()
    }
    t.ok(run.counts.size > 10, 'all kinds of steps were made')
  }
})
