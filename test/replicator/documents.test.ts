import t, { type Test } from 'tap'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { FakeReplications } from '../support/fake-replications.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'pass-that-nobody-sees'
const SOURCE = { url: 'http://a.test/db', headers: { Authorization: `Bearer ${PASSWORD}` } }
const TARGET = { url: `http://user:${PASSWORD}@b.test/db` }

interface Fixture {
  server: TestServer
  fake: FakeReplications
}

async function start(t: Test, options: TestServerOptions = {}): Promise<Fixture> {
  const fake = new FakeReplications()
  const server = await startTestServer({ replications: fake, ...options })
  t.teardown(() => server.stop())
  return { server, fake }
}

async function put(server: TestServer, path: string, json: unknown, as?: string | null): Promise<Reply> {
  return ask(server, `PUT ${path}`, as === undefined ? { json } : { json, as })
}

async function get(server: TestServer, path: string): Promise<Record<string, unknown>> {
  return (await ask(server, `GET ${path}`)).json as Record<string, unknown>
}

async function stateIs(server: TestServer, path: string, state: string | undefined): Promise<void> {
  await until(
    `${path} is ${state}`,
    async () => (await get(server, `/_scheduler/docs/${path}`))['state'] === state,
  )
}

t.test('a document whose replication comes to its end', async (t) => {
  const { server, fake } = await start(t)
  t.equal((await put(server, '/_replicator/a', { source: SOURCE, target: TARGET, note: 1 })).status, 201)
  await stateIs(server, '_replicator/a', 'running')
  const [replication] = fake.begun
  t.match(replication!.job, {
    owner: { name: 'admin', roles: ['_admin'] },
    origin: { database: '_replicator', docId: 'a' },
    target: { basic: { user: 'user', password: PASSWORD } },
  })
  const jobs = await get(server, '/_scheduler/jobs')
  const job = {
    database: '_replicator',
    id: replication!.id.base,
    pid: /^<0\.\d+\.0>$/,
    source: 'http://a.test/db/',
    target: 'http://b.test/db/',
    user: 'admin',
    doc_id: 'a',
    info: { docs_read: 0 },
    history: [{ type: 'started' }, { type: 'added' }],
    node: 'nonode@nohost',
  }
  t.match(jobs, { total_rows: 1, offset: 0, jobs: [job] })
  t.match(await get(server, `/_scheduler/jobs/${replication!.id.base}`), job)
  replication!.complete({ docs_read: 3, docs_written: 2, doc_write_failures: 1, source_seq: '9-x' })
  await stateIs(server, '_replicator/a', 'completed')
  const statistics = {
    revisions_checked: 0,
    missing_revisions_found: 0,
    docs_read: 3,
    docs_written: 2,
    changes_pending: null,
    doc_write_failures: 1,
    bulk_get_docs: 0,
    bulk_get_attempts: 0,
    checkpointed_source_seq: 0,
  }
  const { start_time, last_updated, ...info } = await get(server, '/_scheduler/docs/_replicator/a')
  t.strictSame(info, {
    database: '_replicator',
    doc_id: 'a',
    id: null,
    source: 'http://a.test/db/',
    target: 'http://b.test/db/',
    state: 'completed',
    error_count: 0,
    info: statistics,
  })
  t.match(start_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  t.match(last_updated, /Z$/)
  const { _id, _rev, _replication_state_time, ...document } = await get(server, '/_replicator/a')
  t.match(_rev, /^2-/)
  t.strictSame(document, {
    source: SOURCE,
    target: TARGET,
    note: 1,
    owner: 'admin',
    _replication_state: 'completed',
    _replication_stats: { ...statistics, start_time },
  })
  t.match(await get(server, '/_scheduler/jobs'), { total_rows: 0, jobs: [] })
  t.equal((await ask(server, `GET /_scheduler/jobs/${replication!.id.base}`)).status, 404)
  t.equal((await ask(server, `DELETE /_replicator/a?rev=${_rev as string}`)).status, 200)
  t.equal((await ask(server, 'GET /_scheduler/docs/_replicator/a')).status, 404)
})

t.test('one that fails rests, and is told of without its credentials', async (t) => {
  const { server, fake } = await start(t)
  await put(server, '/_replicator/a', { source: SOURCE, target: TARGET, continuous: true })
  await stateIs(server, '_replicator/a', 'running')
  fake.begun[0]!.fail('db_not_found', 'could not open http://a.test/db/')
  await stateIs(server, '_replicator/a', 'crashing')
  t.match(await get(server, '/_scheduler/docs/_replicator/a'), {
    error_count: 1,
    info: { error: 'db_not_found: could not open http://a.test/db/' },
    source: 'http://a.test/db/',
    source_proxy: null,
    id: `${fake.begun[0]!.id.base}+continuous`,
  })
  const { _replication_state } = await get(server, '/_replicator/a')
  t.equal(_replication_state, undefined, 'what may go well later is not written down')
  const shown = [
    (await ask(server, 'GET /_scheduler/docs')).text,
    (await ask(server, 'GET /_scheduler/docs?states=crashing')).text,
    (await ask(server, 'GET /_scheduler/jobs')).text,
    (await ask(server, 'GET /_active_tasks')).text,
  ]
  t.notMatch([...shown, ...server.lines].join('\n'), PASSWORD)
})

t.test('with update_docs a document says how it goes', async (t) => {
  const { server, fake } = await start(t, { config: { DAVENPORT_REPLICATOR__UPDATE_DOCS: 'true' } })
  const says = (id: string, state: string) =>
    until(
      `${id} is ${state}`,
      async () => (await get(server, `/_replicator/${id}`))['_replication_state'] === state,
    )
  await put(server, '/_replicator/a', { source: SOURCE, target: TARGET, continuous: true })
  await says('a', 'triggered')
  const [first] = fake.begun
  const id = `${first!.id.base}+continuous`
  t.match(await get(server, '/_replicator/a'), { _replication_id: id, _replication_state_time: /Z$/ })
  first!.fail('db_not_found', 'could not open http://a.test/db/')
  await says('a', 'error')
  t.match(await get(server, '/_replicator/a'), {
    _replication_id: id,
    _replication_state_reason: 'could not open http://a.test/db/',
  })
  t.equal(fake.begun.length, 1, 'what is noted begins nothing')

  await put(server, '/_replicator/b', { source: SOURCE, target: TARGET, doc_ids: ['b'] })
  await says('b', 'triggered')
  fake.begun[1]!.complete()
  await says('b', 'completed')
  t.match(await get(server, '/_replicator/b'), {
    _replication_id: fake.begun[1]!.id.base,
    _replication_stats: { docs_read: 0 },
  })

  fake.filterCode = undefined
  await put(server, '/_replicator/c', { source: SOURCE, target: TARGET, filter: 'd/f' })
  await says('c', 'error')
  t.match(await get(server, '/_replicator/c'), {
    _replication_id: null,
    _replication_state_reason: /no filter|failure/,
  })
})

t.test('changes begin anew what they change; deletions end it', async (t) => {
  const { server, fake } = await start(t)
  const document = { source: SOURCE, target: TARGET, continuous: true }
  const first = (await put(server, '/_replicator/a', document)).json as { rev: string }
  await until('it has begun', () => fake.running.length === 1)
  const noted = (await put(server, '/_replicator/a', { ...document, _rev: first.rev, note: 'a' })).json as {
    rev: string
  }
  const changed = (
    await put(server, '/_replicator/a', { ...document, _rev: noted.rev, since_seq: '4', create_target: true })
  ).json as { rev: string }
  await until('another one has begun', () => fake.begun.length === 2 && fake.running.length === 1)
  t.equal(fake.begun[1]!.job.options.sinceSeq, '4', 'the note alone has begun nothing')
  await ask(server, `DELETE /_replicator/a?rev=${changed.rev}`)
  await until('it has ended', () => fake.running.length === 0)
  t.match(await get(server, '/_scheduler/jobs'), { total_rows: 0 })

  t.equal((await ask(server, 'PUT /x%2F_replicator')).status, 201)
  await put(server, '/x%2F_replicator/b', document)
  await until('one of another database has begun', () => fake.running.length === 1)
  for (const path of ['x/_replicator/b', 'x%2F_replicator/b']) {
    t.match(await get(server, `/_scheduler/docs/${path}`), { database: 'x/_replicator', state: 'running' })
  }
  t.match(await get(server, '/_scheduler/docs/x/_replicator'), { total_rows: 1, docs: [{ doc_id: 'b' }] })
  await ask(server, 'DELETE /x%2F_replicator')
  await until('it has ended with its database', () => fake.running.length === 0)
  t.equal((await ask(server, 'GET /_scheduler/docs/x/_replicator')).status, 404)
})

t.test('what has completed or failed begins again when its state is taken away', async (t) => {
  const { server, fake } = await start(t)
  fake.onStart = (replication) => replication.complete()
  await put(server, '/_replicator/a', { source: SOURCE, target: TARGET })
  await stateIs(server, '_replicator/a', 'completed')
  const { _rev, ...document } = await get(server, '/_replicator/a')
  await put(server, '/_replicator/a', { ...document, _rev, note: 1 })
  const { _rev: next } = await get(server, '/_replicator/a')
  await put(server, '/_replicator/a', { _rev: next, source: SOURCE, target: TARGET })
  await until('it has run twice', () => fake.begun.length === 2)
  await stateIs(server, '_replicator/a', 'completed')
  t.equal(fake.begun.length, 2)
})

t.test('a document that makes no sense has failed', async (t) => {
  const { server, fake } = await start(t)
  const replicated = { _id: 'a', _rev: '1-a', source: 'http://a.test/db', doc_ids: 'x' }
  await ask(server, 'POST /_replicator/_bulk_docs', { json: { new_edits: false, docs: [replicated] } })
  await stateIs(server, '_replicator/a', 'failed')
  t.match(await get(server, '/_scheduler/docs/_replicator/a'), {
    error_count: 1,
    info: { error: '{throw,{bad_request,<<"parameter `doc_ids` must be an array">>}}' },
    source: 'http://a.test/db/',
    target: null,
  })
  t.match(await get(server, '/_replicator/a'), {
    _replication_state: 'failed',
    _replication_state_reason: /doc_ids/,
    _replication_state_time: /Z$/,
  })
  t.equal(fake.begun.length, 0)
})

t.test('two documents that ask for the same', async (t) => {
  const { server, fake } = await start(t)
  await put(server, '/_replicator/a', { source: SOURCE, target: TARGET })
  await stateIs(server, '_replicator/a', 'running')
  await put(server, '/_replicator/b', { source: SOURCE, target: TARGET })
  await stateIs(server, '_replicator/b', 'failed')
  t.match(await get(server, '/_replicator/b'), {
    _replication_state_reason: `Replication \`${fake.begun[0]!.id.base}\` specified by document \`b\` already started, triggered by document \`a\` from db \`_replicator\``,
  })
  t.equal(fake.begun.length, 1)
})

t.test('a filter that cannot be had', async (t) => {
  const { server, fake } = await start(t)
  fake.filterCode = undefined
  await put(server, '/_replicator/a', { source: SOURCE, target: TARGET, filter: 'd/f' })
  await stateIs(server, '_replicator/a', 'error')
  const info = await get(server, '/_scheduler/docs/_replicator/a')
  t.match(info, { error_count: 1, info: { error: /no filter/ }, id: null })
  t.notOk('source' in info)
})

t.test('the server stops, and goes on where it was', async (t) => {
  const dataDir = t.testdir()
  const fake = new FakeReplications()
  const before = await startTestServer({ replications: fake, dataDir })
  await ask(before, 'PUT /x%2F_replicator')
  await put(before, '/_replicator/a', { source: SOURCE, target: TARGET, continuous: true })
  await put(before, '/x%2F_replicator/b', { source: SOURCE, target: TARGET })
  await put(before, '/_replicator/c', { source: 'http://c.test/', target: TARGET })
  await until('all have begun', () => fake.running.length === 3)
  fake.begun.find(({ job }) => job.origin!.docId === 'c')!.complete()
  await stateIs(before, '_replicator/c', 'completed')
  await before.stop()
  t.equal(fake.running.length, 0)

  const { server, fake: again } = await start(t, { dataDir })
  await until('those that had not ended have begun', () => again.running.length === 2)
  t.same(again.begun.map(({ job }) => job.origin!.docId).sort(), ['a', 'b'])
  await stateIs(server, '_replicator/c', 'completed')
})

t.test("a filter's code is looked at again each minute; another one is another replication", async (t) => {
  const timers = new Set<() => void>()
  const clock: Clock = {
    ...systemClock,
    after(delayMs, callback) {
      if (delayMs <= 60_000 || delayMs > 62_000) return systemClock.after(delayMs, callback)
      timers.add(callback)
      return () => timers.delete(callback)
    },
  }
  const { server, fake } = await start(t, { clock })
  const pass = (): void => {
    const due = [...timers]
    timers.clear()
    for (const each of due) each()
  }
  const job = { source: SOURCE, target: TARGET, continuous: true }
  await put(server, '/_replicator/plain', job)
  await put(server, '/_replicator/filtered', { ...job, filter: 'd/f' })
  await until('both run', () => fake.running.length === 2)
  t.equal(timers.size, 1)
  const [first] = fake.begun.filter(({ job: { origin } }) => origin!.docId === 'filtered')
  for (const code of [fake.filterCode, undefined, fake.filterCode]) {
    fake.filterCode = code
    const { ids } = fake
    pass()
    await until('it has been looked at', () => fake.ids > ids && timers.size === 1)
    t.equal(first!.isRunning, true, 'the same code, or none that can be had, ends nothing')
  }
  fake.filterCode = 'function (doc) { return false }'
  pass()
  await until('another one runs', () => fake.begun.length === 3 && fake.running.length === 2)
  t.equal(first!.isRunning, false)
  const { id } = fake.begun[2]!
  t.not(id.base, first!.id.base)
  t.match(await get(server, '/_scheduler/docs/_replicator/filtered'), {
    state: 'running',
    id: `${id.base}+continuous`,
    error_count: 0,
  })
  t.equal(timers.size, 1, 'it is looked at again, too')
  const { _rev } = await get(server, '/_replicator/filtered')
  await ask(server, `DELETE /_replicator/filtered?rev=${_rev as string}`)
  await until('nobody looks any more', () => timers.size === 0)
})

t.test('replications of requests are told of among those of documents', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  for (const name of ['a', 'b', 'c']) await ask(server, `PUT /${name}`)
  const wish = { source: 'a', target: 'b', continuous: true }
  const { status, json } = await ask(server, 'POST /_replicate', { json: wish })
  t.equal(status, 202)
  const { _local_id: id } = json as { _local_id: string }
  await put(server, '/_replicator/same', wish)
  await put(server, '/_replicator/other', { ...wish, target: 'c' })
  await stateIs(server, '_replicator/other', 'running')
  await stateIs(server, '_replicator/same', 'error')
  t.match(await get(server, '/_scheduler/docs/_replicator/same'), {
    info: { error: /transient replication/ },
  })
  const { jobs, total_rows } = (await get(server, '/_scheduler/jobs')) as {
    jobs: { id: string; database: string | null }[]
    total_rows: number
  }
  t.equal(total_rows, 2)
  t.same(
    jobs.map((job) => job.id),
    jobs.map((job) => job.id).sort(),
  )
  t.match(
    jobs.find((job) => job.id === id),
    { database: null, doc_id: null, user: 'admin', source: 'a', target: 'b' },
  )
  t.match(await get(server, `/_scheduler/jobs/${id}`), { id, pid: /^</, history: [{ type: 'started' }, {}] })
  const pages = await Promise.all(
    [0, 1, 2].map((skip) => get(server, `/_scheduler/jobs?limit=1&skip=${skip}`)),
  )
  t.same(
    pages.map((page) => (page['jobs'] as { id: string }[]).map((job) => job.id)),
    [[jobs[0]!.id], [jobs[1]!.id], []],
  )
  t.equal((await ask(server, 'POST /_replicate', { json: { ...wish, cancel: true } })).status, 200)
  t.match(await get(server, '/_scheduler/jobs'), { total_rows: 1 })
})
