import { createHmac } from 'node:crypto'
import t from 'tap'
import { Authenticator } from '../../src/auth/authenticator.ts'
import { CredentialCheck } from '../../src/auth/credential-check.ts'
import { NO_LOCK_OUT } from '../../src/auth/lock-out.ts'
import { createPasswordHasher } from '../../src/auth/password-hash.ts'
import { findToken, makeToken, parseToken } from '../../src/auth/session-cookie.ts'
import type { Credential } from '../../src/auth/user.ts'
import { systemRandom } from '../../src/base/random.ts'
import { errorLike } from '../support/error-like.ts'
import { manualClock } from '../support/manual-clock.ts'

const hasher = createPasswordHasher()
const SECRET = '92de07df7e7a3fe14808cef90a7cc0d9'

async function setUp(cookie = {}) {
  const clock = manualClock()
  const users = new Map<string, Credential>()
  const setPassword = async (name: string, password: string): Promise<void> => {
    users.set(name, { name, roles: ['_admin'], hash: await hasher.hash(password, 1, systemRandom) })
  }
  await setPassword('admin', 'apple')
  await setPassword('Jürgen', 'p:w')
  const source = { find: (name: string) => users.get(name) }
  const authenticator = new Authenticator({
    source,
    check: new CredentialCheck({ source, hasher, random: systemRandom, iterations: 1, lockOut: NO_LOCK_OUT }),
    secrets: { current: SECRET, all: () => [SECRET] },
    handlers: { list: ['cookie', 'default'] },
    jwt: { read: () => Promise.reject(new Error('not asked')) },
    proxy: {
      useSecret: false,
      usernameHeader: 'x-user',
      rolesHeader: 'x-roles',
      tokenHeader: 'x-token',
      hashAlgorithms: [],
    },
    proxySecret: { secret: undefined },
    cookie: { timeoutSeconds: 600, persistent: true, domain: undefined, sameSite: undefined, ...cookie },
    now: () => clock.now(),
  })
  return { authenticator, clock, users, setPassword }
}

