/** `_backup`: what comes over the wire while writes go on is a sound database with every write acknowledged before. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openStore, PageCache } from '../../native-free-btree/index.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { openDatabase } from '../../src/database/open.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

t.setTimeout(60_000)

function request(server: TestServer, method: string, path: string, headers = {}, body?: string) {
  return fetch(`${server.http.url}/${path}`, {
    method,
    headers: { authorization: server.authorization, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

async function put(server: TestServer, id: string): Promise<void> {
  const response = await request(server, 'PUT', `a/${id}`, {}, JSON.stringify({ text: 'x'.repeat(700) }))
  if (response.status !== 201) throw new Error(`PUT ${id}: ${response.status}`)
}

/** The bytes as a file: sound, and with these documents. */
async function holds(t: Test, bytes: Uint8Array, ids: readonly string[]): Promise<void> {
  const path = join(t.testdir(), 'copy.davenport')
  writeFileSync(path, bytes)
  const store = await openStore(path, { readOnly: true, trees: TREE_OPTIONS, cache: new PageCache(1e6) })
  t.same((await store.check()).problems, [])
  await store.close()
  const database = await openDatabase(path, 'copy')
  t.same(
    ids.filter((id) => database.lookup(id) === undefined),
    [],
  )
  await database.close()
}

t.test('a backup that is taken during writes', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await server.server.databases.create('a')
  const acknowledged: string[] = []
  for (let i = 0; i < 300; i++) {
    await put(server, `before-${i}`)
    acknowledged.push(`before-${i}`)
  }
  let running = true
  const writer = (async () => {
    for (let i = 0; running; i++) await put(server, `during-${i}`)
  })()
  const response = await request(server, 'GET', '_backup/a')
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'application/octet-stream')
  t.equal(response.headers.get('content-disposition'), 'attachment; filename="a.davenport"')
  const bytes = new Uint8Array(await response.arrayBuffer())
  t.equal(String(bytes.length), response.headers.get('content-length'))
  await holds(t, bytes, acknowledged)

  const half = Math.floor(bytes.length / 2)
  const etag = response.headers.get('etag')!
  const rest = await request(server, 'GET', '_backup/a', { range: `bytes=${half}-`, 'if-range': etag })
  t.equal(rest.status, 206)
  t.match(rest.headers.get('content-range'), new RegExp(`^bytes ${half}-\\d+/\\d+$`))
  const second = new Uint8Array(await rest.arrayBuffer())
  t.ok(half + second.length >= bytes.length)
  await holds(t, Buffer.concat([bytes.subarray(0, half), second]), acknowledged)
  running = false
  await writer

  await server.server.compactions.start('a')
  await server.server.compactions.ended('a')
  const other = await request(server, 'GET', '_backup/a', { range: `bytes=${half}-`, 'if-range': etag })
  t.equal(other.status, 200, 'another file is sent whole')
  await holds(t, new Uint8Array(await other.arrayBuffer()), acknowledged)
})

t.test('what is not there, and who may not', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const missing = await request(server, 'GET', '_backup/none')
  t.equal(missing.status, 404)
  t.same(await missing.json(), { error: 'not_found', reason: 'Missing database file!' })
  t.equal((await request(server, 'GET', '_backup')).status, 404)
  await server.server.databases.create('a')
  t.equal((await request(server, 'GET', '_backup/a', { authorization: '' })).status, 401)
  const head = await request(server, 'HEAD', '_backup/a')
  t.equal(head.status, 200)
  t.ok(Number(head.headers.get('content-length')) > 8192)
})
