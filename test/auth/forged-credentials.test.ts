/** Ten thousand tokens, cookies and headers of proxies that somebody made up: asked of the authenticator, and a sample over sockets. */
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { CREDENTIALS_CONFIG, prepareCredentials } from '../support/forged-credentials.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const FORGED = 10_000
const SENT = 400

t.setTimeout(300_000)

for (const threads of [0, 2]) {
  t.test(`nobody gets in by what is forged, with ${threads} threads`, async (t) => {
    const server = await startTestServer({ config: CREDENTIALS_CONFIG, threads })
    t.teardown(() => server.stop())
    const forger = await prepareCredentials(server)
    const random = new Random(propertySeed(t))
    const ways = new Set<string>()
    for (let n = 0; n < (threads === 0 ? FORGED : 0); n++) {
      const { what, headers } = forger.forge(random)
      ways.add(what)
      try {
        const { user, handler } = await server.server.authenticator.authenticate(headers)
        if (user.name !== null || user.roles.length > 0 || handler !== undefined) {
          t.fail(`${what} lets ${user.name} in: ${JSON.stringify(headers)}`)
        }
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.status >= 500) {
          t.fail(`${what}: ${error}: ${JSON.stringify(headers)}`)
        }
      }
    }
    if (threads === 0) t.ok(ways.size > 60, `${ways.size} ways`)
    for (let n = 0; n < SENT; n++) {
      const { what, headers } = forger.forge(random)
      const sendable = Object.values(headers).every((value) => /^[\t\x20-\x7e\xa0-\xff]*$/.test(value))
      if (!sendable) continue
      const { status, json } = await ask(server, 'GET /_all_dbs', { as: null, headers })
      const { error } = json as { error?: string }
      const isRefused = status === 401 ? error === 'unauthorized' : status === 400 && error === 'bad_request'
      if (!isRefused) t.fail(`${what}: ${status} ${JSON.stringify(json)} for ${JSON.stringify(headers)}`)
    }
  })
}
