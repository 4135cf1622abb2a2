/**
 * The thread that replicates ends while it has work: a request's job goes on in another one, from its checkpoint, and a document's rests
 * as after any crash, so that one which ends threads does not do so all the time.
 */
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { startTestServer } from '../support/http-server.ts'
import { call, treesDigest } from '../support/replicated.ts'

t.setTimeout(0)

const DOCUMENTS = 3000

async function eventually(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let left = 1200; left > 0; left--) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`it never came to pass: ${what}`)
}

t.test('jobs of requests and of documents go on, and what waits for an answer gets one', async (t) => {
  const workers: Worker[] = []
  const listen = (worker: Worker): void => void workers.push(worker)
  const server = await startTestServer({
    threads: 1,
    config: {
      DAVENPORT_REPLICATOR__CHECKPOINT_INTERVAL: '100',
      DAVENPORT_REPLICATOR__WORKER_BATCH_SIZE: '20',
    },
  })
  process.on('worker', listen)
  t.teardown(async () => {
    process.off('worker', listen)
    await server.stop(0)
  })
  const { url } = server
  await call(url, 'PUT', '/own')
  await call(url, 'PUT', '/copy')
  await call(url, 'PUT', '/document-copy')
  const docs = Array.from({ length: DOCUMENTS }, (_, at) => ({ _id: `d${at}`, at }))
  await call(url, 'POST', '/own/_bulk_docs', { docs })
  const job = { source: 'own', target: 'copy', continuous: true }
  const { body } = await call(url, 'POST', '/_replicate', job)
  const made = { source: 'own', target: 'document-copy', continuous: true }
  t.equal((await call(url, 'PUT', '/_replicator/job', made)).status, 201)
  await eventually('some documents', async () => {
    const { body: info } = await call(url, 'GET', '/copy')
    return Number(info['doc_count']) > 0
  })
  const once = call(url, 'POST', '/_replicate', { source: 'own', target: 'third', create_target: true })
  await eventually('the third database', async () => (await call(url, 'GET', '/third')).status === 200)
  const [worker] = workers
  await worker!.terminate()
  const { status } = await once
  t.ok(status === 200 || status === 503, `${status}`)
  const id = String(body['_local_id'])
  const listed = await call(url, 'GET', `/_scheduler/jobs/${encodeURIComponent(id)}`)
  t.equal(listed.status, 200, 'it is still wanted')
  await call(url, 'PUT', '/own/late', {})
  const equal = async (name: string): Promise<boolean> =>
    (await treesDigest(url, 'own')) === (await treesDigest(url, name))
  await eventually('all of the request', () => equal('copy'))
  const { body: told } = await call(url, 'GET', '/_scheduler/docs/_replicator/job')
  t.match(told, { state: /crashing|running|pending/, doc_id: 'job' }, 'it will be begun again')
  const again = await call(url, 'POST', '/_replicate', { source: 'own', target: 'third' })
  t.equal(again.status, 200)
  t.ok(await equal('third'))
  t.ok(workers.length > 1, 'in another thread')
  t.same((await call(url, 'POST', '/_replicate', { cancel: true, id })).body, { ok: true, _local_id: id })
})
