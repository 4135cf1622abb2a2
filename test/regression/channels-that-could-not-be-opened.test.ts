/**
 * Once the indexes of channels could not be opened (no descriptors, a folder that cannot be read) every request of a database with
 * channels failed until the server was started anew; and when a database was deleted meanwhile, the server ended.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('they are opened when that is possible', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const inTheWay = join(server.folder, 'channels')
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /other')
  await ask(server, 'PUT /db/_security', { json: { channels: true } })
  await ask(server, 'PUT /_users/org.couchdb.user:ann', {
    json: { name: 'ann', password: 'password', type: 'user', roles: [] },
  })
  const look = async (): Promise<number> =>
    (await ask(server, 'GET /db/_all_docs', { as: 'ann:password' })).status
  await writeFile(inTheWay, '')
  t.ok((await look()) >= 500)
  t.equal((await ask(server, 'DELETE /other')).status, 200)
  t.ok((await look()) >= 500)
  await rm(inTheWay)
  t.equal(await look(), 200)
})
