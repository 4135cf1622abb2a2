/** Signing in by Facebook and by Google, both imitated, and that nobody becomes another one by it. */
import t, { type Test } from 'tap'
import { readGatewayConfig } from '../../src/gateway/config.ts'
import { type GatewayAnswer, GatewayServer } from '../support/gateway-server.ts'
import { APPLICATION, FakeNetworks, SILENCE } from '../support/social-networks.ts'
import { until } from '../support/until.ts'

const PASSWORD = 'password'
const FACEBOOK = { register: true, app_id: [APPLICATION] }
const GOOGLE = { register: true, app_client_id: ['another', APPLICATION] }

interface Started {
  server: GatewayServer
  networks: FakeNetworks
  lines: string[]
  facebook(token: unknown, headers?: Record<string, string>): Promise<GatewayAnswer>
  google(token: unknown): Promise<GatewayAnswer>
}

/** A database with both, whose users are also ann, by name and address, and 1234, by name. */
async function start(t: Test, config: Record<string, unknown> = {}): Promise<Started> {
  const networks = await FakeNetworks.start()
  const lines: string[] = []
  const users = {
    ann: { password: PASSWORD, email: 'ann@example.com', admin_channels: ['anns'] },
    '1234': { password: PASSWORD, admin_channels: ['numbers'] },
    off: { password: PASSWORD, email: 'off@example.com', disabled: true },
    one: { password: PASSWORD, email: 'two@example.com' },
    two: { password: PASSWORD, email: 'two@example.com' },
  }
  const db = { facebook: FACEBOOK, google: GOOGLE, users, ...config }
  const CORS = { Origin: ['*'], LoginOrigin: ['http://ours.example'] }
  const server = await GatewayServer.start(
    t.testdir(),
    { CORS, databases: { db, bare: {} } },
    {},
    { social: networks.urls, log: (line) => lines.push(line) },
  )
  t.teardown(async () => {
    await server.stop()
    await networks.stop()
  })
  return {
    server,
    networks,
    lines,
    facebook: (access_token, headers = {}) =>
      server.ask('POST /db/_facebook', { body: { access_token }, headers }),
    google: (id_token) => server.ask('POST /db/_google', { body: { id_token } }),
  }
}

function named(name: string) {
  return { status: 200, json: { ok: true, userCtx: { name } } }
}

function refused(status: number, reason: string) {
  return { status, json: { reason } }
}

const NOBODY = refused(401, 'No such user')

