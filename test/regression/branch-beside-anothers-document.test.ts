/**
 * A replicated revision (`new_edits: false`) that has no ancestor in a document was held against nothing: in `_users` somebody who had
 * not signed in put a branch beside anybody's document, who could not sign in any more, and in `_replicator` anybody put one beside
 * another's job, which took its place. The rules hold for whose document it is.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const BRANCH = '99-aaaa0000000000000000000000000001'

t.test('beside a user', async (t) => {
  const server = await startTestServer({
    config: { DAVENPORT_COUCHDB__USERS_DB_SECURITY_EDITABLE: 'true' },
  })
  t.teardown(() => server.stop())
  const user = (name: string, password: string) => ({ name, password, type: 'user', roles: [] })
  const bob = { json: user('bob', 'pw') }
  await ask(server, 'PUT /_users/org.couchdb.user:bob', bob)
  await ask(server, 'PUT /_users/_security', { json: {} })
  const branch = { _id: 'org.couchdb.user:bob', _rev: BRANCH, ...user('bob', 'other') }
  const written = (as: string | null | undefined, document: object) =>
    ask(server, 'POST /_users/_bulk_docs', {
      ...(as === undefined ? {} : { as }),
      json: { new_edits: false, docs: [document] },
    })
  t.match((await written(null, branch)).json, [{ error: 'forbidden', reason: /your own user document/ }])
  t.match((await written(null, { ...branch, _deleted: true })).json, [{ error: 'forbidden' }])
  t.match(await ask(server, 'GET /_session', { as: 'bob:pw' }), { status: 200 })
  // Whoever is new may still come with a revision, and whose document it is may have another branch.
  t.same((await written(null, { ...branch, _id: 'org.couchdb.user:eve', ...user('eve', 'pw') })).json, [])
  t.same((await written('bob:pw', branch)).json, [])
  t.same((await written(undefined, { ...branch, _rev: `9${BRANCH}` })).json, [])
})

t.test('beside a job', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  for (const name of ['ann', 'bob']) {
    const json = { name, password: 'pw', type: 'user', roles: [] }
    await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
  }
  await ask(server, 'PUT /_replicator/_security', { json: { members: { names: ['ann', 'bob'] } } })
  const job = { source: 'http://192.0.2.1/a', target: 'http://192.0.2.1/b', continuous: true }
  t.match(await ask(server, 'PUT /_replicator/job', { as: 'ann:pw', json: job }), { status: 201 })
  const branch = (as: string | undefined, owner: string) =>
    ask(server, 'PUT /_replicator/job?new_edits=false', {
      ...(as === undefined ? {} : { as }),
      json: { ...job, _rev: BRANCH, owner },
    })
  t.match(await branch('bob:pw', 'bob'), { status: 403, json: { reason: /from other users/ } })
  t.match((await ask(server, 'GET /_replicator/job?conflicts=true')).json, {
    owner: 'ann',
    _conflicts: undefined,
  })
  t.match(await branch('ann:pw', 'ann'), { status: 201 })
  t.match(await branch(undefined, 'bob'), { status: 201 })
})
