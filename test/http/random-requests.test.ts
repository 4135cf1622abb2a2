import * as fc from 'fast-check'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { prepareServer, randomRequest, sendRandom } from '../support/random-requests.ts'

/** Whatever is asked, the answer is no defect, is well-formed, and the server goes on. */
const server = await startTestServer({ limits: { feedTimeoutMs: 20 } })
t.teardown(() => server.stop())
await prepareServer(server)

t.test('random requests', async (t) => {
  const seed = propertySeed(t)
  await fc.assert(
    fc.asyncProperty(randomRequest, async (request) => {
      await sendRandom(server, request)
    }),
    { numRuns: 3000, seed },
  )
  t.equal((await ask(server, 'GET /db/a')).status < 500, true)
})
