/**
 * What a user uploads was written though he was deleted, had another password, lost a role or was no member any more when its last byte
 * came: he was asked for his right when the request began, and his client took what time it liked. He is asked again when the
 * body is there, and when what took time to be made ready is written.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { type Upload, uploadSlowly } from '../support/slow-upload.ts'
import { configure, signIn } from '../support/user-session.ts'

type Headers = Record<string, string>

const BASIC = { authorization: `Basic ${Buffer.from('ann:apple').toString('base64')}` }
const USER = '/_users/org.couchdb.user:ann'
const LONG = 'x'.repeat(100_000)
const JSON_TYPE = { 'content-type': 'application/json' }

const MULTIPART = [
  '--b\r\nContent-Type: application/json\r\n\r\n',
  '{"_attachments":{"a":{"follows":true,"content_type":"text/plain","length":100000}}}',
  `\r\n--b\r\n\r\n${LONG}\r\n--b--`,
].join('')

const UPLOADS: readonly Upload[] = [
  { method: 'PUT', path: '/db/new', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
  { method: 'PUT', path: '/db/short', body: '{"a":1}', headers: JSON_TYPE },
  { method: 'POST', path: '/db', body: JSON.stringify({ _id: 'new', LONG }), headers: JSON_TYPE },
  { method: 'PUT', path: '/db/new?batch=ok', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
  {
    method: 'POST',
    path: '/db/_bulk_docs',
    body: JSON.stringify({ docs: [{ _id: 'new', LONG }, { LONG }] }),
    headers: JSON_TYPE,
  },
  {
    method: 'POST',
    path: '/db/_bulk_docs',
    body: JSON.stringify({ new_edits: false, docs: [{ _id: 'new', _rev: '1-a', LONG }] }),
    headers: JSON_TYPE,
  },
  { method: 'PUT', path: '/db/new/file', body: LONG, headers: { 'content-type': 'text/plain' } },
  {
    method: 'PUT',
    path: '/db/new',
    body: MULTIPART,
    headers: { 'content-type': 'multipart/related; boundary=b' },
  },
  { method: 'PUT', path: '/db/_local/new', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
  {
    method: 'PATCH',
    path: '/db/there',
    body: JSON.stringify({ LONG }),
    headers: { 'content-type': 'application/merge-patch+json' },
  },
]

async function revisionOf(server: TestServer, path: string): Promise<string | undefined> {
  return (await ask(server, `GET ${path}`)).headers.etag?.replaceAll('"', '')
}

async function putUser(server: TestServer, change: object = {}): Promise<void> {
  const _rev = await revisionOf(server, USER)
  const user = { _rev, name: 'ann', password: 'apple', roles: ['writer'], type: 'user', ...change }
  const { status } = await ask(server, `PUT ${USER}`, { json: user })
  if (status !== 201) throw new Error(`no user: ${status}`)
}

async function deleteUser(server: TestServer): Promise<void> {
  await ask(server, `DELETE ${USER}?rev=${await revisionOf(server, USER)}`)
}

async function setMembers(server: TestServer, members: object): Promise<void> {
  const { status } = await ask(server, 'PUT /db/_security', { json: { members } })
  if (status !== 200) throw new Error(`no security: ${status}`)
}

const WRITERS = { names: [], roles: ['writer'] }

async function prepare(server: TestServer): Promise<void> {
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/there', { json: {} })
  await setMembers(server, WRITERS)
  await putUser(server)
}

/** What the database holds, the history of its documents included. */
async function contents(server: TestServer): Promise<unknown> {
  const { json } = await ask(server, 'GET /db/_all_docs?include_docs=true')
  return [json, (await ask(server, 'GET /db/_local_docs')).json]
}

