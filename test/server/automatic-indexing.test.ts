/** Indexes are built after writes without being asked for, and long builds are shown among the tasks. */
import t from 'tap'
import { indexesOfDesign } from '../../src/mango/mango-index.ts'
import { viewsOf } from '../../src/views/design-views.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { rowsOf, viewsDefinition } from '../support/index-fixture.ts'
import { until } from '../support/until.ts'

t.setTimeout(300_000)

const QUICK = { DAVENPORT_KEN__DELAY: '20' }
const MAP = 'function (doc) { emit(doc.n) }'

async function start(config: Record<string, string>): Promise<TestServer> {
  const server = await startTestServer({ threads: 0, config })
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/_design/auto', { json: { views: { v: { map: MAP } } } })
  await ask(server, 'PUT /db/_design/manual', {
    json: { autoupdate: false, views: { v: { map: `${MAP} ` } } },
  })
  await ask(server, 'POST /db/_index', { json: { index: { fields: ['n'] }, ddoc: 'mango' } })
  const docs = Array.from({ length: 100 }, (_, n) => ({ _id: `d${n}`, n }))
  await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
  return server
}

/** Rows that an index has, without being built for that. */
async function rowsThere({ server }: TestServer, name: string): Promise<number> {
  const lease = await server.databases.lease('db')
  const { database } = lease
  const id = `_design/${name}`
  const design = server.designs.named(database, name)
  try {
    const definition = design.isJavaScript
      ? viewsOf(design, id, false).definition
      : indexesOfDesign(database.get(id), false)[0]!.definition!
    return (await rowsOf(server.indexes, database, definition, { freshness: 'stale' }))[0]!.length
  } finally {
    lease.release()
  }
}

t.test('after writes', async (t) => {
  const server = await start(QUICK)
  t.teardown(() => server.stop())
  await until('the index is built', async () => (await rowsThere(server, 'auto')) === 100)
  await until('so is that of Mango', async () => (await rowsThere(server, 'mango')) === 100)
  t.equal(await rowsThere(server, 'manual'), 0, 'but not where the design document says no')
  await ask(server, 'PUT /db/more', { json: { n: 1000 } })
  await until('it follows', async () => (await rowsThere(server, 'auto')) === 101)
})

t.test('not where it is switched off', async (t) => {
  const server = await start({ ...QUICK, DAVENPORT_INDEXERS__COUCH_MRVIEW: 'false' })
  t.teardown(() => server.stop())
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.equal(server.server.indexing.thread.worker, undefined)
  t.equal(await rowsThere(server, 'auto'), 0)
  server.server.settings.set('automaticIndexing', 'true')
  await ask(server, 'PUT /db/more', { json: { n: 1000 } })
  await until('the index is built', async () => (await rowsThere(server, 'auto')) === 101)
})

t.test('a build that takes long is a task, and can be cancelled', async (t) => {
  const server = await start({ DAVENPORT_INDEXERS__COUCH_MRVIEW: 'false' })
  t.teardown(() => server.stop())
  const slow = 'function (doc) { var end = Date.now() + 50; while (Date.now() < end); emit(doc.n) }'
  const definition = viewsDefinition({ slow: { map: slow } }, { designDocument: '_design/slow' })
  const lease = await server.server.databases.lease('db')
  t.teardown(() => lease.release())
  const built = rowsOf(server.server.indexes, lease.database, definition).catch((error: unknown) => error)
  let tasks: { pid: string; changes_done: number }[] = []
  await until('it is shown', async () => {
    tasks = (await ask(server, 'GET /_active_tasks')).json as typeof tasks
    return tasks.length > 0 && tasks[0]!.changes_done > 0
  })
  t.match(tasks, [
    {
      type: 'indexer',
      database: 'db',
      design_document: '_design/slow',
      total_changes: 103,
      status: 'running',
    },
  ])
  t.ok(tasks[0]!.changes_done > 0 && tasks[0]!.changes_done <= 103)
  t.equal((await ask(server, `DELETE /_active_tasks/${encodeURIComponent(tasks[0]!.pid)}`)).status, 202)
  t.match(await built, { kind: 'serviceUnavailable' })
  await until('it has ended', async () => ((await ask(server, 'GET /_active_tasks')).json as []).length === 0)
  const { json: history } = await ask(server, 'GET /_active_tasks?history=true')
  t.match(history, [{ type: 'indexer', status: 'cancelled' }])
})
