/** What no header can have, be it the type or the name of an attachment or a revision, was written through the gateway, and could not be read any more. */
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'

t.test('types and names of any text', async (t) => {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  const ann = { name: 'ann', password: 'apple', admin_channels: ['*'] }
  await server.admin('PUT /db/', { body: {} })
  await server.admin('PUT /db/_user/ann', { body: ann })
  const names = ['plain', 'two\r\nlines: 1', '\u65e5\u672c', 'quo"ted']
  const types = ['text/html', 'text/html\r\nevil: 1', '\u65e5/x']
  for (const [at, name] of names.entries()) {
    for (const [kind, content_type] of types.entries()) {
      const id = `d${at}-${kind}`
      const _attachments = { [name]: { data: 'QUFB', content_type } }
      const { status } = await server.ask(`PUT /db/${id}`, { as: 'ann:apple', body: { _attachments } })
      t.equal(status, 201)
      const path = `/db/${id}/${encodeURIComponent(name)}`
      for (const answer of [
        await server.ask(`GET ${path}`, { as: 'ann:apple' }),
        await server.admin(`GET ${path}`),
      ]) {
        t.match(answer, { status: 200, text: 'AAA' }, JSON.stringify([name, content_type]))
        const type = Buffer.from(answer.headers.get('content-type')!, 'latin1').toString()
        t.equal(type, kind === 1 ? 'application/octet-stream' : content_type)
        t.equal(answer.headers.get('evil'), null)
      }
    }
  }
})

t.test('revisions of any text', async (t) => {
  const server = await GatewayServer.start(t.testdir())
  t.teardown(() => server.stop())
  await server.admin('PUT /db/', { body: {} })
  for (const [at, rev] of ['1-\u65e5', '1-a\nb', '1-"q"', '1-\u00fc', '1-abc'].entries()) {
    const { status } = await server.admin(`PUT /db/d${at}?new_edits=false`, { body: { _rev: rev } })
    t.equal(status, 201)
    t.match(await server.admin(`GET /db/d${at}`), { status: 200, json: { _rev: rev } })
  }
  const _attachments = { a: { data: Buffer.alloc(300).toString('base64') } }
  const body = { _rev: '1-a\r\nevil: 1', _attachments }
  t.equal((await server.admin('PUT /db/parts?new_edits=false', { body })).status, 201)
  const { text } = await server.admin('POST /db/_bulk_get?attachments=true', {
    body: { docs: [{ id: 'parts' }] },
    headers: { accept: 'multipart/mixed' },
  })
  t.match(text, 'X-Doc-ID: parts\r\n')
  t.notMatch(text, /^evil/m, 'nor are they lines of the head of a part')
})
