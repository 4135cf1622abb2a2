/** Design functions of `_users`: its administrators wrote them, and others who are let in call them over what they see. */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

const DESIGN = {
  shows: {
    name: 'function (doc) { return doc.name }',
    members: 'function (doc) { return Object.keys(doc).sort().join() }',
    nobody: "function (doc, req) { return doc === null ? 'nobody' : 'somebody' }",
  },
  updates: {
    colour:
      "function (doc, req) { if (doc === null) return [null, 'nobody']; doc.colour = req.query.is; doc.roles = req.query.role ? [req.query.role] : []; return [doc, 'done'] }",
    other:
      "function (doc, req) { return [{ _id: 'org.couchdb.user:bob', name: 'bob', type: 'user', roles: [], password: 'mine' }, 'done'] }",
    design: "function (doc, req) { return [{ _id: '_design/mine' }, 'done'] }",
    local: "function (doc, req) { return [{ _id: '_local/mine' }, 'done'] }",
  },
  lists: { all: "function () { return 'rows' }" },
  views: { ids: { map: 'function (doc) { emit(doc._id) }' } },
}

/** A server whose `_users` lets everybody in. */
async function openUsers(config: Record<string, string> = {}): Promise<TestServer> {
  const server = await startTestServer({
    config: { DAVENPORT_COUCHDB__USERS_DB_SECURITY_EDITABLE: 'true', ...config },
  })
  for (const name of ['ann', 'bob']) {
    const json = { name, type: 'user', roles: [], password: 'pw' }
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  }
  await ask(server, 'PUT /_users/_design/d', { json: DESIGN })
  await ask(server, 'PUT /_users/_security', { json: {} })
  return server
}

const ID = 'org.couchdb.user:'

t.test('a user is shown himself, and others as if they were not there', async (t) => {
  const server = await openUsers()
  t.teardown(() => server.stop())
  const shown = async (path: string, as: string | null) => {
    const { status, text } = await ask(server, `GET /_users/_design/d/${path}`, { as })
    return [status, text.trim()]
  }
  const notFound = [404, '{"error":"not_found","reason":"document not found"}']
  t.same(await shown(`_show/name/${ID}ann`, 'ann:pw'), [200, 'ann'])
  t.same(await shown(`_show/name/${ID}bob`, 'ann:pw'), notFound)
  t.same(await shown(`_show/name/${ID}who`, 'ann:pw'), notFound)
  t.same(await shown(`_show/nobody/${ID}bob`, 'ann:pw'), [200, 'nobody'])
  t.same(await shown(`_show/nobody/${ID}ann`, null), [200, 'nobody'])
  for (const path of ['', '/_info', '/_view/ids', '/_list/all/ids', '/_rewrite/x']) {
    const { status, text } = await ask(server, `GET /_users/_design/d${path}`, { as: 'ann:pw' })
    t.equal(status, 403, path)
    t.match(text, 'Only administrators can view design docs', path)
  }
  // The design document itself is no document that a function is given.
  t.equal((await ask(server, 'GET /_users/_design/d/_show/nobody/_design/d', { as: 'ann:pw' })).status, 403)
  t.equal((await ask(server, 'GET /_users/_design/d/_show/nobody/_local/x', { as: 'ann:pw' })).status, 401)
})

t.test('a function is given the public members of others alone', async (t) => {
  const server = await openUsers({ DAVENPORT_CHTTPD_AUTH__PUBLIC_FIELDS: 'name' })
  t.teardown(() => server.stop())
  const show = `GET /_users/_design/d/_show/members/${ID}bob`
  t.equal((await ask(server, show, { as: 'ann:pw' })).text, '_id,_rev,_revisions,name')
  t.match((await ask(server, show, { as: 'bob:pw' })).text, 'derived_key')
})

