/** `couchdb.password_hashing_slow` and `_fast`: passwords that were hashed, and those that the cache found right. */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

for (const threads of [0, 1, 3]) {
  t.test(`a password that is right counts as fast, on either way in, threads: ${threads}`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const figure = async (name: string): Promise<number> => {
      const path = `GET /_node/_local/_stats/couchdb/password_hashing_${name}`
      return ((await ask(server, path)).json as { value: number }).value
    }
    /** What one request adds to both figures. The administrator's own requests, two in between, are taken off. */
    const added = async (request: () => Promise<{ status: number }>) => {
      const before = [await figure('slow'), await figure('fast')]
      const { status } = await request()
      const after = [await figure('slow'), await figure('fast')]
      return [status, after[0]! - before[0]!, after[1]! - before[1]! - 2]
    }
    const signIn = (password: string) => () =>
      ask(server, 'POST /_session', { json: { name: 'ann', password }, as: null })
    const basic = (password: string) => () => ask(server, 'GET /_session', { as: `ann:${password}` })
    const json = { name: 'ann', type: 'user', roles: [], password: 'one' }
    const { rev } = (await ask(server, 'PUT /_users/org.couchdb.user:ann', { json })).json as { rev: string }

    t.same(await added(signIn('wrong')), [401, 1, 0])
    t.same(await added(signIn('one')), [200, 1, 1], 'hashed and noted')
    t.same(await added(signIn('one')), [200, 0, 1], 'known')
    await ask(server, `PUT /_users/org.couchdb.user:ann?rev=${rev}`, { json: { ...json, password: 'two' } })
    t.same(await added(signIn('one')), [401, 1, 0], 'no longer right')
    t.same(await added(basic('two')), [200, 1, 1])
    t.same(await added(basic('two')), [200, 0, 1])
  })
}

t.test('what one thread has hashed no other one hashes again', async (t) => {
  const server = await startTestServer({ threads: 3 })
  t.teardown(() => server.stop())
  const json = { name: 'ann', type: 'user', roles: [], password: 'one' }
  const { rev } = (await ask(server, 'PUT /_users/org.couchdb.user:ann', { json })).json as { rev: string }
  /** Each over a connection of its own, which any of the threads may have. */
  const signIns = async (password: string): Promise<number[]> => {
    const statuses: number[] = []
    for (let i = 0; i < 30; i++) {
      const headers = { connection: 'close' }
      const { status } = await ask(server, 'GET /_session', { as: `ann:${password}`, headers })
      statuses.push(status)
    }
    return [...new Set(statuses)]
  }
  const slow = async (): Promise<number> => {
    const { json } = await ask(server, 'GET /_node/_local/_stats/couchdb/password_hashing_slow')
    return (json as { value: number }).value
  }
  // The administrator's own password may be hashed for the first time meanwhile: it is told apart by the second round.
  await signIns('one')
  const before = await slow()
  t.same(await signIns('one'), [200])
  t.equal(await slow(), before)
  await ask(server, `PUT /_users/org.couchdb.user:ann?rev=${rev}`, { json: { ...json, password: 'two' } })
  const changed = await slow()
  t.same(await signIns('two'), [200])
  t.equal((await slow()) - changed, 1)
})
