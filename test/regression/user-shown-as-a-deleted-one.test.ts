/**
 * Whoever was let into `_users` saw of others what `public_fields` names, but with `?deleted=true`, which is read by another member of
 * the database: that one showed the whole document, hash and salt included, and its attachments, also of users that were deleted.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const BOB = '/_users/org.couchdb.user:bob'
const NOTE = 'nobody else is to read this'
const WAYS = [
  '?deleted=true',
  '?deleted=true&meta=true',
  '?deleted=true&attachments=true',
  '/note?deleted=true',
]

for (const publicFields of ['', 'nick']) {
  t.test(`public_fields = ${publicFields}`, async (t) => {
    const server = await startTestServer({
      config: {
        DAVENPORT_COUCHDB__USERS_DB_SECURITY_EDITABLE: 'true',
        DAVENPORT_CHTTPD_AUTH__PUBLIC_FIELDS: publicFields,
      },
    })
    t.teardown(() => server.stop())
    for (const name of ['ann', 'bob']) {
      const _attachments = {
        note: { content_type: 'text/plain', data: Buffer.from(NOTE).toString('base64') },
      }
      const json = {
        name,
        nick: `${name}y`,
        note: NOTE,
        type: 'user',
        roles: [],
        password: 'pw',
        _attachments,
      }
      await ask(server, `PUT /_users/org.couchdb.user:${name}`, { json })
    }
    await ask(server, 'PUT /_users/_security', { json: {} })
    const hidden = async (what: string): Promise<void> => {
      for (const as of ['ann:pw', null]) {
        for (const way of WAYS) {
          const { text } = await ask(server, `GET ${BOB}${way}`, { as })
          t.notMatch(text, /derived_key|salt|nobody else/, `${what}, by ${as}: ${way}`)
        }
      }
    }
    await hidden('a user')
    const own = await ask(server, `GET ${BOB}?deleted=true`, { as: 'bob:pw' })
    t.match(own.json, { note: NOTE, derived_key: /./ })
    const { _rev } = own.json as { _rev: string }
    const json = { ...(own.json as object), _deleted: true, _attachments: undefined }
    t.match(await ask(server, `PUT ${BOB}?rev=${_rev}`, { json }), { status: 200 })
    await hidden('a user that was deleted')
    t.match(await ask(server, `GET ${BOB}?deleted=true`), { status: 200, json: { note: NOTE } })
  })
}
