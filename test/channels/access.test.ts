/**
 * Who sees what of a database with channels by CouchDB's API: random lives of a database against the plain model of the gateway's,
 * with restarts, and with threads that answer beside the one that writes.
 */
import t from 'tap'
import { ChannelsTarget } from '../support/channels-target.ts'
import { GatewayRun } from '../support/gateway-run.ts'
import { GatewayServer } from '../support/gateway-server.ts'
import { Random } from '../support/random.ts'
import { explained, rounds, seed } from '../support/test-run.ts'

t.setTimeout(280_000)

const STEPS = 10

t.test('nobody sees what he may not, and everybody what he may', async (t) => {
  const random = new Random(seed)
  for (let round = 0; round < rounds; round++) {
    const folder = t.testdir()
    let server = await GatewayServer.start(folder)
    const target = new ChannelsTarget(() => server)
    const run = new GatewayRun(random.fork(), () => target, { api: 'couchdb' })
    try {
      await run.begin()
      for (let step = 0; step < STEPS; step++) await run.step(random.fork())
      await server.stop()
      server = await GatewayServer.start(folder, {}, { DAVENPORT_DAVENPORT__THREADS: '1' })
      await run.checkAll()
      for (let step = 0; step < STEPS; step++) await run.step(random.fork())
    } catch (error) {
      throw explained(error, `round ${round}`)
    } finally {
      await server.stop()
    }
    t.ok(run.counts.size > 6, 'all kinds of steps were made')
  }
})
