/** Ten thousand documents, whose replications end at once: each is done once, while others are served. */
import t from 'tap'
import { FakeReplications } from '../support/fake-replications.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

t.test('ten thousand documents', async (t) => {
  const fake = new FakeReplications()
  const server = await startTestServer({
    replications: fake,
    config: { DAVENPORT_REPLICATOR__MAX_JOBS: '200', DAVENPORT_REPLICATOR__STARTUP_JITTER: '1' },
  })
  t.teardown(() => server.stop())
  const listed = async (path: string): Promise<Record<string, unknown>> =>
    (await ask(server, `GET ${path}`)).json as Record<string, unknown>
  const ran = new Map<string, number>()
  fake.onStart = (replication) => {
    const { docId } = replication.job.origin!
    ran.set(docId, (ran.get(docId) ?? 0) + 1)
    setImmediate(() => replication.complete({ docs_read: 1 }))
  }
  const count = 10_000
  for (let from = 0; from < count; from += 2000) {
    const docs = Array.from({ length: 2000 }, (_, at) => ({
      _id: `${from + at}`,
      source: `http://a.test/db${from + at}`,
      target: 'http://b.test/db',
    }))
    t.equal((await ask(server, 'POST /_replicator/_bulk_docs', { json: { docs } })).status, 201)
  }
  let asked = 0
  while (ran.size < count) {
    if ((await ask(server, 'GET /_up')).status === 200) asked += 1
  }
  t.ok(asked > 1, 'others are served meanwhile')
  await until('all have ended', async () => (await listed('/_scheduler/jobs?limit=1'))['total_rows'] === 0)
  t.ok([...ran.values()].every((times) => times === 1))
  const page = await listed('/_scheduler/docs?limit=1&skip=9999')
  t.match(page, { total_rows: count, docs: [{ state: 'completed' }] })
  t.same((await listed('/_scheduler/docs?states=initializing,pending,running,failed'))['docs'], [])
})
