/** `[disk_monitor]`: what a server leaves undone while its disk is fuller than that. */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

/** No disk is less than 0 percent full, and none more than 100. */
const FULL = '0'
const ROOMY = '100'

async function set(values: Record<string, string>): Promise<void> {
  for (const [key, json] of Object.entries(values)) {
    const { status } = await send(`PUT /_node/_local/_config/disk_monitor/${key}`, { json })
    if (status !== 200) throw new Error(`${key}: ${status}`)
  }
}

t.before(() =>
  set({
    background_view_indexing_threshold: ROOMY,
    interactive_view_indexing_threshold: ROOMY,
    interactive_database_writes_threshold: ROOMY,
  }),
)

const REFUSED = { status: 507, json: { error: 'insufficient_storage' } }

t.test('documents are not written, but replicated', async (t) => {
  await send('PUT /writes')
  const { json } = await send('PUT /writes/a', { json: {} })
  const { rev } = json as { rev: string }
  await set({ interactive_database_writes_threshold: FULL })
  t.equal((await send('PUT /writes/b', { json: {} })).status, 201, 'nobody has enabled it')
  await set({ enable: 'true' })
  t.match(await send('PUT /writes/c', { json: {} }), REFUSED)
  t.match(await send('POST /writes', { json: {} }), REFUSED)
  t.match(await send('POST /writes/_bulk_docs', { json: { docs: [{}] } }), REFUSED)
  t.match(await send(`DELETE /writes/a?rev=${rev}`), REFUSED)
  t.match(await send('COPY /writes/a', { headers: { destination: 'd' } }), REFUSED)
  const headers = { 'content-type': 'application/merge-patch+json' }
  t.match(await send('PATCH /writes/a', { body: '{"a":1}', headers }), REFUSED)
  t.equal((await send('PUT /writes/_local/a', { json: {} })).status, 201)
  const replicated = { _rev: `1-${'a'.repeat(32)}` }
  t.equal((await send('PUT /writes/c?new_edits=false', { json: replicated })).status, 201)
  t.equal((await send('GET /writes/a')).status, 200)
  await set({ interactive_database_writes_threshold: ROOMY })
  t.equal((await send(`DELETE /writes/a?rev=${rev}`)).status, 200)
})

t.test('indexes are asked as they are', async (t) => {
  const view = '/views/_design/d/_view/v'
  await send('PUT /views')
  await send('PUT /views/a', { json: {} })
  await send('PUT /views/_design/d', { json: { views: { v: { map: 'function (doc) { emit(1) }' } } } })
  await set({ interactive_view_indexing_threshold: FULL })
  t.match(await send(`GET ${view}`), REFUSED)
  t.match(await send(`GET ${view}?stale=ok`), { status: 200, json: { total_rows: 0 } })
  await set({ interactive_view_indexing_threshold: ROOMY })
  t.match(await send(`GET ${view}`), { status: 200, json: { total_rows: 1 } })
  await set({ interactive_view_indexing_threshold: FULL, background_view_indexing_threshold: FULL })
  t.match(await send(`GET ${view}`), { status: 200, json: { total_rows: 1 } }, 'what is up to date')
  await send('PUT /views/b', { json: {} })
  t.match(await send(`GET ${view}`), REFUSED)
  t.match(await send(`GET ${view}?update=lazy`), { status: 200, json: { total_rows: 1 } })
  t.match(await send(`GET ${view}?update=false`), { status: 200, json: { total_rows: 1 } })
})
