/** Documents that replicate between servers: one that is a source, and one in a process of its own that is killed. */
import t, { type Test } from 'tap'
import { HttpClient } from '../support/http-client.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

const COUNT = 2000

interface DocumentInfo {
  readonly state?: string
  readonly error_count?: number
  readonly info?: { readonly docs_written?: number; readonly error?: string } | null
}

async function source(t: Test): Promise<TestServer> {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const docs = Array.from({ length: COUNT }, (_, at) => ({ _id: `d${at}`, at }))
  await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
  return server
}

async function infoOf(client: HttpClient, id: string): Promise<DocumentInfo> {
  return JSON.parse((await client.send('GET', `/_scheduler/docs/_replicator/${id}`)).text) as DocumentInfo
}

async function countOf(client: HttpClient, name: string): Promise<number> {
  const { doc_count = 0 } = JSON.parse((await client.send('GET', `/${name}`)).text) as { doc_count?: number }
  return doc_count
}

t.test('a document is pulled to its end, fails, is changed and deleted', async (t) => {
  const from = await source(t)
  const server = startServerProcess({ dataDir: t.testdir() })
  t.teardown(() => server.kill())
  const client = new HttpClient(await server.port)
  t.teardown(() => client.close())
  const wish = { source: `${from.url}/db`, target: 'copy', create_target: true }
  await client.json('PUT', '/_replicator/whole', wish)
  await until('it has completed', async () => (await infoOf(client, 'whole')).state === 'completed')
  t.match(await infoOf(client, 'whole'), { error_count: 0, info: { docs_written: COUNT } })
  t.equal(await countOf(client, 'copy'), COUNT)

  const { rev } = await client.json<{ rev: string }>('PUT', '/_replicator/moving', {
    ...wish,
    source: `${from.url}/nothing`,
    continuous: true,
  })
  await until('it fails', async () => (await infoOf(client, 'moving')).state === 'crashing')
  t.match(await infoOf(client, 'moving'), { info: { error: /^db_not_found: could not open http:/ } })
  const changed = await client.json<{ rev: string }>('PUT', '/_replicator/moving', {
    ...wish,
    _rev: rev,
    continuous: true,
  })
  await until('it runs', async () => (await infoOf(client, 'moving')).state === 'running')
  await ask(from, 'PUT /db/later', { json: { n: 1 } })
  await until(
    'a later document has come',
    async () => (await client.send('GET', '/copy/later')).status === 200,
  )
  await client.send('DELETE', `/_replicator/moving?rev=${changed.rev}`)
  await until('it is gone', async () =>
    (await client.send('GET', '/_scheduler/jobs')).text.includes('"jobs":[]'),
  )
  await ask(from, 'PUT /db/latest', { json: { n: 2 } })
  t.equal((await client.send('GET', '/copy/latest')).status, 404)
  t.notMatch(server.child.err, 'secret', 'no password is logged')
})

t.test('killed in the middle it goes on, and ends with all', async (t) => {
  const from = await source(t)
  const dataDir = t.testdir()
  const environment = {
    DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: '20',
    DAVENPORT_REPLICATOR__CHECKPOINT_INTERVAL: '50',
  }
  let server = startServerProcess({ dataDir, environment })
  t.teardown(() => server.kill())
  let client = new HttpClient(await server.port)
  t.teardown(() => client.close())
  const wish = { source: `${from.url}/db`, target: 'copy', create_target: true }
  await client.json('PUT', '/_replicator/a', wish)
  let kills = 0
  for (; kills < 3; kills++) {
    const before = await countOf(client, 'copy')
    await until('some documents have come', async () => {
      const count = await countOf(client, 'copy')
      return count > before || count === COUNT
    })
    client.close()
    await server.kill()
    server = startServerProcess({ dataDir, environment })
    client = new HttpClient(await server.port)
  }
  await until('it has completed', async () => (await infoOf(client, 'a')).state === 'completed')
  t.equal(await countOf(client, 'copy'), COUNT)
  const { text } = await client.send('GET', '/copy/_all_docs?limit=3')
  t.match(text, '"d0"')
})
