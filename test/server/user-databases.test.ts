/** A database for each user: made, closed or deleted with him, also over a restart in between. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const ENABLED = { DAVENPORT_COUCH_PERUSER__ENABLE: 'true' }

const nameOf = (user: string, prefix = 'userdb-'): string => prefix + Buffer.from(user).toString('hex')

async function put(server: TestServer, user: string): Promise<string> {
  const json = { name: user, password: 'pw', roles: [], type: 'user' }
  const reply = await ask(server, `PUT /_users/org.couchdb.user:${encodeURIComponent(user)}`, { json })
  return (reply.json as { rev: string }).rev
}

function remove(server: TestServer, user: string, rev: string) {
  return ask(server, `DELETE /_users/org.couchdb.user:${encodeURIComponent(user)}?rev=${rev}`)
}

async function security(server: TestServer, name: string): Promise<unknown> {
  return (await ask(server, `GET /${name}/_security`)).json
}

const SECURITY = (names: string[]) => ({
  members: { roles: ['_admin'], names },
  admins: { roles: ['_admin'], names },
})

const isHis =
  (server: TestServer, user: string, name = nameOf(user)) =>
  async (): Promise<boolean> =>
    JSON.stringify(await security(server, name)) === JSON.stringify(SECURITY([user]))

async function folder(t: Test): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'davenport-peruser-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

for (const threads of [0, 2]) {
  t.test(`made with the user, and closed to him when he goes, with ${threads} threads`, async (t) => {
    const server = await startTestServer({ config: ENABLED, threads })
    t.teardown(() => server.stop())
    const users = ['ann', 'Jürgen Ü', 'x'.repeat(60)]
    for (const user of users) {
      const rev = await put(server, user)
      const name = nameOf(user)
      await until(`${user} has one`, isHis(server, user))
      if (user === 'ann') {
        t.equal((await ask(server, `PUT /${name}/a`, { json: {}, as: 'ann:pw' })).status, 201)
        t.equal((await ask(server, `GET /${name}/a`, { as: null })).status, 401)
      }
      await remove(server, user, rev)
      const isClosed = async () =>
        JSON.stringify(await security(server, name)) === JSON.stringify(SECURITY([]))
      await until(`${user} has none`, isClosed)
      t.equal((await ask(server, `GET /${name}`)).status, 200)
    }
  })
}

t.test('what somebody else put into _security stays', async (t) => {
  const server = await startTestServer({ config: ENABLED })
  t.teardown(() => server.stop())
  const name = nameOf('ann')
  await ask(server, `PUT /${name}`)
  const own = { members: { names: ['bob'], roles: ['r'] }, admins: {}, mine: 1 }
  await ask(server, `PUT /${name}/_security`, { json: own })
  const rev = await put(server, 'ann')
  const expected = { members: { names: ['bob', 'ann'], roles: ['r'] }, admins: { names: ['ann'] }, mine: 1 }
  const is = (wanted: object) => async () =>
    JSON.stringify(await security(server, name)) === JSON.stringify(wanted)
  await until('ann is in', is(expected))
  await remove(server, 'ann', rev)
  await until('ann is out', is({ members: { names: ['bob'], roles: ['r'] }, admins: { names: [] }, mine: 1 }))
})

t.test('deleted with the user where that is wished, and made again with him', async (t) => {
  const config = {
    ...ENABLED,
    DAVENPORT_COUCH_PERUSER__DELETE_DBS: 'true',
    DAVENPORT_COUCH_PERUSER__DATABASE_PREFIX: 'home-',
  }
  const server = await startTestServer({ config })
  t.teardown(() => server.stop())
  const name = nameOf('ann', 'home-')
  const rev = await put(server, 'ann')
  await until('it is there', isHis(server, 'ann', name))
  await ask(server, `PUT /${name}/a`, { json: {} })
  await remove(server, 'ann', rev)
  await until('it is gone', async () => (await ask(server, `GET /${name}`)).status === 404)
  await put(server, 'ann')
  await until('it is there again', isHis(server, 'ann', name))
  t.equal((await ask(server, `GET /${name}/a`)).status, 404)
})

t.test('who came or went while it was off, or the server down, is seen to', async (t) => {
  const dataDir = await folder(t)
  const off = await startTestServer({ dataDir })
  const before = await put(off, 'before')
  // More than are looked at in one go.
  const docs = Array.from({ length: 120 }, (_, n) => ({ _id: `_design/d${n}` }))
  await ask(off, 'POST /_users/_bulk_docs', { json: { docs } })
  await put(off, 'last')
  t.equal((await ask(off, `GET /${nameOf('before')}`)).status, 404)
  await off.stop()
  const on = await startTestServer({ dataDir, config: ENABLED })
  await until('the last of many has one', isHis(on, 'last'))
  t.ok(await isHis(on, 'before')())
  await on.stop()
  const offAgain = await startTestServer({ dataDir })
  await remove(offAgain, 'before', before)
  await put(offAgain, 'between')
  await offAgain.stop()
  const again = await startTestServer({ dataDir, config: ENABLED })
  t.teardown(() => again.stop())
  await until('between has one', isHis(again, 'between'))
  t.same(await security(again, nameOf('before')), SECURITY([]))
  t.ok(await isHis(again, 'last')(), 'the others still have theirs')
})

t.test('switched on while the server runs', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await put(server, 'ann')
  await ask(server, 'PUT /_node/_local/_config/couch_peruser/enable', { json: 'true' })
  await until('ann has one', isHis(server, 'ann'))
})

t.test('what cannot be read is no place to go on from', async (t) => {
  const dataDir = await folder(t)
  const first = await startTestServer({ dataDir })
  await put(first, 'ann')
  await ask(first, 'PUT /_users/_local/couch_peruser', { json: { since: 'nonsense' } })
  await first.stop()
  const second = await startTestServer({ dataDir, config: ENABLED })
  t.teardown(() => second.stop())
  await until('ann has one', isHis(second, 'ann'))
})
