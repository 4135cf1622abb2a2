/**
 * No checkpoint passes a document that was not written: peers that list documents and do not give them, or do not take them, for
 * reasons that are not the document's. Each ends; when the peer has come to its senses, all is there.
 */
import t, { type Test } from 'tap'
import { commonAncestry } from '../../src/replication/checkpoints.ts'
import { type Edit, type EditedAnswer, jsonAnswer, startEditingProxy } from '../support/editing-proxy.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

const DOCUMENTS = 7

interface Peers {
  readonly own: TestServer
  /** With credentials and the database. */
  source(edit: Edit): Promise<string>
  target(edit: Edit): Promise<string>
}

async function peers(t: Test): Promise<Peers> {
  const own = await startTestServer({ config: { DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '1' } })
  t.teardown(() => own.stop(0))
  await call(own.url, 'PUT', '/source')
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: `d${n}`, n }))
  await call(own.url, 'POST', '/source/_bulk_docs', { docs })
  const port = Number(new URL(own.url).port)
  const at = (name: string) => async (edit: Edit) => {
    const url = await startEditingProxy(t, port, edit)
    return `${url.replace('://', '://admin:secret@')}/${name}`
  }
  await call(own.url, 'PUT', '/target')
  return { own, source: at('source'), target: at('target') }
}

const asJson = ({ body }: EditedAnswer) => JSON.parse(body.toString()) as Record<string, unknown>

const batches = { worker_batch_size: 3, connection_timeout: 5000 }

/** Replicates until it fails, then without the fault. */
async function failsThenBringsAll(
  t: Test,
  { own, source, target }: Peers,
  side: 'source' | 'target',
  fault: Edit,
): Promise<void> {
  let isHonest = false
  const edit: Edit = (asked, forward) => (isHonest ? undefined : fault(asked, forward))
  const job = {
    source: side === 'source' ? await source(edit) : 'source',
    target: side === 'target' ? await target(edit) : 'target',
    ...batches,
  }
  const failed = await call(own.url, 'POST', '/_replicate', job)
  t.ok(failed.status >= 400, JSON.stringify(failed.body))
  t.notMatch(JSON.stringify(failed.body), /secret/)
  isHonest = true
  const { status, body } = await call(own.url, 'POST', '/_replicate', job)
  t.equal(status, 200, JSON.stringify(body))
  const [entry] = body['history'] as Record<string, number>[]
  t.equal(entry!['doc_write_failures'], 0)
  t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'))
}

const html = (status: number): EditedAnswer => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: '<html>no</html>',
})

const denied = { error: 'forbidden', reason: 'You are not allowed to access this db.' }

t.test('a source that does not give one of its documents', async (t) => {
  const answers: Record<string, EditedAnswer> = {
    forbidden: jsonAnswer(denied, 403),
    unauthorized: jsonAnswer({ error: 'unauthorized', reason: 'You are not authorized' }, 401),
    'bad request': jsonAnswer({ error: 'bad_request', reason: 'no' }, 400),
    'a page in its place': html(403),
    'a redirect to nowhere': { status: 303, body: '' },
  }
  for (const [kind, answer] of Object.entries(answers)) {
    await t.test(kind, async (t) =>
      failsThenBringsAll(t, await peers(t), 'source', ({ method, path }) => {
        if (path === '_bulk_get') return jsonAnswer({ error: 'not_found', reason: 'missing' }, 404)
        return method === 'GET' && path === 'd5' ? answer : undefined
      }),
    )
  }
})

t.test('an error for one of many is no word about the document: it is asked for alone', async (t) => {
  for (const error of ['internal_server_error', 'timeout', 'forbidden']) {
    const { own, source } = await peers(t)
    const from = await source(async ({ path, body, method }, forward) => {
      if (path !== '_bulk_get' || method !== 'POST') return forward()
      const { docs } = JSON.parse(body.toString()) as { docs: { id: string; rev: string }[] }
      return jsonAnswer({
        results: docs.map(({ id, rev }) => ({ id, docs: [{ error: { id, rev, error, reason: 'busy' } }] })),
      })
    })
    const { body } = await call(own.url, 'POST', '/_replicate', {
      source: from,
      target: 'target',
      ...batches,
    })
    t.match((body['history'] as unknown[])[0], {
      ...{ docs_read: DOCUMENTS, docs_written: DOCUMENTS, doc_write_failures: 0, bulk_get_docs: 0 },
    })
    t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'))
  }
})

