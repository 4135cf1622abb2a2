import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

t.test('keys that name nothing are given back as they were written', async (t) => {
  await ask(server, 'PUT /k')
  const keys = '[1.0,123456789012345678901,{"10":1,"2":[1.50]},"no\\u000b",null]'
  const wanted = ['1.0', '123456789012345678901', '{"10":1,"2":[1.5]}', '"no\\u000B"', 'null'].map(
    (text) => `{"key":${text},"error":"not_found"}`,
  )
  const headers = { 'content-type': 'application/json' }
  for (const reply of [
    await ask(server, `GET /k/_all_docs?keys=${encodeURIComponent(keys)}`),
    await ask(server, 'POST /k/_all_docs', { body: `{"keys":${keys}}`, headers }),
    await ask(server, 'POST /k/_all_docs/queries', { body: `{"queries":[{},{"keys":${keys}}]}`, headers }),
  ]) {
    t.equal(reply.status, 200)
    for (const row of wanted) t.ok(reply.text.includes(row), row)
  }
})