for (const threads of [0, 2]) {
  t.test(`${threads} threads`, { timeout: 200_000 }, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    const url = `http://127.0.0.1:${server.http.port}`
    const isRefused = async (
      upload: Upload,
      headers: Headers,
      what: string,
      change: () => Promise<void>,
    ): Promise<void> => {
      const before = await contents(server)
      const sent = { ...upload, headers: { ...upload.headers, ...headers } }
      const { status } = await uploadSlowly(url, sent, change)
      const title = `${what}: ${upload.method} ${upload.path}`
      t.ok(status === 401 || status === 403, `${title}: ${status}`)
      t.same(await contents(server), before, title)
      await putUser(server)
      await setMembers(server, WRITERS)
    }
    for (const upload of UPLOADS) await isRefused(upload, BASIC, 'deleted', () => deleteUser(server))
    const changes: [string, () => Promise<void>][] = [
      ['another password', () => putUser(server, { password: 'pear' })],
      ['a role less', () => putUser(server, { roles: [] })],
      ['no member', () => setMembers(server, { names: ['eve'], roles: [] })],
    ]
    for (const [what, change] of changes) {
      for (const upload of UPLOADS.filter((_, at) => at % 3 === 0)) {
        await isRefused(upload, BASIC, what, change)
      }
    }
    for (const upload of UPLOADS.filter((_, at) => at % 3 === 0)) {
      await isRefused(upload, await signIn(server), 'deleted, with a session', () => deleteUser(server))
    }

    const settings = { method: 'PUT', path: '/db/_security', body: '{"admins":{}}', headers: BASIC }
    await ask(server, 'PUT /db/_security', { json: { admins: { names: ['ann'] }, members: WRITERS } })
    const { status } = await uploadSlowly(url, settings, () => setMembers(server, WRITERS))
    t.equal(status, 403, 'settings, of one who is no administrator any more')

    const design = { method: 'PUT', path: '/db/_design/d', body: '{"views":{}}', headers: BASIC }
    await ask(server, 'PUT /db/_security', { json: { admins: { names: ['ann'] }, members: WRITERS } })
    t.equal((await uploadSlowly(url, design, () => setMembers(server, WRITERS))).status, 403)
    t.equal((await ask(server, 'GET /db/_design/d')).status, 404)
  })

  t.test(`what refuses nothing, ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop(0))
    await prepare(server)
    const url = `http://127.0.0.1:${server.http.port}`
    const [first] = UPLOADS as [Upload]
    const isTaken = async (headers: Headers, what: string, change: () => Promise<void>): Promise<void> => {
      const path = `/db/${encodeURIComponent(what)}`
      const { status } = await uploadSlowly(
        url,
        { ...first, path, headers: { ...JSON_TYPE, ...headers } },
        change,
      )
      t.equal(status, 201, what)
    }
    await isTaken(BASIC, 'the same password has another hash', () => putUser(server, { some: 'member' }))
    const session = await signIn(server)
    await isTaken(session, 'another user is written', async () => {
      const json = { name: 'bob', password: 'apple', roles: [], type: 'user' }
      await ask(server, 'PUT /_users/org.couchdb.user:bob', { json })
    })
    await isTaken(session, 'others become members', () =>
      setMembers(server, { names: ['eve'], roles: ['writer'] }),
    )
    await isTaken(BASIC, 'everybody does', () => setMembers(server, {}))
    await isTaken({}, 'nobody in particular', () =>
      configure(server, 'log/level', 'none').catch(() => undefined),
    )
  })
}

t.test('who is deleted while a function judges what he writes', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop(0))
  await prepare(server)
  const slow = 'function (doc) { for (var i = 0; i < 5000000; i++); }'
  await ask(server, 'PUT /db/_design/slow', { json: { validate_doc_update: slow } })
  const writing = ask(server, 'PUT /db/judged', { json: {}, as: 'ann:apple' })
  await new Promise((resolve) => setTimeout(resolve, 30))
  await deleteUser(server)
  const { status } = await writing
  t.equal(status, 401)
  t.equal((await ask(server, 'GET /db/judged')).status, 404)
})