t.test('who somebody is', async (t) => {
  const { server, networks, facebook, google, lines } = await start(t)
  const { said } = networks

  said.set('ann', { id: '77', name: 'Ann', email: 'ann@example.com' })
  const ann = await facebook('ann')
  t.match(ann, named('ann'), 'whose address an administrator has given to a user')
  t.same(ann.json.userCtx.channels, { '!': 1, anns: ann.json.userCtx.channels.anns })
  const cookie = ann.headers.get('set-cookie')!.split(';')[0]!
  t.match(await server.ask('GET /db/_session', { headers: { cookie } }), named('ann'), 'his session')
  said.set('number', { id: '1234' })
  t.match(await facebook('number'), named('1234'), 'whose id is a name')

  said.set('new', { id: '5678', email: 'new@example.com' })
  t.match(await facebook('new'), named('5678'))
  t.match(await facebook('new'), named('5678'), 'and again')
  t.match((await server.admin('GET /db/_user/5678')).json, { email: 'new@example.com' })
  said.set('again', { id: '5679', email: 'new@example.com' })
  t.match(await facebook('again'), named('5679'), 'an address that a network has given finds nobody')
  t.match(await google(networks.googleToken({ sub: '5678', email: 'x@example.com' })), NOBODY)
  t.match(await google(networks.googleToken({ sub: '90', email: 'new@example.com' })), named('90'))
  t.match(await google(networks.googleToken({ sub: '91', email: 'ann@example.com' })), named('ann'))
  for (const email_verified of [false, 'true', undefined]) {
    const token = networks.googleToken({ sub: '92', email: 'ann@example.com', email_verified })
    t.match(await google(token), refused(400, 'Cannot register new user: email is missing'))
  }
  said.set('no address', { id: '93' })
  t.match(await facebook('no address'), refused(400, 'Cannot register new user: email is missing'))

  said.set('off', { id: 'off', email: 'ann@example.com' })
  said.set('off by address', { id: '94', email: 'off@example.com' })
  for (const token of ['off', 'off by address']) t.match(await facebook(token), NOBODY, 'who is disabled')
  said.set('two', { id: '95', email: 'two@example.com' })
  t.match(await facebook('two'), named('95'), 'an address of two users is nobody’s')
  for (const id of ['a:b', 'a/b', '../ann', 'GUEST', '', 'ann\u0000', 'änn', 17, null]) {
    said.set('odd', { id, email: 'odd@example.com' })
    const { status } = await facebook('odd')
    t.equal(status, typeof id === 'string' && id !== '' ? 401 : 502, JSON.stringify(id))
  }

  said.set('at once', { id: '96', email: 'once@example.com' })
  const all = await Promise.all(Array.from({ length: 4 }, () => facebook('at once')))
  for (const each of all) {
    t.match(each, named('96'))
    const own = each.headers.get('set-cookie')!.split(';')[0]!
    t.match(await server.ask('GET /db/_session', { headers: { cookie: own } }), named('96'))
  }
  t.equal(
    (await server.ask('GET /db/_all_docs', { as: `1234:${PASSWORD}` })).status,
    200,
    'the password stays',
  )
  const names = (await server.admin('GET /db/_user/')).json
  t.same(names, ['1234', '5678', '5679', '90', '95', '96', 'ann', 'off', 'one', 'two'])
  t.notMatch(lines.join(''), /app_id/)
})

