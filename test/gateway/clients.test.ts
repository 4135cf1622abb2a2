/** The clients that a gateway is for, two users of overlapping channels each: Couchbase Lite 1 in imitation, PouchDB itself. */
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { CouchbaseLite } from '../support/couchbase-lite.ts'
import { GatewayServer } from '../support/gateway-server.ts'
import { twoLiveUsers } from '../support/two-live-users.ts'
import { until } from '../support/until.ts'

t.setTimeout(120_000)

const SYNC = `function (doc, oldDoc) {
  if (oldDoc && !oldDoc._deleted) requireAccess(oldDoc.channels);
  if (!doc._deleted) requireAccess(doc.channels);
  channel(doc.channels);
}`
const PASSWORD = 'password'

async function serverOf(t: Test): Promise<GatewayServer> {
  const user = (channels: string[]) => ({ password: PASSWORD, admin_channels: channels })
  const users = { ann: user(['anns', 'shared']), bob: user(['bobs', 'shared']) }
  const server = await GatewayServer.start(t.testdir(), { databases: { db: { sync: SYNC, users } } })
  t.teardown(() => server.stop())
  return server
}

t.test('Couchbase Lite 1', async (t) => {
  const server = await serverOf(t)
  const clients: CouchbaseLite[] = []
  const clientOf = async (name: string, checkpoint = name): Promise<CouchbaseLite> => {
    const client = new CouchbaseLite(`${server.publicUrl}/db`, `${name}:${PASSWORD}`, checkpoint)
    await client.begin()
    clients.push(client)
    return client
  }
  const ann = await clientOf('ann')
  const bob = await clientOf('bob')
  const long = randomBytes(5000)
  ann.edit('own', { channels: ['anns'], n: 1 })
  ann.edit('both', { channels: ['shared'], n: 1 }, { long, short: Buffer.from('short') })
  ann.edit('none', { channels: ['bobs'], n: 1 })
  t.same([...(await ann.push())], [['none', 403]], 'the sync function refuses what is not hers')
  ann.follow('websocket')
  bob.follow('longpoll')
  bob.edit('his', { channels: ['bobs'] })
  t.equal((await bob.push()).size, 0)
  await until('bob has what both see', () => bob.documents.has('both'))
  const pulled = bob.documents.get('both')!
  t.equal(pulled.body['n'], 1)
  t.same(pulled.history, ann.documents.get('both')!.history)
  t.same(pulled.attachments.get('long'), long)
  t.same(pulled.attachments.get('short'), Buffer.from('short'))

  bob.edit('both', { channels: ['shared'], n: 2 })
  bob.edit('more', { channels: ['shared'] })
  t.equal((await bob.push()).size, 0)
  await until(
    'ann hears of both',
    () => ann.documents.get('both')?.body['n'] === 2 && ann.documents.has('more'),
  )
  t.same(ann.documents.get('both')!.history, bob.documents.get('both')!.history)

  ann.edit('more', { channels: ['anns'] })
  t.equal((await ann.push()).size, 0)
  await until('bob lets go of what left his channels', () => !bob.documents.has('more'))
  bob.edit('both', undefined)
  t.equal((await bob.push()).size, 0)
  await until('ann lets go of what was deleted', () => !ann.documents.has('both'))
  t.notOk(bob.heardOf.has('own'))
  t.notOk(ann.heardOf.has('his'))

  const { update_seq } = (await server.admin('GET /db/')).json
  await until('bob has heard of what he did himself', () => Number(bob.since) >= update_seq)
  await bob.stop()
  const again = await clientOf('bob')
  t.equal(again.since, bob.since, 'it goes on where its checkpoint is')
  again.follow('websocket')
  ann.edit('later', { channels: ['shared'] })
  t.equal((await ann.push()).size, 0)
  await until('bob has what came later', () => again.documents.has('later'))
  t.same([...again.heardOf], ['later'])
  await Promise.all(clients.map((client) => client.stop()))
})

t.test('a packed body', async (t) => {
  const server = await serverOf(t)
  const text = new Uint8Array(gzipSync('{"channels":["anns"]}'))
  const put = (coding: string) =>
    server.ask('PUT /db/packed', {
      as: `ann:${PASSWORD}`,
      text,
      headers: { 'content-type': 'application/json', 'content-encoding': coding },
    })
  t.equal((await put('br')).status, 415, 'no other coding than gzip')
  t.equal((await put('gzip')).status, 201)
  const { json } = await server.ask('GET /db/packed', { as: `ann:${PASSWORD}` })
  t.same(json.channels, ['anns'])
})

t.test('PouchDB, live', async (t) => {
  const server = await serverOf(t)
  await twoLiveUsers(t, 'gateway', (name) => `${server.publicUrl.replace('//', `//${name}:${PASSWORD}@`)}/db`)
})
