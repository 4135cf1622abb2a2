/** `@cloudant/couchbackup` saves a database and makes another one of it. */
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import couchbackup from '@cloudant/couchbackup'
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

type Row = { id: string; changes: { rev: string }[] }

/** Every leaf revision of every document, with its history and its attachments' bytes. */
async function contents(database: string): Promise<Record<string, unknown>> {
  const { results } = (await send(`GET /${database}/_changes?style=all_docs`)).json as { results: Row[] }
  const all: Record<string, unknown> = {}
  for (const { id, changes } of results) {
    for (const { rev } of changes) {
      const path = `/${database}/${encodeURIComponent(id)}?rev=${rev}&revs=true&attachments=true`
      all[`${id} ${rev}`] = (await send(`GET ${path}`)).json
    }
  }
  return all
}

const finished = (start: (done: (error: Error | null) => void) => unknown): Promise<void> =>
  new Promise((resolve, reject) => {
    start((error) => (error === null ? resolve() : reject(error)))
  })

t.before(async () => {
  await send('PUT /source')
  const docs: object[] = Array.from({ length: 120 }, (_, n) => ({
    _id: `d${n}`,
    n,
    text: 'é\u0001€'.repeat(n),
  }))
  docs.push({ _id: '_design/d', views: { v: { map: 'function(doc) { emit(doc.n) }' } } })
  docs.push({
    _id: 'with/slash and ü',
    _attachments: { 'a/b.txt': { data: 'aGVsbG8=', content_type: 'text/plain' } },
  })
  await send('POST /source/_bulk_docs', { json: { docs } })
  const { rev } = (await send('GET /source/d1')).json as { rev: string }
  await send('PUT /source/d1', { json: { _rev: rev, n: 'again' } })
  const two = ((await send('GET /source/d2')).json as { _rev: string })._rev
  await send(`DELETE /source/d2?rev=${two}`)
  const conflicts = ['a', 'b'].map((letter) => ({
    _id: 'conflict',
    letter,
    _revisions: { start: 2, ids: [letter.repeat(32), 'f'.repeat(32)] },
  }))
  await send('POST /source/_bulk_docs', { json: { docs: conflicts, new_edits: false } })
})

/** In one chunk: the program breaks characters that stand across the border of two. */
const reading = (file: string) => Readable.from([readFileSync(file)])

t.test('a full backup is restored with all leaves, histories and attachments', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'backup')
  const options = { attachments: true, log: join(folder, 'log'), bufferSize: 50, parallelism: 3 }
  await finished((done) => {
    couchbackup.backup(`${server.url}/source`, createWriteStream(file), options, done)
  })
  await send('PUT /copy')
  await finished((done) => {
    couchbackup.restore(reading(file), `${server.url}/copy`, { attachments: true }, done)
  })
  const [source, copy] = [await contents('source'), await contents('copy')]
  t.equal(Object.keys(source).length, 124)
  t.same(copy, source)
})

t.test('a shallow backup is restored as documents without histories', async (t) => {
  const file = join(t.testdir(), 'backup')
  await send('PUT /plain')
  const docs = Array.from({ length: 120 }, (_, n) => ({ _id: `d${n}`, n }))
  await send('POST /plain/_bulk_docs', { json: { docs } })
  await finished((done) => {
    couchbackup.backup(`${server.url}/plain`, createWriteStream(file), { mode: 'shallow' }, done)
  })
  await send('PUT /plain-copy')
  await finished((done) => {
    couchbackup.restore(reading(file), `${server.url}/plain-copy`, {}, done)
  })
  t.same(await contents('plain-copy'), await contents('plain'))
})
