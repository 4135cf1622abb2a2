/** A peer that fails on purpose: all ends with equal trees, and no document is sent twice without need. */
import t from 'tap'
import { startTestServer } from '../support/http-server.ts'
import { call, type Fault, startFaultyProxy, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

const DOCUMENTS = 400

/** Every so many requests one of these, in turns, so that no request fails for ever. */
function inTurns(faults: readonly Fault[], every: number): (method: string, path: string) => Fault {
  let count = 0
  return (_method, path) => {
    if (path.startsWith('/_session')) return 'none'
    count += 1
    return count % every === 0 ? faults[(count / every) % faults.length]! : 'none'
  }
}

const FAULTS: readonly Fault[] = [
  'drop',
  { status: 500 },
  'cut',
  { status: 503, retryAfter: '0' },
  'truncated',
  'twice',
  { status: 429, retryAfter: '1' },
  'delay',
]

for (const direction of ['push', 'pull'] as const) {
  t.test(`${direction} through a proxy that fails`, async (t) => {
    const here = await startTestServer({ config: { DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: '25' } })
    const there = await startTestServer()
    const proxy = await startFaultyProxy(Number(new URL(there.url).port), inTurns(FAULTS, 3))
    t.teardown(async () => {
      await proxy.stop()
      await here.stop(0)
      await there.stop(0)
    })
    const { username, password } = new URL(there.url)
    const peer = `${proxy.url.replace('://', `://${username}:${password}@`)}/peer`
    const [source, target] = direction === 'push' ? [here, there] : [there, here]
    const [from, to] = direction === 'push' ? ['own', 'peer'] : ['peer', 'own']
    for (const [server, name] of [
      [source, from],
      [target, to],
    ] as const)
      await call(server.url, 'PUT', `/${name}`)
    const data = Buffer.alloc(200_000, 'attached').toString('base64')
    const docs = Array.from({ length: DOCUMENTS }, (_, at) => ({
      _id: `doc-${at}`,
      at,
      ...(at % 40 === 0 ? { _attachments: { a: { content_type: 'application/octet-stream', data } } } : {}),
    }))
    await call(source.url, 'POST', `/${from}/_bulk_docs`, { docs })
    const [given, taken] = direction === 'push' ? ['own', peer] : [peer, 'own']
    const done = await call(here.url, 'POST', '/_replicate', {
      source: given,
      target: taken,
      retries_per_request: 8,
    })
    t.equal(done.status, 200, JSON.stringify(done.body))
    t.equal(await treesDigest(target.url, to), await treesDigest(source.url, from))
    const [entry] = done.body['history'] as Record<string, number>[]
    t.equal(entry!['docs_written'], DOCUMENTS)
    t.equal(entry!['doc_write_failures'], 0)
    const used = new Set(proxy.requests.map(({ fault }) => JSON.stringify(fault)))
    t.equal(used.size, FAULTS.length + 1, 'every fault came')
    if (direction === 'push') {
      // What reached the peer, and whose answer was lost or doubled, may be sent again; nothing else.
      const lost = proxy.requests.filter(
        ({ method, path, fault }) =>
          /_bulk_docs|new_edits/.test(path) && method !== 'GET' && fault !== 'none' && fault !== 'delay',
      ).length
      const repeated = proxy.sent.length - new Set(proxy.sent).size
      t.ok(lost > 0 || repeated === 0, `${repeated} repeated after ${lost} faults`)
      t.ok(repeated <= lost * 25, `${repeated} repeated after ${lost} faults`)
    }
  })
}

t.test('without faults nothing is sent twice, also where documents change meanwhile', async (t) => {
  const here = await startTestServer({ config: { DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: '10' } })
  const there = await startTestServer()
  const proxy = await startFaultyProxy(Number(new URL(there.url).port), () => 'none')
  t.teardown(async () => {
    await proxy.stop()
    await here.stop(0)
    await there.stop(0)
  })
  const { username, password } = new URL(there.url)
  const peer = `${proxy.url.replace('://', `://${username}:${password}@`)}/peer`
  await call(here.url, 'PUT', '/own')
  const start = { source: 'own', target: peer, create_target: true, continuous: true }
  t.equal((await call(here.url, 'POST', '/_replicate', start)).status, 202)
  for (let round = 0; round < 10; round++) {
    const found = await call(here.url, 'POST', '/own/_all_docs', {
      keys: Array.from({ length: 50 }, (_, n) => `d-${n}`),
    })
    const rows = found.body['rows'] as { key: string; value?: { rev: string } }[]
    const docs = rows.map(({ key, value }) => ({
      _id: key,
      round,
      ...(value === undefined ? {} : { _rev: value.rev }),
    }))
    await call(here.url, 'POST', '/own/_bulk_docs', { docs })
  }
  for (let left = 500; left > 0; left--) {
    const digests = [await treesDigest(here.url, 'own'), await treesDigest(there.url, 'peer').catch(() => '')]
    if (digests[0] === digests[1]) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  t.equal(await treesDigest(here.url, 'own'), await treesDigest(there.url, 'peer'))
  t.same(proxy.sent.length, new Set(proxy.sent).size)
})

t.test('a peer without _bulk_get, and one that takes little at once', async (t) => {
  const here = await startTestServer()
  const there = await startTestServer({ limits: { maxJsonBytes: 40_000 } })
  const proxy = await startFaultyProxy(Number(new URL(there.url).port), (_method, path) =>
    path.includes('_bulk_get') ? { status: 404 } : 'none',
  )
  t.teardown(async () => {
    await proxy.stop()
    await here.stop(0)
    await there.stop(0)
  })
  const { username, password } = new URL(there.url)
  const peer = `${proxy.url.replace('://', `://${username}:${password}@`)}/peer`
  await call(here.url, 'PUT', '/own')
  const docs = Array.from({ length: 60 }, (_, at) => ({ _id: `d-${at}`, text: 'x'.repeat(2000), at }))
  docs.push({ _id: 'large', text: 'x'.repeat(100_000), at: 0 })
  await call(here.url, 'POST', '/own/_bulk_docs', { docs })
  const pushed = await call(here.url, 'POST', '/_replicate', {
    source: 'own',
    target: peer,
    create_target: true,
  })
  const [entry] = pushed.body['history'] as Record<string, number>[]
  t.match(entry, { docs_written: 60, doc_write_failures: 1 }, '413 splits the batch')
  const pulled = await call(here.url, 'POST', '/_replicate', {
    source: peer,
    target: 'again',
    create_target: true,
  })
  t.match((pulled.body['history'] as unknown[])[0], { docs_written: 60, bulk_get_docs: 0 })
  t.equal(await treesDigest(here.url, 'again'), await treesDigest(there.url, 'peer'))
})
