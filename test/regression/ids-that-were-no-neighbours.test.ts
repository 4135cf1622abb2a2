/**
 * The ids that the server gives were random, so that every insert went to another leaf of the tree of ids. They are
 * `sequential` now, as CouchDB's are by default, on all routes that give any.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('one sequence for all', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const ids: string[] = []
  const take = async (line: string, json?: unknown): Promise<void> => {
    const found = (await ask(server, line, { json })).text.match(/[0-9a-f]{32}(?=")/g) ?? []
    ids.push(...found.filter((id) => !ids.includes(id)))
  }
  await take('GET /_uuids?count=3')
  await take('POST /db', {})
  await take('POST /db?batch=ok', {})
  await take('POST /db/_bulk_docs', { new_edits: true, docs: [{}, { a: 1 }] })
  await take('GET /_uuids')
  const given = ids.filter((id) => id.startsWith(ids[0]!.slice(0, 26)))
  t.equal(given.length, 8)
  t.same(given, [...given].sort())
})
