/**
 * Requests that cost a server far more than their client are answered or refused, and another client gets its answers
 * while they run. How long it waits for each, and what memory stays, `npm run bench -- hostile` measures.
 */
import t from 'tap'
import { hostileRequests } from '../support/hostile-requests.ts'
import { besideHostile } from '../support/hostile-run.ts'
import { processMemory, startServerProcess } from '../support/server-process.ts'

const MOST_BYTES = 1024 * 1024 * 1024

t.test('each beside another client', { timeout: 600_000 }, async (t) => {
  const server = startServerProcess({ dataDir: t.testdir() })
  t.teardown(() => server.kill())
  const port = await server.port
  for (const { what, run, status } of await hostileRequests(port)) {
    const { outcome, answers } = await besideHostile(port, run, '/hostile/t0')
    t.equal(outcome, status, what)
    t.ok(answers > 0, `${answers} answers beside ${what}`)
  }
  const { peakBytes } = await processMemory(server)
  t.ok(peakBytes < MOST_BYTES, `${peakBytes} bytes of memory`)
  t.equal(await server.stop(), 0, 'and it stops as it should')
})
