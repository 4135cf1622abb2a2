/**
 * Tokens, cookies and headers of proxies that somebody made up, against a live server on a real socket. Invariants:
 * - Nobody gets in: each is refused, or is an anonymous request.
 * - No answer is a 500, and the right credentials still let in.
 *
 * The server lives as long as the run and has the machine's time: a failure may need the requests before it.
 */
import {
  CREDENTIALS_CONFIG,
  type CredentialForger,
  type Forged,
  prepareCredentials,
} from '../../test/support/forged-credentials.ts'
import { ask, type Reply } from '../../test/support/http-request.ts'
import { startTestServer, type TestServer } from '../../test/support/http-server.ts'
import type { Script } from '../script.ts'
import type { Target } from '../target.ts'

/** What node's client sends as a header. */
const SENDABLE = /^[\t\x20-\x7e\xa0-\xff]*$/

function whoAmI(server: TestServer, { headers }: Forged): Promise<Reply> {
  return ask(server, 'GET /_session', { as: null, headers })
}

function nameOf({ json }: Reply): unknown {
  return (json as { userCtx?: { name?: unknown } } | undefined)?.userCtx?.name
}

async function play(server: TestServer, forger: CredentialForger, script: Script): Promise<void> {
  const { coverage } = script
  for (const random of script.events()) {
    const forged = forger.forge(random)
    if (!Object.values(forged.headers).every((value) => SENDABLE.test(value))) continue
    const reply = await whoAmI(server, forged)
    const isRefused = reply.status === 400 || reply.status === 401
    const isAnonymous = reply.status === 200 && nameOf(reply) === null
    const sent = JSON.stringify(forged)
    if (!isRefused && !isAnonymous) throw new Error(`${sent} was answered with ${reply.status} ${reply.text}`)
    const [handler] = forged.what.split(':')
    coverage.count(isRefused ? `refused ${handler}` : `anonymous ${handler}`)
    if (!random.bool(0.05)) continue
    const right = random.pick(forger.right())
    const found = nameOf(await whoAmI(server, right))
    if (found !== 'mia') throw new Error(`after ${sent} ${right.what} does not let in`)
    coverage.count('letIn')
  }
}

export const credentials: Target = {
  name: 'credentials',
  summary: 'forged, damaged and outdated tokens, cookies and headers of proxies: nobody gets in',
  caseEvents: 200,
  smokeEvents: 1000,
  repeats: false,
  rarePaths: ['refused token', 'refused cookie', 'anonymous cookie', 'anonymous proxy', 'letIn'],
  open: async () => {
    const server = await startTestServer({ config: CREDENTIALS_CONFIG })
    const forger = await prepareCredentials(server)
    return { play: (script) => play(server, forger, script), close: () => server.stop() }
  },
}
