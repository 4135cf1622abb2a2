/** The command as its users run it, between two servers. */
import t, { type Test } from 'tap'
import { startChild } from '../support/child.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(240_000)

const CREDENTIALS = {
  DAVENPORT_MIGRATE_SOURCE: 'admin:secret',
  DAVENPORT_MIGRATE_TARGET: 'admin:secret',
}

async function pair(t: Test): Promise<{ source: TestServer; target: TestServer }> {
  const [source, target] = await Promise.all([startTestServer(), startTestServer()])
  t.teardown(() => Promise.all([source.stop(), target.stop()]))
  return { source, target }
}

function start(args: readonly string[], environment: Record<string, string> = CREDENTIALS) {
  return startChild('../../src/cli/main.js', ['migrate', ...args], environment)
}

async function run(args: readonly string[], environment?: Record<string, string>) {
  const child = start(args, environment)
  const status = await child.ended
  return { status, out: child.out, err: child.err }
}

/** Documents with histories, conflicts, deletions and attachments. */
async function fill(server: TestServer, name: string, count: number): Promise<void> {
  await ask(server, `PUT /${encodeURIComponent(name)}`)
  const path = `/${encodeURIComponent(name)}/_bulk_docs`
  const docs: object[] = Array.from({ length: count }, (_, at) => ({
    _id: `d${at}`,
    at,
    ...(at % 10 === 0 ? { _attachments: { a: { data: 'aGVsbG8=', content_type: 'text/plain' } } } : {}),
  }))
  docs.push({ _id: '_design/d', views: { all: { map: 'function (doc) { emit(doc._id) }' } } })
  await ask(server, `POST ${path}`, { json: { docs } })
  const conflicts = ['a', 'b', 'c'].map((hash) => ({
    _id: 'd1',
    _rev: `2-${hash.repeat(32)}`,
    _revisions: { start: 2, ids: [hash.repeat(32), 'f'.repeat(32)] },
    hash,
  }))
  await ask(server, `POST ${path}`, { json: { new_edits: false, docs: conflicts } })
  const { json } = await ask(server, `GET /${encodeURIComponent(name)}/d2`)
  await ask(server, `POST ${path}`, { json: { docs: [{ ...(json as object), _deleted: true }] } })
}

const port = (server: TestServer): string => `http://127.0.0.1:${server.http.port}`

t.test('a database', async (t) => {
  const { source, target } = await pair(t)
  await fill(source, 'db', 300)
  const security = { admins: { names: ['ann'], roles: [] }, members: { names: [], roles: ['staff'] } }
  await ask(source, 'PUT /db/_security', { json: security })
  await ask(source, 'PUT /db/_revs_limit', { json: 500 })
  const args = [`${port(source)}/db`, `${port(target)}/copy`]

  const dry = await run(['--dry-run', ...args])
  t.match(dry, {
    status: 0,
    out: 'db: 300 documents, 1 deleted; at the target it would be made and would get its _security\n',
  })
  t.equal((await ask(target, 'GET /copy')).status, 404)

  const first = await run(args)
  t.match(first, {
    status: 0,
    out: /^db: equal: 300 documents, 1 deleted, 304 leaf revisions, trees [0-9a-f]{16}\n$/,
  })
  t.equal(first.err, '')
  t.match((await ask(target, 'GET /copy/_security')).json, security)
  t.equal((await ask(target, 'GET /copy/_revs_limit')).json, 500)
  t.match((await ask(target, 'GET /copy/d0?attachments=true')).json, {
    _attachments: { a: { data: 'aGVsbG8=' } },
  })
  t.match((await ask(target, 'GET /copy/_design/d')).json, { views: { all: {} } })

  const again = await run(['--json', ...args])
  t.equal(again.status, 0)
  t.match(JSON.parse(again.out), { database: 'db', isEqual: true }, 'what is there is not brought again')

  await ask(target, 'PUT /copy/extra', { json: {} })
  const differing = await run(args)
  t.equal(differing.status, 1)
  t.match(differing.out, /DIFFERENT: source 300 documents.*; target 301 documents/)
})