t.test('what a limit cut off is asked for, whatever the last sequence is said to be', async (t) => {
  for (const [kind, edit] of Object.entries<(told: Record<string, unknown>, last: unknown) => unknown>({
    'the sequence of the database': (told, last) => ({ ...told, last_seq: last }),
    'the same, and nothing more to come': ({ pending: _pending, ...told }, last) => ({
      ...told,
      last_seq: last,
    }),
  })) {
    const { own, source } = await peers(t)
    const { body } = await call(own.url, 'GET', '/source')
    const from = await source(async ({ path }, forward) => {
      const answer = await forward()
      return path === '_changes' ? jsonAnswer(edit(asJson(answer), body['update_seq'])) : answer
    })
    const done = await call(own.url, 'POST', '/_replicate', { source: from, target: 'target', ...batches })
    t.equal(done.status, 200, JSON.stringify(done.body))
    t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'), kind)
  }
})

t.test('a source that gives fewer changes than it is asked for', async (t) => {
  const { own, source } = await peers(t)
  const from = await source(({ path, query }, forward) => {
    if (path !== '_changes') return undefined
    query.set('limit', '1')
    return forward({ query })
  })
  const { status } = await call(own.url, 'POST', '/_replicate', {
    source: from,
    target: 'target',
    ...batches,
  })
  t.equal(status, 200)
  t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'))
})

t.test('changes that go round in a circle come to an end', async (t) => {
  const { own, source } = await peers(t)
  const rows = ['d0', 'd1'].map((id, n) => ({ id, seq: n + 1, changes: [{ rev: '1-a' }] }))
  const from = await source(({ path, query }) => {
    if (path !== '_changes') return undefined
    const row = query.get('since') === '1' ? rows[1]! : rows[0]!
    return jsonAnswer({ results: [row], last_seq: row.seq, pending: 5 })
  })
  await call(own.url, 'POST', '/target/_bulk_docs', {
    new_edits: false,
    docs: rows.map(({ id }) => ({ _id: id, _rev: '1-a' })),
  })
  const { status, body } = await call(own.url, 'POST', '/_replicate', {
    ...{ source: from, target: 'target', ...batches },
  })
  t.equal(status, 500)
  t.match(body['reason'], /do not go on/)
})

t.test('a target that does not take documents for reasons of its own', async (t) => {
  const isWrite = (method: string, path: string): boolean => method === 'POST' && path === '_bulk_docs'
  for (const [kind, answer] of Object.entries<EditedAnswer>({
    'a page that refuses': html(403),
    'a page that finds fault': html(400),
    'no such method': jsonAnswer({ error: 'method_not_allowed', reason: 'Only GET allowed' }, 405),
    'somebody in between': jsonAnswer({ error: 'proxy', reason: 'sign in' }, 407),
  })) {
    await t.test(kind, async (t) =>
      failsThenBringsAll(t, await peers(t), 'target', ({ method, path }) =>
        isWrite(method, path) ? answer : undefined,
      ),
    )
  }
  await t.test('a user who may not write any more', async (t) => {
    let isDenied = false
    await failsThenBringsAll(t, await peers(t), 'target', ({ method, path }) => {
      isDenied ||= isWrite(method, path)
      return isDenied ? jsonAnswer(denied, 403) : undefined
    })
  })
  await t.test('a commit that is none', async (t) =>
    failsThenBringsAll(t, await peers(t), 'target', ({ path }) =>
      path === '_ensure_full_commit' ? jsonAnswer({ error: 'bad_request', reason: 'no' }, 400) : undefined,
    ),
  )
})

t.test('a document that a target cannot write for now is sent again, and counted once', async (t) => {
  const { own, target } = await peers(t)
  let left = 2
  const to = await target(async ({ path, body }, forward) => {
    if (path === 'd2' && left-- > 0) return jsonAnswer({ error: 'timeout', reason: 'busy' }, 500)
    if (path !== '_bulk_docs') return forward()
    const said = JSON.parse(body.toString()) as { docs: { _id: string; _rev: string }[] }
    const docs = said.docs.filter(({ _id }) => _id !== 'd2')
    const answer = await forward({ body: JSON.stringify({ ...said, docs }) })
    const busy = said.docs.find(({ _id }) => _id === 'd2')
    if (busy === undefined) return answer
    const { _id: id, _rev: rev } = busy
    const errors = [{ id, rev, error: 'internal_server_error', reason: 'no shard answered' }]
    return { ...answer, body: JSON.stringify([...(asJson(answer) as unknown as unknown[]), ...errors]) }
  })
  const { body } = await call(own.url, 'POST', '/_replicate', {
    ...{ source: 'source', target: to, retries_per_request: 5 },
  })
  t.match((body['history'] as unknown[])[0], {
    ...{ docs_read: DOCUMENTS, docs_written: DOCUMENTS, doc_write_failures: 0 },
  })
  t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'))
})