const basic = (text: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(text).toString('base64')}`,
})
const ANONYMOUS = {
  user: { name: null, roles: [] },
  handler: undefined,
  setCookie: undefined,
  credential: undefined,
}
const INCORRECT = errorLike({ status: 401, error: 'unauthorized', reason: 'Name or password is incorrect.' })

t.test('Basic', async (t) => {
  const { authenticator } = await setUp()
  t.match(await authenticator.authenticate(basic('admin:apple')), {
    user: { name: 'admin', roles: ['_admin'] },
    handler: 'default',
    setCookie: undefined,
  })
  t.match(await authenticator.authenticate(basic('Jürgen:p:w')), { user: { name: 'Jürgen' } })
  const lower = { authorization: basic('admin:apple').authorization.replace('Basic', 'basic') }
  t.match(await authenticator.authenticate(lower), { user: { name: 'admin' } })
  await t.rejects(authenticator.authenticate(basic('admin:pear')), INCORRECT)
  await t.rejects(authenticator.authenticate(basic('nobody:apple')), INCORRECT)
  await t.rejects(authenticator.authenticate(basic('admin:')), INCORRECT)
  for (const anonymous of [
    {},
    { authorization: '' },
    basic('_:_'),
    basic('no colon'),
    basic(''),
    { authorization: 'Bearer abc' },
    { authorization: 'x' },
  ]) {
    t.same(await authenticator.authenticate(anonymous), ANONYMOUS)
  }
})

t.test('a malformed Authorization header is refused, or anonymous where that is wanted', async (t) => {
  const { authenticator } = await setUp()
  for (const authorization of ['Basic !!!', 'Basic', 'Basic YWRtaW46YXBwbGU', 'Basic /w==']) {
    await t.rejects(authenticator.authenticate({ authorization }), errorLike({ status: 401 }), authorization)
    t.same(await authenticator.authenticate({ authorization }, { tolerant: true }), ANONYMOUS, authorization)
  }
  await t.rejects(authenticator.authenticate(basic('admin:pear'), { tolerant: true }), INCORRECT)
})

t.test('a session, as CouchDB writes it', async (t) => {
  const { authenticator, clock } = await setUp()
  const session = await authenticator.login('admin', 'apple')
  t.same(session?.user, { name: 'admin', roles: ['_admin'] })
  t.match(
    session?.setCookie,
    /^AuthSession=[A-Za-z0-9_-]+; Version=1; Expires=Tue, 14 Nov 2023 22:23:20 GMT; Max-Age=600; Path=\/; HttpOnly$/,
  )
  const cookie = session!.setCookie
  t.match(await authenticator.authenticate({ cookie }), {
    user: { name: 'admin', roles: ['_admin'] },
    handler: 'cookie',
    setCookie: undefined,
  })
  t.match(await authenticator.authenticate({ cookie, ...basic('admin:pear') }), { handler: 'cookie' })
  t.match(await authenticator.authenticate({ cookie: `a=b;  AuthSession="${findToken(cookie)}"` }), {
    handler: 'cookie',
  })
  clock.advance(60_000)
  t.equal((await authenticator.authenticate({ cookie })).setCookie, undefined, 'a tenth is not over yet')
  clock.advance(1000)
  const renewed = (await authenticator.authenticate({ cookie })).setCookie
  t.match(renewed, /^AuthSession=[^;]+; Version=1; .*Max-Age=600/)
  clock.advance(538_999)
  t.match(await authenticator.authenticate({ cookie }), { handler: 'cookie' })
  clock.advance(1)
  t.same(await authenticator.authenticate({ cookie }), ANONYMOUS, 'over')
  t.match(await authenticator.authenticate({ cookie: renewed }), { handler: 'cookie' }, 'slid on')
  t.equal(await authenticator.login('admin', 'pear'), undefined)
  t.match(authenticator.logout(), /^AuthSession=; Version=1; /)
})

t.test('a changed password ends sessions', async (t) => {
  const { authenticator, users, setPassword } = await setUp()
  const session = await authenticator.login('admin', 'apple')
  await setPassword('admin', 'apple')
  t.same(await authenticator.authenticate({ cookie: session!.setCookie }), ANONYMOUS)
  const other = await authenticator.login('Jürgen', 'p:w')
  t.match(await authenticator.authenticate({ cookie: other!.setCookie }), { user: { name: 'Jürgen' } })
  users.delete('Jürgen')
  t.same(await authenticator.authenticate({ cookie: other!.setCookie }), ANONYMOUS)
})

t.test('a session from the future is none, however well it is signed', async (t) => {
  const { authenticator, clock, users } = await setUp()
  const at = (seconds: number): { cookie: string } => {
    const issued = Math.floor(clock.now() / 1000) + seconds
    return { cookie: `AuthSession=${makeToken('admin', issued, SECRET + users.get('admin')!.hash.salt)}` }
  }
  t.match(await authenticator.authenticate(at(60)), { handler: 'cookie' }, 'clocks differ a little')
  for (const seconds of [61, 3600, 10 ** 9]) t.same(await authenticator.authenticate(at(seconds)), ANONYMOUS)
})

t.test('the bytes of the cookie', async (t) => {
  const { authenticator, clock, users } = await setUp()
  const salt = users.get('admin')!.hash.salt
  const time = Math.floor(clock.now() / 1000)
    .toString(16)
    .toUpperCase()
  const made = (digest: string, key: string, signed = `admin:${time}`): { cookie: string } => {
    const mac = createHmac(digest, key).update(signed).digest()
    return { cookie: `AuthSession=${Buffer.concat([Buffer.from(`${signed}:`), mac]).toString('base64url')}` }
  }
  t.equal(
    findToken((await authenticator.login('admin', 'apple'))!.setCookie),
    findToken(made('sha256', SECRET + salt).cookie),
  )
  t.match(await authenticator.authenticate(made('sha1', SECRET + salt)), { handler: 'cookie' })
  for (const forged of [
    made('sha256', SECRET),
    made('sha256', `${SECRET}${salt}x`),
    made('sha512', SECRET + salt),
    made('sha256', SECRET + salt, 'admin:zz'),
    made('sha256', SECRET + salt, 'nobody:65540000'),
    { cookie: 'AuthSession=c3J2LW5vLXN1Y2gtdXNlcjo1RjAwMDAwMDphYmNkZWZnaGlqa2xtbm9wcXJzdA' },
    { cookie: 'AuthSession=' },
    { cookie: 'authsession=x' },
    { cookie: 'Other' },
  ]) {
    t.same(await authenticator.authenticate(forged), ANONYMOUS, forged.cookie)
  }
  const malformed = errorLike({
    status: 400,
    error: 'bad_request',
    reason: 'Malformed AuthSession cookie. Please clear your cookies.',
  })
  for (const value of ['garbage', 'a', '!!', 'YTpi']) {
    await t.rejects(authenticator.authenticate({ cookie: `AuthSession=${value}` }), malformed, value)
  }
})

t.test('every byte of a token counts', async (t) => {
  const { authenticator, clock, users } = await setUp()
  const token = makeToken('admin', Math.floor(clock.now() / 1000), SECRET + users.get('admin')!.hash.salt)
  const bytes = Buffer.from(token, 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at] = flipped[at]! ^ 1
    const cookie = `AuthSession=${flipped.toString('base64url')}`
    const result = parseToken(flipped.toString('base64url'))
      ? await authenticator.authenticate({ cookie })
      : ANONYMOUS
    t.equal(result.handler, undefined, `byte ${at}`)
  }
})

t.test('attributes of the cookie', async (t) => {
  const { authenticator } = await setUp({ persistent: false, domain: 'example.com', sameSite: 'strict' })
  t.match(
    (await authenticator.login('admin', 'apple'))?.setCookie,
    /^AuthSession=[^;]+; Version=1; Domain=example.com; Path=\/; HttpOnly; SameSite=Strict$/,
  )
})

t.test('what is known at once', async (t) => {
  const { authenticator, users, setPassword } = await setUp()
  t.same(authenticator.recall({}, ''), ANONYMOUS)
  for (const wrong of [basic('admin:pear'), basic('nobody:apple')]) {
    await t.rejects(authenticator.authenticate(wrong))
    t.equal(authenticator.recall(wrong, ''), undefined, 'a refusal is not remembered')
  }
  const header = basic('Jürgen:p:w')
  t.equal(authenticator.recall(header, ''), undefined, 'never seen')
  const known = await authenticator.authenticate(header)
  t.same(authenticator.recall(header, ''), known)
  t.equal(authenticator.recall({ ...header, cookie: 'AuthSession=x' }, ''), undefined, 'a cookie comes first')
  await setPassword('Jürgen', 'other')
  t.equal(authenticator.recall(header, ''), undefined, 'the password is another one')
  await t.rejects(authenticator.authenticate(header), INCORRECT)
  t.equal(authenticator.recall(header, ''), undefined)
  users.delete('Jürgen')
  await t.rejects(authenticator.authenticate(header), INCORRECT)
})

const CALLER = { address: '127.0.0.1', onGone: () => () => {} }

t.test('a request that goes on is asked for at once while nothing has changed', async (t) => {
  const { authenticator, clock, users, setPassword } = await setUp()
  const session = await authenticator.login('admin', 'apple')
  const byBasic = basic('admin:apple')
  const byCookie = { cookie: session!.setCookie }
  const basicly = await authenticator.authenticate(byBasic)
  const sessionly = await authenticator.authenticate(byCookie)
  t.equal(authenticator.renewed(byBasic, basicly, CALLER), basicly)
  t.equal(authenticator.renewed(byCookie, sessionly, CALLER), sessionly)
  const nobody = await authenticator.authenticate({})
  t.equal(authenticator.renewed({}, nobody, CALLER), nobody)

  const { hash } = users.get('admin')!
  users.set('admin', { name: 'admin', roles: ['_admin'], hash })
  const again = await authenticator.renewed(byBasic, basicly, CALLER)
  t.equal(again!.credential, users.get('admin'), 'the same user, stored anew')
  t.ok(await authenticator.renewed(byCookie, sessionly, CALLER))
  users.set('admin', { name: 'admin', roles: [], hash })
  t.equal(await authenticator.renewed(byBasic, again!, CALLER), undefined, 'other roles')
  t.equal(await authenticator.renewed(byCookie, sessionly, CALLER), undefined)
  await setPassword('admin', 'apple')
  t.ok(await authenticator.renewed(byBasic, again!, CALLER), 'the same password with another hash')
  t.equal(await authenticator.renewed(byCookie, sessionly, CALLER), undefined, 'which ends sessions')
  await setPassword('admin', 'pear')
  t.equal(await authenticator.renewed(byBasic, again!, CALLER), undefined, 'another password')

  const other = await authenticator.login('admin', 'pear')
  const cookie = { cookie: other!.setCookie }
  const known = await authenticator.authenticate(cookie)
  clock.advance(601_000)
  t.equal(authenticator.renewed(cookie, known, CALLER), known, 'nothing has renewed the session meanwhile')
  t.same(await authenticator.authenticate(cookie), ANONYMOUS, 'but a new request is nobody')
})