t.test('what an update function writes is written with the rights of whoever calls it', async (t) => {
  const server = await openUsers()
  t.teardown(() => server.stop())
  const update = async (path: string, as: string | null) => {
    return (await ask(server, `POST /_users/_design/d/_update/${path}`, { as })).status
  }
  t.equal(await update(`colour/${ID}ann?is=red`, 'ann:pw'), 201)
  t.match((await ask(server, `GET /_users/${ID}ann`)).json, { colour: 'red' })
  t.equal(await update(`colour/${ID}ann?role=chief`, 'ann:pw'), 403)
  t.equal(
    (await ask(server, `POST /_users/_design/d/_update/colour/${ID}bob`, { as: 'ann:pw' })).text,
    'nobody',
  )
  for (const name of ['other', 'design', 'local']) {
    const status = await update(name, 'ann:pw')
    t.ok([401, 403, 404, 409].includes(status), `${name}: ${status}`)
  }
  t.notMatch((await ask(server, `GET /_users/${ID}bob`)).json, { colour: /./ })
  t.equal((await ask(server, `GET /_session`, { as: 'bob:pw' })).status, 200)
  t.equal((await ask(server, 'GET /_users/_design/mine')).status, 404)
  t.equal((await ask(server, 'GET /_users/_local/mine')).status, 404)
})

t.test('an administrator of the database has its lists, as its views', async (t) => {
  const server = await openUsers()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /_users/_security', { json: { admins: { names: ['ann'] } } })
  const list = async (path: string, as: string | null): Promise<number> =>
    (await ask(server, `GET /_users/_design/d/_list/all/${path}`, { as })).status
  t.equal(await list('ids', 'ann:pw'), 200)
  t.equal(await list('d/ids', 'ann:pw'), 200)
  t.equal(await list('ids', 'bob:pw'), 403)
  t.equal(await list('ids', null), 403)
  t.equal(await list('_all_docs', 'ann:pw'), 401, 'as without a list')
  t.equal((await ask(server, 'GET /_users/_all_docs', { as: 'ann:pw' })).status, 401)
})

t.test('a document of another user is missing for whoever writes it, be it there or not', async (t) => {
  const server = await openUsers()
  t.teardown(() => server.stop())
  const missing = { error: 'not_found', reason: 'missing' }
  const { _rev } = (await ask(server, `GET /_users/${ID}bob`)).json as { _rev: string }
  const json = { name: 'bob', type: 'user', roles: [], password: 'mine' }
  const as = 'ann:pw'
  for (const path of [
    `${ID}bob`,
    `${ID}bob?rev=${_rev}`,
    `${ID}bob?new_edits=false&rev=${_rev}`,
    `${ID}who`,
    'x',
  ]) {
    t.match(await ask(server, `PUT /_users/${path}`, { json, as }), { status: 404, json: missing }, path)
  }
  t.match(await ask(server, `DELETE /_users/${ID}bob?rev=${_rev}`, { as }), { status: 404, json: missing })
  const docs = [
    { _id: `${ID}bob`, _rev, ...json },
    { _id: `${ID}bob`, _rev, _deleted: true },
  ]
  const { json: results } = await ask(server, 'POST /_users/_bulk_docs', { json: { docs }, as })
  t.match(results, [missing, missing])
  t.equal(((await ask(server, `GET /_users/${ID}bob`)).json as { _rev: string })._rev, _rev)
  // Whoever is nobody may come as somebody new; of those who are there he learns that they are, as in CouchDB.
  const fay = { json: { ...json, name: 'fay' }, as: null }
  t.equal((await ask(server, `PUT /_users/${ID}fay`, fay)).status, 201)
  t.equal((await ask(server, `PUT /_users/${ID}fay`, fay)).status, 409)
  await ask(server, 'PUT /_users/_security', { json: { admins: { names: ['ann'] } } })
  t.equal((await ask(server, `PUT /_users/${ID}bob?rev=${_rev}`, { json, as })).status, 201)
})
