/** Replications between databases of one server and of two, and with PouchDB: all ends have equal trees. */
import t, { type Test } from 'tap'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'
import { until } from '../support/until.ts'

t.setTimeout(0)

const LONG_BYTES = 50 * 1024 * 1024

async function make({ url }: TestServer, database: string): Promise<void> {
  t.equal((await call(url, 'PUT', `/${database}`)).status, 201)
}

async function upload({ url }: TestServer, path: string, type: string, bytes: Buffer): Promise<void> {
  const { origin, username, password } = new URL(url)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const answer = await fetch(origin + path, {
    method: 'PUT',
    headers: { authorization, 'content-type': type },
    body: new Uint8Array(bytes),
  })
  t.equal(answer.status, 201, await answer.text())
}

/** Conflicts, tombstones, histories, numbers of any form, design documents, attachments from none to `longBytes`. */
async function fill(server: TestServer, database: string, longBytes: number): Promise<void> {
  const { url } = server
  const docs = Array.from({ length: 250 }, (_, at) => ({ _id: `plain-${at}`, at, text: 'x'.repeat(at * 7) }))
  await call(url, 'POST', `/${database}/_bulk_docs`, { docs })
  const forked = ['a', 'b', 'c'].flatMap((id) =>
    ['1', '2', '3'].map((end) => ({
      _id: `forked-${id}`,
      _revisions: { start: 2, ids: [`${end}${'0'.repeat(31)}`, 'f'.repeat(32)] },
      _deleted: end === '3',
      end,
    })),
  )
  await call(url, 'POST', `/${database}/_bulk_docs`, { new_edits: false, docs: forked })
  await call(url, 'PUT', `/${database}/gone`, { n: 1 })
  const gone = await call(url, 'GET', `/${database}/gone`)
  await call(url, 'DELETE', `/${database}/gone?rev=${String(gone.body['_rev'])}`)
  await call(url, 'PUT', `/${database}/${encodeURIComponent('é +%/"')}`, { any: 'é\u2028"\\' })
  await call(url, 'PUT', `/${database}/_design/d`, {
    filters: { odd: 'function (doc) { return doc.at % 2 === 1 }' },
  })
  const lengths = [0, 1, 100, 64 * 1024, 64 * 1024 + 1, 300_000]
  for (const [at, length] of lengths.entries()) {
    await upload(
      server,
      `/${database}/attached-${at}/${at}.bin`,
      'application/octet-stream',
      Buffer.alloc(length, at),
    )
    await upload(server, `/${database}/packed-${at}/${at}.txt`, 'text/plain', Buffer.alloc(length, 'text '))
  }
  await upload(
    server,
    `/${database}/long/long.bin`,
    'application/octet-stream',
    Buffer.alloc(longBytes, 'long'),
  )
}

interface Sides {
  source: TestServer
  target: TestServer
  runner: TestServer
  /** What `_replicate` of the runner is told. */
  from: string
  to: string
}

/** `name` says where the source and the target are, seen from who replicates. */
async function sides(t: Test, name: string): Promise<Sides> {
  const here = await startTestServer()
  const there = name === 'local to local' ? here : await startTestServer()
  t.teardown(async () => {
    await here.stop(0)
    if (there !== here) await there.stop(0)
  })
  if (name === 'local to local') return { source: here, target: here, runner: here, from: 'from', to: 'to' }
  if (name === 'local to remote') {
    return { source: here, target: there, runner: here, from: 'from', to: `${there.url}/to` }
  }
  return { source: there, target: here, runner: here, from: `${there.url}/from`, to: 'to' }
}

for (const name of ['local to local', 'local to remote', 'remote to local']) {
  t.test(name, async (t) => {
    const { source, target, runner, from, to } = await sides(t, name)
    await make(source, 'from')
    await fill(source, 'from', name === 'local to local' ? 1_000_000 : LONG_BYTES)
    const replicate = () =>
      call(runner.url, 'POST', '/_replicate', { source: from, target: to, create_target: true })
    const first = await replicate()
    t.equal(first.status, 200, JSON.stringify(first.body))
    t.equal(await treesDigest(target.url, 'to'), await treesDigest(source.url, 'from'), 'equal trees')
    const [entry] = first.body['history'] as Record<string, number>[]
    t.equal(entry!['doc_write_failures'], 0)
    t.equal(entry!['docs_written'], entry!['missing_found'], 'each once')
    t.equal((await replicate()).body['no_changes'], true)
    const before = entry!['docs_written']!
    const long = await call(source.url, 'GET', '/from/long')
    await call(source.url, 'PUT', '/from/long', { ...long.body, more: 1 })
    const second = await replicate()
    const [next] = second.body['history'] as Record<string, number>[]
    t.equal(next!['docs_written'], before + 1, 'only what is new')
    t.equal(await treesDigest(target.url, 'to'), await treesDigest(source.url, 'from'))
    t.notMatch(JSON.stringify([first, second]) + [...source.lines, ...target.lines].join('\n'), /secret/)
  })
}

