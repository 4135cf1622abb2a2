/** What is uploaded is for who still is signed in when it is written. */
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'
import { type Upload, uploadSlowly } from '../support/slow-upload.ts'

const ANN = { name: 'ann', password: 'apple', admin_channels: ['*'] }
const BASIC = { authorization: `Basic ${Buffer.from('ann:apple').toString('base64')}` }
const LONG = 'x'.repeat(100_000)
const JSON_TYPE = { 'content-type': 'application/json' }

const UPLOADS: readonly Upload[] = [
  { method: 'PUT', path: '/db/new', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
  { method: 'POST', path: '/db/', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
  {
    method: 'POST',
    path: '/db/_bulk_docs',
    body: JSON.stringify({ docs: [{ _id: 'new', LONG }, { LONG }] }),
    headers: JSON_TYPE,
  },
  { method: 'PUT', path: '/db/new/file', body: LONG, headers: { 'content-type': 'text/plain' } },
  {
    method: 'PUT',
    path: '/db/new',
    body: `--b\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ LONG })}\r\n--b--`,
    headers: { 'content-type': 'multipart/related; boundary=b' },
  },
  { method: 'PUT', path: '/db/_local/new', body: JSON.stringify({ LONG }), headers: JSON_TYPE },
]

t.test('uploads', async (t) => {
  const server = await GatewayServer.start(t.testdir(), { databases: { db: {} } })
  t.teardown(() => server.stop())
  const done = async (answer: Promise<{ status: number; text: string }>): Promise<void> => {
    const { status, text } = await answer
    if (status >= 300) throw new Error(`${status}: ${text}`)
  }
  const putUser = (change: object = {}) =>
    done(server.admin('PUT /db/_user/ann', { body: { ...ANN, ...change } }))
  const session = async (): Promise<Record<string, string>> => {
    const { headers } = await server.ask('POST /db/_session', { body: { name: 'ann', password: 'apple' } })
    return { cookie: headers.get('set-cookie')!.split(';')[0]! }
  }
  const changes: [string, () => Promise<Record<string, string>>, () => Promise<void>][] = [
    ['deleted', async () => BASIC, () => done(server.admin('DELETE /db/_user/ann'))],
    ['disabled', async () => BASIC, () => putUser({ disabled: true })],
    ['another password', async () => BASIC, () => putUser({ password: 'pear' })],
    ['a session that is over', session, () => done(server.admin('DELETE /db/_user/ann/_session'))],
  ]
  const count = async () => (await server.admin('GET /db/_all_docs')).json.total_rows
  for (const [what, signIn, change] of changes) {
    for (const upload of UPLOADS) {
      await putUser()
      const headers = { ...upload.headers, ...(await signIn()) }
      const { status } = await uploadSlowly(server.publicUrl, { ...upload, headers }, change)
      t.equal(status, 401, `${what}: ${upload.method} ${upload.path}`)
      t.equal(await count(), 0, `${what}: ${upload.method} ${upload.path}`)
      t.equal((await server.admin('GET /db/_local/new')).status, 404)
    }
  }
  await putUser()
  for (const upload of UPLOADS.slice(0, 2)) {
    const sent = { ...upload, headers: { ...upload.headers, ...BASIC } }
    const change = () => putUser({ email: 'a@b.example' })
    t.ok((await uploadSlowly(server.publicUrl, sent, change)).status < 300, 'who is as he was')
  }
})
