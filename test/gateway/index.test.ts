/** The index of a gateway's database: made from the documents where it is not there, and right after whatever broke off. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { StoredDatabase } from '../../src/database/database.ts'
import { openDatabase } from '../../src/database/open.ts'
import { GatewayServer } from '../support/gateway-server.ts'

const PASSWORD = 'password'
const SYNC = `function (doc) {
  channel(doc.channels);
  (doc.grants || []).forEach(function (each) { access(each[0], each[1]); });
}`
const CHANNELS = ['plain', 'pl', 'sl/ash', 'sl', `long${'x'.repeat(300)}`, `long${'x'.repeat(301)}`, 'ünï']

interface Row {
  id: string
  removed?: string[]
}

async function rowsOf(server: GatewayServer, name: string, since = '0'): Promise<Row[]> {
  const { json } = await server.ask(`GET /db/_changes?since=${since}`, { as: `${name}:${PASSWORD}` })
  return (json.results as Row[]).filter(({ id }) => !id.startsWith('_user/'))
}

/** Opens the database's file while no server runs. */
async function inFile(folder: string, change: (database: StoredDatabase) => Promise<void>): Promise<void> {
  const gateway = join(folder, 'gateway')
  const [file] = (await readdir(gateway, { recursive: true })).filter((name) => name.endsWith('.davenport'))
  const database = await openDatabase(join(gateway, file!), 'db')
  await change(database)
  await database.close()
}

t.test('channels and grants, by an index that was written and by one that was made anew', async (t) => {
  const folder = t.testdir()
  const users = Object.fromEntries(
    CHANNELS.map((channel, at) => [`u${at}`, { password: PASSWORD, admin_channels: [channel] }]),
  )
  const config = {
    databases: { db: { sync: SYNC, users: { ...users, eve: { password: PASSWORD, admin_channels: [] } } } },
  }
  const start = () => GatewayServer.start(folder, config)
  let server = await start()
  t.teardown(() => server.stop())
  for (const [at, channel] of CHANNELS.entries()) {
    await server.admin(`PUT /db/d${at}`, { body: { channels: [channel] } })
  }
  const moved = await server.admin('PUT /db/moved', { body: { channels: ['plain'] } })
  await server.admin(`PUT /db/moved?rev=${moved.json.rev}`, { body: { channels: ['pl'] } })
  await server.admin('PUT /db/grant', { body: { channels: [], grants: [['eve', ['pl']]] } })

  const check = async (what: string): Promise<void> => {
    for (const at of CHANNELS.keys()) {
      const own = (await rowsOf(server, `u${at}`)).map(({ id }) => id)
      t.same(own, [`d${at}`, ...(at <= 1 ? ['moved'] : [])], `${what}: u${at}`)
    }
    t.same((await rowsOf(server, 'u0')).at(-1)?.removed, ['plain'], `${what}: what left is told`)
    t.same(
      (await rowsOf(server, 'eve')).map(({ id }) => id),
      ['d1', 'moved'],
      `${what}: what is granted`,
    )
    t.same(await rowsOf(server, 'u2', '99'), [], `${what}: nothing behind the end`)
  }
  await check('written')
  await server.stop()
  server = await start()
  await check('after a restart')

  await server.stop()
  await inFile(folder, async (database) => {
    for (const { id } of [...database.localDocs()]) {
      if (id === 'own/index' || id.startsWith('own/index/c/')) await database.deleteLocal(id, undefined)
    }
    await database.putLocal('own/index/d/none', Buffer.from('[[["u2",[["plain",1]]]],[],null]'), undefined)
  })
  server = await start()
  await check('made anew')

  await server.stop()
  await inFile(folder, async (database) => {
    for (const id of ['own/index/d/grant', 'own/index/d/none']) {
      t.equal(database.getLocal(id) === undefined, id.endsWith('none'), `${id} follows from the documents`)
    }
    await database.deleteLocal('own/index/d/grant', undefined)
    await database.putLocal('own/purge/grant', Buffer.from('1'), undefined)
  })
  server = await start()
  t.same(await rowsOf(server, 'eve'), [], 'a purge that broke off is done')
  t.equal((await server.admin('GET /db/grant')).status, 404)
})
