/**
 * A function that filters `_changes` was given all leaves of 64 documents at once with `style=all_docs`: of a document with hundreds of
 * long conflicts their texts were in memory together, more than the function may have, and the feed failed.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const LEAVES = 60
const BYTES = 300_000

const hex = (n: number): string => String(n).padStart(32, '0')

t.test('they are judged some at a time', { timeout: 120_000 }, async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/few', { json: { isWanted: true } })
  for (let from = 0; from < LEAVES; from += 20) {
    const docs = Array.from({ length: 20 }, (_, n) => ({
      _id: 'many',
      _rev: `1-${hex(from + n)}`,
      isWanted: (from + n) % 3 === 0,
      text: 'x'.repeat(BYTES),
    }))
    await ask(server, 'POST /db/_bulk_docs', { json: { new_edits: false, docs } })
  }
  const filters = { wanted: 'function (doc) { return doc.isWanted }' }
  const views = { wanted: { map: 'function (doc) { if (doc.isWanted) emit(null) }' } }
  await ask(server, 'PUT /db/_design/d', { json: { filters, views } })
  const memory = { json: String(16 * 1024 * 1024) }
  t.equal(
    (await ask(server, 'PUT /_node/_local/_config/quickjs/memory_limit_bytes', memory)).status,
    200,
    'less than all of them',
  )
  for (const filter of ['d/wanted', '_view&view=d/wanted']) {
    const { status, json } = await ask(server, `GET /db/_changes?style=all_docs&filter=${filter}`)
    t.equal(status, 200)
    const { results } = json as { results: { id: string; changes: { rev: string }[] }[] }
    t.same(
      results.map(({ id, changes }) => [id, changes.length]),
      [
        ['few', 1],
        ['many', LEAVES / 3],
      ],
    )
    const wanted = Array.from({ length: LEAVES / 3 }, (_, n) => `1-${hex(3 * n)}`)
    t.same(results[1]!.changes.map(({ rev }) => rev).sort(), wanted)
  }
})
