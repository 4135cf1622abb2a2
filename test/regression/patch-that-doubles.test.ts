/**
 * A JSON patch of 721 bytes, `copy /a /a/-` eighteen times and more, doubled the document with every operation: minutes and
 * gigabytes, in the writer's turn, in which nobody else can write or read. Now a patch is measured after each operation, has a
 * bound for its work, and is applied before its turn.
 */
import t, { type Test } from 'tap'
import { besideHostile } from '../support/hostile-run.ts'
import { HttpClient } from '../support/http-client.ts'
import { processMemory, startServerProcess } from '../support/server-process.ts'

const PATCH = 'application/json-patch+json'
const MERGE = 'application/merge-patch+json'
const MOST_MS = 5000
const MOST_BYTES = 700 * 1024 * 1024

async function serve(t: Test) {
  const environment = { DAVENPORT_COUCHDB__MAX_DOCUMENT_SIZE: '1000000' }
  const server = startServerProcess({ dataDir: t.testdir(), environment })
  t.teardown(() => server.kill())
  const port = await server.port
  const client = new HttpClient(port)
  t.teardown(() => client.close())
  await client.json('PUT', '/db')
  return { server, port, client }
}

t.test('a patch that doubles the document ends at its limit', async (t) => {
  const { server, port, client } = await serve(t)
  await client.json('PUT', '/db/a', { a: [1] })
  await client.json('PUT', '/db/other', {})
  for (const times of [18, 26, 40]) {
    const patch = Array(times).fill({ op: 'copy', from: '/a', path: '/a/-' })
    const { outcome, longestWaitMs } = await besideHostile(
      port,
      () => client.send('PATCH', '/db/a', patch, PATCH),
      '/db/other',
    )
    t.equal(outcome.status, 413, `${times} times: ${outcome.text}`)
    t.equal(JSON.parse(outcome.text).error, 'document_too_large')
    t.ok(longestWaitMs < MOST_MS, `another client waited ${longestWaitMs} ms`)
  }
  t.match(await client.json('GET', '/db/a'), { a: [1], _rev: /^1-/ }, 'nothing was written')
  const few = Array(8).fill({ op: 'copy', from: '/a', path: '/a/-' })
  t.equal((await client.send('PATCH', '/db/a', few, PATCH)).status, 201, 'within the limit it may')
  const { peakBytes } = await processMemory(server)
  t.ok(peakBytes < MOST_BYTES, `${peakBytes} bytes of memory`)
})

t.test('the work of a patch has a bound, whatever it leaves', async (t) => {
  const { port, client } = await serve(t)
  await client.json('PUT', '/db/a', `{"v":[${'0,'.repeat(200_000)}0],"n":0}`)
  await client.json('PUT', '/db/other', {})
  const same = { op: 'copy', from: '/v', path: '/w' }
  const gone = { op: 'remove', path: '/w' }
  const patch = Array(2000).fill([same, gone]).flat()
  const { outcome, longestWaitMs } = await besideHostile(
    port,
    () => client.send('PATCH', '/db/a', patch, PATCH),
    '/db/other',
  )
  t.equal(outcome.status, 400)
  t.match(outcome.text, /too much work/)
  t.ok(longestWaitMs < MOST_MS, `another client waited ${longestWaitMs} ms`)
})

t.test('patches of a long document and other writes never undo each other', async (t) => {
  const { port, client } = await serve(t)
  await client.json('PUT', '/db/a', { long: 'x'.repeat(100_000), puts: 0 })
  const clients = Array.from({ length: 6 }, () => new HttpClient(port))
  const statuses = await Promise.all(
    clients.map(async (each, n) => {
      const { status } = await each.send('PATCH', '/db/a', { [`m${n}`]: n }, MERGE)
      each.close()
      return status
    }),
  )
  t.same(new Set(statuses), new Set([201]))
  const document = await client.json<Record<string, unknown>>('GET', '/db/a')
  t.match(document, { _rev: /^7-/, m0: 0, m1: 1, m2: 2, m3: 3, m4: 4, m5: 5 })
})
