/** The sync function run again over what is there: the same for everybody at once, however it is broken off. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { Visits } from '../../src/gateway/visits.ts'
import { type GatewayAnswer, GatewayServer } from '../support/gateway-server.ts'
import { manualClock } from '../support/manual-clock.ts'
import { until } from '../support/until.ts'

t.setTimeout(120_000)

const FILE = 'gateway/databases/db.davenport'
const PASSWORD = 'password'
const USERS = ['ann', 'bob', 'eve']
const DOCUMENTS = 200
/** What a crash has of a first transaction. */
const TORN_BYTES = 10
/** What one has of all of them. */
const MIDDLE = 0.6

/** `prefix` goes before the names of channels; `more` is done of each document first. */
function syncOf(prefix: string, more = ''): string {
  return `function (doc) {
    ${more}
    channel((doc.channels || []).map(function (name) { return '${prefix}' + name; }));
    (doc.grants || []).forEach(function (each) { access(each, '${prefix}granted'); });
  }`
}

const OLD = syncOf('')
const REFUSING = "if (doc.n % 7 === 0) throw({ forbidden: 'no' });"
const SLOW = 'for (var i = 0; i < 40000; i++) Math.sqrt(i);'
const OTHER = syncOf('x', REFUSING)
/** What is one channel's name becomes another's. */
function turned(names: string, more: string): string {
  return `function (doc) {
    ${more}
    var names = ${names};
    channel((doc.channels || []).map(function (name) { return names[name]; }));
    if (doc.grants && doc.n % 2) access(doc.grants, 'granted');
  }`
}

const NEW = turned("{ a: 'b', b: 'c', c: 'a', granted: 'granted' }", REFUSING)
const HALF = turned("{ a: 'c', b: 'a', c: 'b', granted: 'a' }", SLOW)

interface Target {
  ask: GatewayServer['ask']
  admin: GatewayServer['admin']
}

function documentOf(n: number): Record<string, unknown> {
  const channels = [['a'], ['b'], ['c'], ['a', 'c'], ['granted']][n % 5]
  return { _id: `d${n}`, n, channels, ...(n % 10 === 3 ? { grants: [USERS[n % 3]] } : {}) }
}

async function begin(server: Target, sync: string): Promise<void> {
  const users = Object.fromEntries(
    USERS.map((name, at) => [name, { password: PASSWORD, admin_channels: ['abc'[at]] }]),
  )
  await server.admin('PUT /db/', { body: { sync, users } })
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => documentOf(n))
  const { json } = await server.admin('POST /db/_bulk_docs', { body: { docs } })
  const edits = (json as { id: string; rev: string }[]).slice(0, 40).map(({ id, rev }, at) => ({
    ...documentOf(at + 1),
    _id: id,
    _rev: rev,
    ...(at % 4 === 0 ? { _deleted: true } : {}),
  }))
  await server.admin('POST /db/_bulk_docs', { body: { docs: edits } })
  const conflicts = Array.from({ length: 20 }, (_, at) => ({
    ...documentOf(at + 50),
    n: at + 31,
    _rev: '1-ffff',
    channels: ['b'],
    _revisions: { start: 1, ids: ['ffff'] },
  }))
  await server.admin('POST /db/_bulk_docs', { body: { docs: conflicts, new_edits: false } })
  await server.admin('PUT /db/purged', { body: {} })
  await server.admin('POST /db/_purge', { body: { purged: ['*'] } })
}

/** What all users see, as one text; undefined while they are not let in. */
async function seen(server: Target): Promise<string | undefined> {
  const answers: string[] = []
  for (const name of USERS) {
    const as = `${name}:${PASSWORD}`
    const paths = ['_changes?style=all_docs', '_all_docs?channels=true', 'd50?open_revs=all', 'd4?revs=true']
    for (const path of paths) {
      const { status, text } = await server.ask(`GET /db/${path}`, { as })
      if (status === 503) return undefined
      answers.push(`${name} ${path} ${status} ${text}`)
    }
  }
  return answers.join('\n')
}

async function resynced(server: Target, sync: string): Promise<GatewayAnswer> {
  const { json } = await server.admin('GET /db/_config')
  await server.admin('PUT /db/_config', { body: { sync, users: json.users } })
  await server.admin('POST /db/_offline')
  return server.admin('POST /db/_resync')
}

async function onCopy(t: Test, file: Buffer): Promise<GatewayServer> {
  const folder = t.testdir()
  await mkdir(dirname(join(folder, FILE)), { recursive: true })
  await writeFile(join(folder, FILE), file)
  const server = await GatewayServer.start(folder)
  t.teardown(() => server.stop())
  return server
}

/** The bytes of a file that is open, without the room that is made ahead behind its last group, whose end is a multiple of 8. */
async function groupsOf(folder: string): Promise<Buffer> {
  const bytes = await readFile(join(folder, FILE))
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1
  return bytes.subarray(0, Math.ceil(end / 8) * 8)
}

