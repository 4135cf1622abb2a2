/** Documents of one `_bulk_docs` are written as if one after the other, though side by side. */
import t from 'tap'
import { GatewayServer } from '../support/gateway-server.ts'

const SYNC = `function (doc, oldDoc) {
  if (doc.needs) requireAccess(doc.needs)
  if (doc.role) requireRole(doc.role)
  channel(doc.channels)
  if (doc.grant) access(doc.grant.to, doc.grant.what)
  if (doc.appoint) role(doc.appoint.to, doc.appoint.what)
}`
const server = await GatewayServer.start(t.testdir(), { databases: { db: { sync: SYNC } } })
t.teardown(() => server.stop())
const AS = { as: 'ann:letann' }
const bulk = async (docs: unknown[], more: object = {}) =>
  (await server.ask('POST /db/_bulk_docs', { ...AS, body: { docs, ...more } })).json
const grant = { to: 'ann', what: 'blue' }
const lacksBlue = { error: 'forbidden', reason: 'missing channel access', status: 403 }

t.before(() => server.admin('PUT /db/_user/ann', { body: { password: 'letann', admin_channels: ['red'] } }))

t.test('what one grants, later ones have', async (t) => {
  const [before, granting, after, other] = await bulk([
    { _id: 'before', needs: 'blue' },
    { _id: 'granting', grant },
    { _id: 'after', needs: 'blue' },
    { _id: 'other', needs: 'green' },
  ])
  t.match([before, other], [lacksBlue, lacksBlue])
  t.match([granting, after], [{ rev: /^1-/ }, { rev: /^1-/ }])
  const [appointing, staff] = await bulk([
    { _id: 'appointing', appoint: { to: 'ann', what: 'role:editors' } },
    { _id: 'staff', role: 'editors' },
  ])
  t.match([appointing, staff], [{ rev: /^1-/ }, { rev: /^1-/ }])
  const [taking, refused] = await bulk([
    { _id: 'granting', _rev: granting.rev },
    { _id: 'refused', needs: 'blue' },
  ])
  t.match(taking, { rev: /^2-/ }, 'and what one takes, they have not')
  t.match(refused, lacksBlue)
})

t.test('numbers are in the order of the request', async (t) => {
  const { last_seq } = (await server.ask('GET /db/_changes', AS)).json
  const ids = ['z', 'a', 'k', 'b', 'y', 'c']
  await bulk(ids.map((_id) => ({ _id, channels: 'red' })))
  const { results } = (await server.ask(`GET /db/_changes?since=${last_seq}`, AS)).json
  t.same(
    results.map(({ id }: { id: string }) => id),
    ids,
  )
})

t.test('many that each grant', async (t) => {
  const docs = Array.from({ length: 150 }, (_, at) => ({
    _id: `many${at}`,
    grant: { to: 'ann', what: `list${at}` },
    ...(at > 0 && { needs: `list${at - 1}` }),
  }))
  const rows = await bulk(docs)
  t.ok(rows.every(({ rev }: { rev?: string }) => rev?.startsWith('1-')))
})

t.test('ids that nobody has given', async (t) => {
  const unnamed = (row: object) => t.notHas(row, { id: '' })
  const rows = await bulk([
    { needs: 'nothing' },
    { _id: '', channels: 'red' },
    { _id: 5, channels: 'red' },
    { _rev: '1-a', channels: 'red' },
    { _id: '_x', channels: 'red' },
  ])
  t.match(rows, [
    lacksBlue,
    { error: 'bad_request', reason: 'Invalid doc ID', status: 400 },
    { rev: /^1-/ },
    { error: 'not_found', reason: 'No previous revision to replace', status: 404 },
    { id: '_x', error: 'bad_request', reason: 'Invalid doc ID', status: 400 },
  ])
  for (const at of [0, 1, 3]) unnamed(rows[at])
  const [pushed] = await bulk([{ _rev: '1-a', channels: 'red' }], { new_edits: false })
  t.same(pushed, { error: 'bad_request', reason: 'Invalid doc ID', status: 400 })
})
