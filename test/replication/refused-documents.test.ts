/** What a target's answer to one document means, and what a source's to many: as in CouchDB's `couch_replicator_error_reporting_tests`. */
import t, { type Test } from 'tap'
import { type Edit, type EditedAnswer, jsonAnswer, startEditingProxy } from '../support/editing-proxy.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

const DOCUMENTS = 5
const DATA = Buffer.alloc(100_000, 'attached').toString('base64')

async function filled(t: Test): Promise<TestServer> {
  const own = await startTestServer({ config: { DAVENPORT_REPLICATOR__RETRIES_PER_REQUEST: '1' } })
  t.teardown(() => own.stop(0))
  await call(own.url, 'PUT', '/source')
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: `d${n}`, n }))
  const attached = { _id: 'attached', _attachments: { a: { content_type: 'image/png', data: DATA } } }
  await call(own.url, 'POST', '/source/_bulk_docs', { docs: [...docs, attached] })
  return own
}

async function through(t: Test, { url }: TestServer, database: string, edit: Edit): Promise<string> {
  const proxy = await startEditingProxy(t, Number(new URL(url).port), edit)
  return `${proxy.replace('://', '://admin:secret@')}/${database}`
}

const told = (status: number, error: string, reason: string): EditedAnswer =>
  jsonAnswer({ error, reason }, status)

t.test('a document that goes alone', async (t) => {
  const own = await filled(t)
  const passedBy: Record<string, EditedAnswer> = {
    unauthorized: told(401, 'unauthorized', 'vdu'),
    forbidden: told(403, 'forbidden', 'vdu'),
    'too large': told(413, 'too_large', 'too_large'),
    'too large, by a page': { status: 413, body: '<html>' },
    'of no good type': told(415, 'unsupported_media_type', 'bad_media'),
    'a name that is none': told(
      400,
      'bad_request',
      "Attachment name '_foo' starts with prohibited character '_'",
    ),
    conflict: told(409, 'conflict', 'Document update conflict.'),
  }
  const failures: Record<string, EditedAnswer> = {
    'an error': told(400, 'x', 'y'),
    'a bad request': told(400, 'bad_request', 'invalid UTF-8 JSON'),
    'no error': jsonAnswer({ a: 'b' }, 400),
    'no JSON': { status: 400, body: 'potato' },
    'another 403': told(403, 'x', 'y'),
    'a page that knows nobody': { status: 401, body: '<html>' },
  }
  let at = 0
  const run = async (answer: EditedAnswer) => {
    const name = `target-${at++}`
    await call(own.url, 'PUT', `/${name}`)
    const target = await through(t, own, name, ({ method, path }) =>
      method === 'PUT' && path === 'attached' ? answer : undefined,
    )
    return call(own.url, 'POST', '/_replicate', { source: 'source', target })
  }
  for (const [kind, answer] of Object.entries(passedBy)) {
    const { status, body } = await run(answer)
    t.equal(status, 200, `${kind}: ${JSON.stringify(body)}`)
    const counts = { docs_read: DOCUMENTS + 1, docs_written: DOCUMENTS, doc_write_failures: 1 }
    t.match((body['history'] as unknown[])[0], counts, kind)
  }
  for (const [kind, answer] of Object.entries(failures)) {
    const { status, body } = await run(answer)
    t.ok(status >= 400, `${kind}: ${JSON.stringify(body)}`)
  }
})

t.test('many at once', async (t) => {
  const own = await filled(t)
  for (const [status, said] of [
    [403, { x: 'y' }],
    [418, { error: 'teapot', reason: 'short' }],
    [400, { error: 'x', reason: 'y' }],
  ] as const) {
    await call(own.url, 'PUT', `/target-${status}`)
    const target = await through(t, own, `target-${status}`, ({ path }) =>
      path === '_bulk_docs' ? jsonAnswer(said, status) : undefined,
    )
    const { status: code } = await call(own.url, 'POST', '/_replicate', { source: 'source', target })
    t.ok(code >= 400, String(status))
  }
})

t.test('a source whose _bulk_get fails is asked for each document', async (t) => {
  const own = await filled(t)
  for (const status of [403, 404, 418, 500, 501]) {
    let asked = 0
    const source = await through(t, own, 'source', ({ path }) => {
      if (path !== '_bulk_get') return undefined
      asked += 1
      return jsonAnswer({ x: 'y' }, status)
    })
    const job = { source, target: `target-${status}`, create_target: true, worker_batch_size: 2 }
    const { body } = await call(own.url, 'POST', '/_replicate', job)
    t.match((body['history'] as unknown[])[0], { docs_written: DOCUMENTS + 1, doc_write_failures: 0 })
    t.ok(asked > 0 && asked <= 8, `${asked} times`)
    t.equal(await treesDigest(own.url, `target-${status}`), await treesDigest(own.url, 'source'))
  }
})