t.test('who is refused', async (t) => {
  const { server, networks, facebook, google, lines } = await start(t)
  const { said, applications } = networks
  const ann = { id: '77', email: 'ann@example.com' }
  said.set('ann', ann)
  for (const status of [302, 400, 500]) {
    said.set('ann', status)
    t.match(await facebook('ann'), refused(401, `Facebook verification server status ${status}`))
  }
  t.notOk(networks.asked.includes('GET /app'), 'nothing more was asked')
  for (const text of [
    '',
    '{',
    '[]',
    '"x"',
    'null',
    `{"id":"77","x":"${'x'.repeat(300_000)}"}`,
    '{"id":"77","email":1}',
  ]) {
    said.set('ann', text)
    t.match(await facebook('ann'), refused(502, 'Invalid response from Facebook verifier'), text.slice(0, 20))
  }
  said.set('ann', ann)
  applications.set('ann', 'somebody-elses')
  t.match(await facebook('ann'), refused(401, 'Invalid application id, please add it in the config'))
  applications.clear()
  for (const token of ['a&b=c', 'ann&fields=x', '%', '\u0000', 'ä\ud83d\ude00', 'a b+c', '#/?']) {
    said.set(token, ann)
    t.match(await facebook(token), named('ann'), `encoded: ${JSON.stringify(token)}`)
  }
  const before = networks.asked.length
  t.equal((await facebook('x'.repeat(100_000))).status, 401)
  t.match(await facebook('ann', { origin: 'http://theirs.example' }), refused(400, 'No CORS'))
  for (const token of [1, [], {}]) t.match(await facebook(token), refused(400, 'Bad JSON'))
  t.equal((await server.ask('POST /db/_facebook', { body: [] })).status, 400)
  t.equal(networks.asked.length, before, 'nobody was asked')
  t.match(await facebook('ann', { origin: 'http://ours.example' }), named('ann'))

  const wrong = refused(401, 'Invalid Value')
  const token = (claims: Record<string, unknown>, header = {}) =>
    networks.googleToken({ sub: '91', email: 'ann@example.com', ...claims }, header)
  networks.keys = 500
  t.match(await google(token({})), refused(502, 'Invalid response from Google token verifier'))
  networks.keys = '{'
  t.match(await google(token({})), refused(502, 'Invalid response from Google token verifier'))
  networks.keys = undefined
  t.match(await google(token({ iss: 'accounts.google.com' })), named('ann'))
  t.match(
    await google(token({ aud: 'other' })),
    refused(401, 'Invalid application id, please add it in the config'),
  )
  t.match(await google(token({ iss: 'https://accounts.google.com.example' })), wrong)
  t.match(await google(token({ exp: 1 })), wrong)
  t.match(await google(token({ sub: undefined })), wrong)
  t.match(await google(token({ sub: 7 })), wrong)
  t.match(await google(token({}, { kid: 'another' })), wrong)
  t.match(await google(token({}, { alg: 'HS256' })), wrong, 'signed with what everybody knows')
  t.match(await google(`${token({}, { alg: 'none' }).split('.').slice(0, 2).join('.')}.`), wrong)
  const [header, , signature] = token({}).split('.')
  const forged = Buffer.from('{"sub":"1234","aud":"our-app"}').toString('base64url')
  for (const text of [
    '',
    'x',
    '..',
    `${header}.${forged}.${signature}`,
    '\u0000.é.\ud83d\ude00',
    'x'.repeat(100_000),
  ]) {
    t.match(await google(text), wrong, text.slice(0, 20))
  }
  t.notMatch((await server.admin('GET /db/_user/')).json, /91|77/)

  for (const line of [
    'POST /bare/_facebook',
    'GET /bare/_google',
    'POST /none/_google',
    'OPTIONS /bare/_google',
  ]) {
    t.match(await server.ask(line), refused(404, 'unknown URL'), line)
  }
  t.equal((await server.ask('GET /db/_facebook')).status, 405)
  t.equal((await server.admin('POST /db/_facebook', { body: { access_token: 'ann' } })).status, 404)

  said.set('slow', SILENCE)
  const gone = new AbortController()
  const left = fetch(`${server.publicUrl}/db/_facebook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"access_token":"slow"}',
    signal: gone.signal,
  })
  await until('Facebook is asked', () => networks.waiting === 1)
  gone.abort()
  await t.rejects(left)
  await until('Facebook is left', () => networks.waiting === 0)
  t.pass('who has gone is not waited for')
  await networks.stop()
  t.match(await facebook('secret-token'), refused(504, 'Unable to send request to Facebook API'))
  t.notMatch(lines.join(''), /secret-token/, 'the log tells no token')
})

t.test(
  'nobody registers where that is not configured, and what the file says holds for its databases',
  async (t) => {
    const { server, networks, facebook, google, lines } = await start(t, {
      facebook: {},
      google: { register: false },
    })
    networks.said.set('new', { id: '5678', email: 'new@example.com' })
    t.match(await facebook('new'), NOBODY)
    t.same(networks.asked, ['GET /me'], 'without app_id no application is asked for')
    t.match(lines.join(''), /app_id names none/)
    t.match(
      await google(networks.googleToken({ sub: '1234' })),
      refused(401, 'Invalid application id, please add it in the config'),
    )
    t.same((await server.admin('GET /db/_user/')).json.length, 5)
    const text =
      '{"Facebook":{"register":true},"google":null,"databases":{"db":{"google":{"app_client_id":["x"]}}}}'
    const config = readGatewayConfig(text)
    t.same(config.social, { facebook: { register: true } })
    t.same(config.ignored, [])
    for (const wrong of ['"facebook":1', '"google":{"register":"yes"}', '"facebook":{"app_id":"x"}']) {
      t.throws(() => readGatewayConfig(`{${wrong}}`), { name: 'ConfigError' }, wrong)
      t.throws(() => readGatewayConfig(`{"databases":{"db":{${wrong}}}}`), { name: 'ConfigError' }, wrong)
    }
  },
)