t.test('design documents go alone to a peer, which says of each what is wrong with it', async (t) => {
  const { own, target } = await peers(t)
  const inline = { a: { content_type: 'text/plain', data: 'aGVsbG8=' } }
  await call(own.url, 'PUT', '/source/_design/plain', { views: {} })
  await call(own.url, 'PUT', '/source/_design/attached', { _attachments: inline })
  await call(own.url, 'PUT', '/_users/org.couchdb.user:ann', {
    ...{ name: 'ann', password: 'pass', roles: [], type: 'user' },
  })
  await call(own.url, 'PUT', '/target/_security', { members: { names: ['ann'] }, admins: {} })
  // As CouchDB 1 does.
  const edit: Edit = ({ path, body }) =>
    path === '_bulk_docs' && body.includes('"_design/')
      ? jsonAnswer({ error: 'unauthorized', reason: 'You are not a server admin.' }, 401)
      : undefined
  const to = (await target(edit)).replace('admin:secret@', 'ann:pass@')
  const { status, body } = await call(own.url, 'POST', '/_replicate', { source: 'source', target: to })
  t.equal(status, 200, JSON.stringify(body))
  t.match((body['history'] as unknown[])[0], { docs_written: DOCUMENTS, doc_write_failures: 2 })
})

t.test(
  'a peer that has moved is asked where it is, attachments included, and gets no credentials',
  async (t) => {
    for (const status of [301, 302, 307, 308]) {
      const { own, source, target } = await peers(t)
      const long = { a: { content_type: 'image/png', data: Buffer.alloc(100_000, 'x').toString('base64') } }
      await call(own.url, 'PUT', '/source/long', { _attachments: long })
      const seen: unknown[] = []
      const { authorization } = own
      const port = Number(new URL(own.url).port)
      const elsewhere = await startEditingProxy(t, port, ({ headers }) => {
        seen.push(headers.authorization, headers.cookie)
        headers.authorization = authorization
        return undefined
      })
      const moved =
        (database: string): Edit =>
        ({ path, query }) => ({
          ...{ status, headers: { location: `${elsewhere}/${database}/${path}?${query}` }, body: '' },
        })
      const from = await source(moved('source'))
      const to = await target(moved('target'))
      const done = await call(own.url, 'POST', '/_replicate', { source: from, target: to, ...batches })
      t.equal(done.status, 200, JSON.stringify(done.body))
      t.equal(await treesDigest(own.url, 'target'), await treesDigest(own.url, 'source'))
      t.ok(seen.length > 0)
      t.same([...new Set(seen)], [undefined])
    }
  },
)

t.test(
  'a checkpoint that a peer refuses again and again, as if it were ours each time, comes to an end',
  async (t) => {
    const { own, target } = await peers(t)
    let puts = 0
    let sent: Record<string, unknown> = {}
    const to = await target(({ method, path, body }) => {
      if (!path.startsWith('_local/')) return undefined
      if (method === 'GET') {
        if (puts === 0) return jsonAnswer({ error: 'not_found', reason: 'missing' }, 404)
        return jsonAnswer({ ...sent, _rev: `0-${puts}`, source_last_seq: 'another' })
      }
      puts += 1
      sent = asJson({ status: 200, body })
      return jsonAnswer({ error: 'conflict', reason: 'Document update conflict.' }, 409)
    })
    const { status, body } = await call(own.url, 'POST', '/_replicate', { source: 'source', target: to })
    t.equal(status, 500)
    t.equal(body['error'], 'checkpoint_commit_failure')
    // Once at the end, and once more before it gives up.
    t.ok(puts > 2 && puts <= 12, `${puts} times`)
  },
)

t.test('where both sides differ about a session, the earlier sequence counts', async (t) => {
  const log = (session: string, seq: unknown, history: unknown[] = []) => ({
    session_id: session,
    source_last_seq: seq,
    history: [{ session_id: session, recorded_seq: seq }, ...history],
  })
  const start = (a: Record<string, unknown>, b: Record<string, unknown>): unknown =>
    commonAncestry(a, b).startSeq
  t.equal(start(log('a', '9-x'), log('a', '9-x')), '9-x')
  t.equal(start(log('a', '12-x'), log('a', '9-y')), '9-y', 'the target was put back')
  t.equal(start(log('a', '9-x'), log('a', '12-y')), '9-x', 'the source was')
  t.equal(start(log('a', 12), log('a', 9)), 9)
  t.equal(start(log('a', 'x'), log('a', 'y')), 'x')
  const old = [{ session_id: 'old', recorded_seq: '8-x' }]
  const older = [{ session_id: 'old', recorded_seq: '5-x' }]
  t.equal(start(log('a', '12-x', old), log('b', '9-y', older)), '5-x')
  t.equal(start(log('a', '12-x', older), log('b', '9-y', old)), '5-x')
  t.equal(start(log('a', '12-x'), log('b', '9-y')), 0)
  t.equal(start(log('a', '12-x', old), log('old', '7-z')), '7-z')
})