t.test('a server', async (t) => {
  const { source, target } = await pair(t)
  await fill(source, 'a', 20)
  await fill(source, 'b/c', 20)
  await ask(source, 'PUT /parts?partitioned=true')
  await ask(source, 'PUT /parts/x:1', { json: { n: 1 } })
  const user = { name: 'ann', password: 'pear', type: 'user', roles: [] }
  await ask(source, 'PUT /_users/org.couchdb.user:ann', { json: user })
  const job = { source: 'http://127.0.0.1:1/x', target: 'http://127.0.0.1:1/y' }
  await ask(source, 'PUT /_replicator/job', { json: job })
  const { status, out, err } = await run(['--all', port(source), port(target)])
  t.equal(status, 0, err)
  for (const name of ['_users', 'a', 'b/c', 'parts']) t.match(out, `${name}: equal: `)
  t.match(out, '4 of 4 databases are equal\n')
  t.notMatch(out, '_replicator')
  t.match((await ask(target, 'GET /parts')).json, { props: { partitioned: true } })
  t.equal(
    (await ask(target, 'GET /_session', { as: 'ann:pear' })).status,
    200,
    'users sign in with their passwords',
  )
  t.equal((await ask(target, 'GET /_replicator/job')).status, 404)
})

t.test('it is ended, and goes on where it was', async (t) => {
  const { source, target } = await pair(t)
  await fill(source, 'db', 3000)
  const settings = { ...CREDENTIALS, DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: '20' }
  const args = [`${port(source)}/db`, `${port(target)}/db`]
  const child = start(args, settings)
  await until('some documents are there', async () => {
    const { json } = await ask(target, 'GET /db')
    return ((json as { doc_count?: number }).doc_count ?? 0) > 0
  })
  child.process.kill('SIGINT')
  const status = await child.ended
  // It may have been quicker.
  if (status !== 0) {
    t.equal(status, 1)
    t.match(child.err, 'start it again to go on')
  }
  t.match(await run(args, settings), { status: 0, out: /equal: 3000 documents/ })
})

t.test('it follows the source until it is told to end', async (t) => {
  const { source, target } = await pair(t)
  await fill(source, 'db', 10)
  const child = start(['--continuous', `${port(source)}/db`, `${port(target)}/db`])
  await child.until(/following it; Ctrl-C ends it/)
  await ask(source, 'PUT /db/later', { json: { n: 1 } })
  await until('it has gone over', async () => (await ask(target, 'GET /db/later')).status === 200)
  child.process.kill('SIGINT')
  t.equal(await child.ended, 0)
  t.match(child.out, /equal: 10 documents[\s\S]*equal: 11 documents/)
})

t.test('what cannot be', async (t) => {
  const { source, target } = await pair(t)
  const urls = [`${port(source)}/db`, `${port(target)}/db`]
  t.match(await run(urls), { status: 1, err: /db: the source says not_found: Database does not exist/ })
  await ask(source, 'PUT /db')
  const wrong = { ...CREDENTIALS, DAVENPORT_MIGRATE_TARGET: 'admin:wrong-password' }
  const refused = await run(urls, wrong)
  t.equal(refused.status, 1)
  t.match(refused.err, /^davenport: db: /)
  t.notMatch(refused.err + refused.out, 'wrong-password')
  t.match(await run(['x', 'y']), { status: 2, err: /SOURCE must be a URL/ })
  t.match(await run([`${port(source)}/db`]), { status: 2, err: /migrate takes SOURCE and TARGET/ })
  const nobody = await run(['http://127.0.0.1:1/db', `${port(target)}/db`], {
    ...CREDENTIALS,
    DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '0',
  })
  t.match(nobody, { status: 1, err: /ECONNREFUSED/ })
})
