/**
 * A replication whose selector was nested some thousand levels deep ended the thread that took the request, with all of its
 * connections: the value was handed to another thread, cloning it overflowed the stack, and nobody caught that. So would any value
 * have done that cannot be cloned.
 */
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { Channel } from '../../src/workers/channel.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const LEVELS = 20_000

function nested(open: string, close: string): string {
  return open.repeat(LEVELS) + close.repeat(LEVELS)
}

for (const threads of [0, 1]) {
  t.test(`${threads} threads`, { timeout: 60_000 }, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const json = { name: 'ann', password: 'pw', type: 'user', roles: [] }
    await ask(server, 'PUT /_users/org.couchdb.user:ann', { json })
    await ask(server, 'PUT /_replicator/_security', { json: { members: { names: ['ann'] } } })
    const headers = { 'content-type': 'application/json' }
    for (const deep of [
      `"selector":${nested('{"$not":', '}').replace('}', '{}}')}`,
      `"filter":"d/f","query_params":{"a":${nested('[', ']')}}`,
      `"x":${nested('[', ']')}`,
    ]) {
      const body = `{"source":"a","target":"b",${deep}}`
      const asked = await ask(server, 'POST /_replicate', { as: 'ann:pw', headers, body })
      t.match(asked, { status: 400, json: { reason: /nested too deeply/ } })
      const kept = await ask(server, 'PUT /_replicator/job', { as: 'ann:pw', headers, body })
      t.match(kept, { status: 403, json: { reason: /nested too deeply/ } })
    }
    t.equal((await ask(server, 'GET /_up')).status, 200)
    t.notMatch(server.lines.join(''), /a thread failed|replaced/)
  })
}

interface Calls {
  calls: { echo: { args: unknown; result: unknown }; make: { args: undefined; result: unknown } }
  notices: object
}
interface Nothing {
  calls: object
  notices: object
}

t.test('what cannot be cloned is refused to who says it, and the others go', async (t) => {
  const { port1, port2 } = new MessageChannel()
  let deep: unknown = 1
  for (let level = 0; level < LEVELS; level++) deep = [deep]
  const far = new Channel<Calls, Nothing>({
    port: port2,
    handlers: { echo: (args) => args, make: () => deep },
    listeners: {},
  })
  const near = new Channel<Nothing, Calls>({ port: port1, handlers: {}, listeners: {} })
  t.teardown(() => {
    near.end(new Error('over'))
    far.end(new Error('over'))
  })
  const asked = await Promise.allSettled([
    near.ask('echo', 1),
    near.ask('echo', deep),
    near.ask('echo', () => 1),
    near.ask('make', undefined),
    near.ask('echo', 2),
  ])
  t.same(
    asked.map((each) => (each.status === 'fulfilled' ? each.value : 'refused')),
    [1, 'refused', 'refused', 'refused', 2],
  )
  t.equal(near.waiting, 0)
  t.equal(await near.ask('echo', 3), 3)
})