t.test('continuous, both ways, with conflicts made on both sides', async (t) => {
  const { source, target, runner, from, to } = await sides(t, 'local to remote')
  await make(source, 'from')
  await make(target, 'to')
  const start = (a: string, b: string) =>
    call(runner.url, 'POST', '/_replicate', { source: a, target: b, continuous: true })
  const there = await start(from, to)
  t.equal(there.status, 202)
  const back = await start(to, from)
  for (let n = 0; n < 20; n++) {
    await call(source.url, 'PUT', `/from/both-${n}`, { side: 'source', n })
    await call(target.url, 'PUT', `/to/both-${n}`, { side: 'target', n })
  }
  await until('both sides are equal', async () => {
    const a = await call(source.url, 'GET', '/from')
    const digests = [await treesDigest(source.url, 'from'), await treesDigest(target.url, 'to')]
    return a.body['doc_count'] === 20 && digests[0] === digests[1]
  })
  const tasks = await call(runner.url, 'GET', '/_active_tasks')
  const listed = tasks.body as unknown as Record<string, unknown>[]
  t.same(
    listed.map(({ type }) => type),
    ['replication', 'replication'],
  )
  t.equal(listed[0]!['replication_id'], there.body['_local_id'])
  t.match(listed[0], { continuous: true, doc_id: null, doc_write_failures: 0, docs_written: Number })
  t.notMatch(JSON.stringify(listed), /secret/)
  for (const { body } of [there, back]) {
    const ended = await call(runner.url, 'POST', '/_replicate', { cancel: true, id: body['_local_id'] })
    t.same(ended.body, { ok: true, _local_id: body['_local_id'] })
  }
  t.equal(
    (await call(runner.url, 'POST', '/_replicate', { cancel: true, id: there.body['_local_id'] })).status,
    404,
  )
})

t.test('some of the documents: by ids, by a selector, by a function, winners alone', async (t) => {
  for (const name of ['local to local', 'remote to local']) {
    const { source, target, runner, from } = await sides(t, name)
    await make(source, 'from')
    await fill(source, 'from', 0)
    const ids = async (body: object, to: string): Promise<string[]> => {
      const made = await call(runner.url, 'POST', '/_replicate', {
        source: from,
        target: to,
        create_target: true,
        ...body,
      })
      t.equal(made.status, 200, JSON.stringify(made.body))
      const { body: all } = await call(target.url, 'GET', `/${to}/_all_docs`)
      return (all['rows'] as { id: string }[]).map(({ id }) => id)
    }
    t.same(await ids({ doc_ids: ['plain-1', 'absent', 'long'] }, 'by-ids'), ['long', 'plain-1'])
    for (const doc_ids of [[], ['absent'], ['absent']]) {
      const json = { source: from, target: 'by-ids', doc_ids }
      const { body } = await call(runner.url, 'POST', '/_replicate', json)
      t.match(body, { ok: true, no_changes: true }, `${name}: nothing to replicate is told`)
    }
    t.same(await ids({ selector: { at: { $lt: 3 } } }, 'by-selector'), ['plain-0', 'plain-1', 'plain-2'])
    t.equal((await ids({ filter: 'd/odd' }, 'by-function')).length, 125)
    await ids({ winning_revs_only: true }, 'winners')
    const forked = await call(target.url, 'GET', '/winners/forked-a?conflicts=true')
    t.notOk('_conflicts' in forked.body)
    await ids({ since_seq: (await call(source.url, 'GET', '/from')).body['update_seq'] }, 'since')
    t.equal((await call(target.url, 'GET', '/since')).body['doc_count'], 0)
  }
})

t.test('a sequence to begin at counts until there is a checkpoint', async (t) => {
  const { source, target, runner, from } = await sides(t, 'local to local')
  await make(source, 'from')
  await make(target, 'to')
  await call(source.url, 'PUT', '/from/before', {})
  const { update_seq: since_seq } = (await call(source.url, 'GET', '/from')).body
  const run = async (more: object) => {
    const { body } = await call(runner.url, 'POST', '/_replicate', { source: from, target: 'to', ...more })
    const [last] = (body['history'] ?? []) as Record<string, unknown>[]
    return [body['no_changes'] ?? false, last?.['start_last_seq'], last?.['docs_written']]
  }
  await call(source.url, 'PUT', '/from/behind', {})
  t.same(await run({ since_seq }), [false, since_seq, 1])
  const { update_seq: reached } = (await call(source.url, 'GET', '/from')).body
  await call(source.url, 'PUT', '/from/later', {})
  t.same(await run({ since_seq }), [false, reached, 2], 'it goes on from its checkpoint')
  t.equal((await run({ since_seq }))[0], true)
  t.same(await run({}), [false, 0, 1], 'without one it is another replication')
})

t.test('documents with long ids stay behind', async (t) => {
  const { source, target, runner, from } = await sides(t, 'remote to local')
  await make(source, 'from')
  for (const id of ['short', 'x'.repeat(11), 'é'.repeat(5)]) await call(source.url, 'PUT', `/from/${id}`, {})
  await call(runner.url, 'PUT', '/_node/_local/_config/replicator/max_document_id_length', '10')
  const job = { source: from, target: 'to', create_target: true }
  const { body } = await call(runner.url, 'POST', '/_replicate', job)
  t.match(body, { ok: true, history: [{ doc_write_failures: 1, docs_written: 2, missing_checked: 2 }] })
  t.equal((await call(target.url, 'GET', '/to')).body['doc_count'], 2)
})