t.test('a changed function', async (t) => {
  const folder = t.testdir()
  const server = await GatewayServer.start(folder)
  t.teardown(() => server.stop())
  await begin(server, OLD)
  const before = await seen(server)
  const revisions = await server.admin('GET /db/d10')
  t.match((await server.admin('GET /db/_resync')).json, { status: 'completed' })
  await server.admin('POST /db/_offline')
  const start = await groupsOf(folder)
  const { changes } = (await resynced(server, NEW)).json
  const end = await groupsOf(folder)
  t.ok(changes > DOCUMENTS / 2 && changes <= DOCUMENTS, `${changes} are told`)
  await server.admin('POST /db/_online')
  const wanted = await seen(server)
  t.not(wanted, before)
  t.match(before, /"id":"d98","value"/)
  t.notMatch(wanted, /"id":"d98","value"/, 'what the function refuses is in no channel')
  t.equal((await server.admin('GET /db/d10')).text, revisions.text, 'documents stay what they are')
  await server.admin('POST /db/_offline')
  t.equal((await server.admin('POST /db/_resync')).json.changes, 0, 'done again, nothing changes')
  await server.admin('POST /db/_online')
  t.equal(await seen(server), wanted)

  await t.test('a crash before its first transaction', async (t) => {
    const copy = await onCopy(t, end.subarray(0, start.length + TORN_BYTES))
    t.equal(await seen(copy), before, 'nothing of it is seen')
    await resynced(copy, NEW)
    await copy.admin('POST /db/_online')
    t.equal(await seen(copy), wanted)
  })

  await t.test('a crash in the middle', async (t) => {
    const copy = await onCopy(t, end.subarray(0, start.length + (end.length - start.length) * MIDDLE))
    const { status, since } = (await copy.admin('GET /db/_resync')).json
    const first = await seen(copy)
    t.ok(first === undefined || first === wanted, 'nobody is let in before its end')
    if (status === 'running') t.ok(since > 0, 'it goes on from where it was')
    await until('it is done', async () => (await copy.admin('GET /db/')).json.state === 'Online')
    t.equal(await seen(copy), wanted)
    t.match((await copy.admin('GET /db/_resync')).json, { status: 'completed' })

    await resynced(copy, OTHER)
    await copy.admin('POST /db/_online')
    await t.test('broken off by an administrator, and done with another function', (t) =>
      brokenOff(t, server, copy),
    )
  })
})

/** Before it both are the same; then `scratch` has taken the other function at once. */
async function brokenOff(t: Test, server: GatewayServer, scratch: GatewayServer): Promise<void> {
  const feed = server.ask('GET /db/_changes?feed=longpoll&since=9999', { as: `ann:${PASSWORD}` })
  const running = resynced(server, HALF)
  await feed
  await until('it runs', async () => (await server.admin('GET /db/')).json.state === 'Resyncing')
  t.match((await server.admin('POST /db/_resync')).json, {
    reason: 'Database _resync is already in progress',
  })
  t.equal((await server.admin('POST /db/_online')).status, 503)
  t.equal(await seen(server), undefined)
  const headers = { authorization: `Basic ${Buffer.from('admin:secret').toString('base64')}` }
  const tasks = async (query = ''): Promise<Record<string, unknown>[]> =>
    (await fetch(`${server.url}/_active_tasks${query}`, { headers })).json() as never
  let task: Record<string, unknown> | undefined
  await until('some are done', async () => {
    task = (await tasks()).find(({ type }) => type === 'gateway_resync')
    return Number(task!['changes_done']) > 0
  })
  t.ok(Number(task!['progress']) < 100, 'its task tells where it is')
  const url = `${server.url}/_active_tasks/${encodeURIComponent(String(task!['pid']))}`
  await fetch(url, { method: 'DELETE', headers })
  t.match(await running, { status: 503, json: { reason: 'The resynchronisation was broken off' } })
  t.match((await tasks('?history=true'))[0], { type: 'gateway_resync', status: 'cancelled' })
  t.match((await server.admin('GET /db/_resync')).json, { status: 'stopped' })
  t.match((await server.admin('POST /db/_online')).json, { reason: /broken off/ })
  t.equal(await seen(server), undefined, 'nothing by half is seen')

  await resynced(server, OTHER)
  t.equal((await server.admin('POST /db/_online')).status, 200)
  t.equal(await seen(server), await seen(scratch), 'as if the first one had never been')
}

t.test('who is there while a database goes offline', async (t) => {
  const clock = manualClock()
  const visits = new Visits(clock)
  await visits.left()
  const cuts: string[] = []
  const leaveFirst = visits.enter(() => cuts.push('first'))
  const leaveSecond = visits.enter(() => cuts.push('second'))
  let isLeft = false
  const left = visits.left().then(() => {
    isLeft = true
  })
  leaveFirst()
  await Promise.resolve()
  t.same([isLeft, cuts], [false, []])
  clock.advance(5000)
  t.same([isLeft, cuts], [false, ['second']], 'who stays for long is cut off')
  leaveSecond()
  await left
})
