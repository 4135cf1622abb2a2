/** What a token must be, in CouchDB's words; test/auth/forged-credentials.test.ts has those that are made up. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { JwtReader, type JwtSettings } from '../../src/auth/jwt.ts'
import { bearerToken, tokenPart } from '../support/bearer-token.ts'
import { errorLike } from '../support/error-like.ts'

const NOW_SECONDS = 1_700_000_000
const KEY = 'a shared secret'

function reader(changes: Partial<JwtSettings> = {}, keys: Record<string, string> = {}) {
  const settings: JwtSettings = {
    requiredClaims: new Map(),
    rolesClaimName: '_couchdb.roles',
    rolesClaimPath: undefined,
    jwksUrl: undefined,
    ...changes,
  }
  const all: Record<string, string> = { 'hmac:_default': Buffer.from(KEY).toString('base64'), ...keys }
  return new JwtReader(
    settings,
    (name) => all[name],
    () => NOW_SECONDS * 1000,
  )
}

const required = (...names: string[]): Partial<JwtSettings> => ({
  requiredClaims: new Map(names.map((name) => [name, undefined])),
})
const hs256 = (claims: unknown, header: object = {}): string =>
  bearerToken({ alg: 'HS256', ...header }, claims, KEY)

t.test('a user and roles', async (t) => {
  const ann = { sub: 'ann', '_couchdb.roles': ['a', '_admin'], other: { roles: 'b, c' }, 'x.y': { z: ['d'] } }
  t.same(await reader().read(hs256(ann)), { name: 'ann', roles: ['a', '_admin'] })
  t.same(await reader().read(hs256({ sub: 'ann' })), { name: 'ann', roles: [] })
  t.same((await reader({ rolesClaimPath: ['other', 'roles'] }).read(hs256(ann))).roles, ['b', 'c'])
  t.same((await reader({ rolesClaimPath: ['x.y', 'z'] }).read(hs256(ann))).roles, ['d'])
  t.same((await reader({ rolesClaimName: 'constructor' }).read(hs256(ann))).roles, [])
  const malformed = errorLike({ status: 400, reason: 'Malformed token' })
  await t.rejects(reader().read(hs256({ sub: 'ann', '_couchdb.roles': [1] })), malformed)
  await t.rejects(reader().read(hs256({ sub: 5 })), malformed)
  await t.rejects(reader().read(hs256({})), errorLike({ status: 401, reason: 'Token missing sub claim.' }))
})

t.test('a token is refused that has nothing where its roles are said to be', async (t) => {
  const bob = { sub: 'bob', in: { list: [{ z: 'a' }], text: 'a' }, '0': 'a' }
  const cases: [path: string[], reason: string][] = [
    [['out', 'list'], 'missing json key: out'],
    [['in', 'constructor'], 'missing json key: constructor'],
    [['in', 'list', '0'], 'json_mismatch'],
    [['in', 'text', 'length'], 'json_mismatch'],
  ]
  for (const [rolesClaimPath, reason] of cases) {
    const missing = errorLike({ status: 404, error: 'not_found', reason })
    await t.rejects(reader({ rolesClaimPath }).read(hs256(bob)), missing, reason)
    await t.rejects(
      reader({ rolesClaimPath }).read(hs256({ ...bob, sub: undefined })),
      missing,
      'before its user',
    )
  }
  t.same((await reader({ rolesClaimPath: ['in', 'text'] }).read(hs256(bob))).roles, ['a'])
})

t.test('times, where they are asked for', async (t) => {
  const ann = { sub: 'ann' }
  const cases: [claim: string, value: unknown, status: number, reason: string | undefined][] = [
    ['exp', NOW_SECONDS + 1, 200, undefined],
    ['exp', NOW_SECONDS + 0.5, 200, undefined],
    ['exp', NOW_SECONDS, 401, 'exp not in future'],
    ['exp', undefined, 400, 'Missing exp claim'],
    ['exp', `${NOW_SECONDS + 1}`, 400, 'Invalid exp claim'],
    ['exp', null, 400, 'Invalid exp claim'],
    ['nbf', NOW_SECONDS - 1, 200, undefined],
    ['nbf', NOW_SECONDS, 401, 'nbf not in past'],
    ['nbf', undefined, 400, 'Missing nbf claim'],
    ['nbf', '1', 400, 'Invalid nbf claim'],
    ['iat', 1, 200, undefined],
    ['iat', 1.5, 400, 'Invalid iat claim'],
    ['iat', 'now', 400, 'Invalid iat claim'],
    ['iat', undefined, 400, 'Missing iat claim'],
  ]
  for (const [claim, value, status, reason] of cases) {
    const reading = reader(required(claim)).read(hs256({ ...ann, [claim]: value }))
    const what = `${claim} ${JSON.stringify(value)}`
    if (reason === undefined) t.equal((await reading).name, 'ann', what)
    else await t.rejects(reading, errorLike({ status, reason }), what)
    t.equal((await reader().read(hs256({ ...ann, [claim]: value }))).name, 'ann', 'not asked for')
  }
})

t.test('claims and members of the header', async (t) => {
  const issued = reader({ requiredClaims: new Map([['iss', 'me']]) })
  t.equal((await issued.read(hs256({ sub: 'ann', iss: 'me' }))).name, 'ann')
  await t.rejects(issued.read(hs256({ sub: 'ann', iss: 'you' })), errorLike({ reason: 'Invalid iss claim' }))
  await t.rejects(issued.read(hs256({ sub: 'ann' })), errorLike({ reason: 'Missing iss claim' }))
  const meant = reader({ requiredClaims: new Map([['aud', 'us']]) })
  for (const aud of ['us', ['us'], ['them', 'us']]) {
    t.equal((await meant.read(hs256({ sub: 'ann', aud }))).name, 'ann')
  }
  await t.rejects(
    meant.read(hs256({ sub: 'ann', aud: ['them'] })),
    errorLike({ reason: 'Invalid aud claim' }),
  )
  const named = { sub: 'ann' }
  await t.rejects(
    reader(required('typ')).read(hs256(named)),
    errorLike({ reason: 'Missing typ header parameter' }),
  )
  const typed = hs256(named, { typ: 'JOSE' })
  await t.rejects(reader(required('typ')).read(typed), errorLike({ reason: 'Invalid typ header parameter' }))
  await t.rejects(reader(required('kid')).read(hs256(named)), errorLike({ reason: 'Missing kid claim' }))
  await t.rejects(reader().read(hs256(named, { kid: 'x' })), errorLike({ reason: 'Unknown kid' }))
  await t.rejects(
    reader().read(hs256(named, { alg: 'none' })),
    errorLike({ reason: 'Invalid alg header parameter' }),
  )
  await t.rejects(
    reader().read(hs256(named, { alg: undefined })),
    errorLike({ reason: 'Missing alg header parameter' }),
  )
  await t.rejects(reader().read(hs256(named, { crit: ['exp'] })), errorLike({ status: 400 }))
  await t.rejects(reader().read(`${hs256(named)}=`), errorLike({ reason: 'Malformed token' }))
})

interface Made {
  alg: string
  privateKey: KeyObject
  publicKey: KeyObject
}

function signed({ alg, privateKey }: Made, claims: object, header: object = {}): string {
  const text = `${tokenPart({ alg, ...header })}.${tokenPart(claims)}`
  const digest = alg === 'EdDSA' ? null : alg.replace(/^../, 'sha')
  return `${text}.${sign(digest, Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const MADE: [kind: string, Made][] = [
  ['rsa', { alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }],
  ['rsa', { alg: 'RS512', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }],
  ['ec', { alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }],
  ['ec', { alg: 'ES384', ...generateKeyPairSync('ec', { namedCurve: 'P-384' }) }],
  ['eddsa', { alg: 'EdDSA', ...generateKeyPairSync('ed25519') }],
]

t.test('public keys, as PEM and as JWK', async (t) => {
  for (const [kind, made] of MADE) {
    const pem = String(made.publicKey.export({ type: 'spki', format: 'pem' }))
    const texts = [pem, pem.replaceAll('\n', '\\n'), JSON.stringify(made.publicKey.export({ format: 'jwk' }))]
    for (const text of texts) {
      const { read } = { read: reader({}, { [`${kind}:k`]: text }) }
      t.equal((await read.read(signed(made, { sub: 'ann' }, { kid: 'k' }))).name, 'ann', made.alg)
      const forged = signed(made, { sub: 'ann' }, { kid: 'k' }).replace(
        tokenPart({ sub: 'ann' }),
        tokenPart({ sub: 'bob' }),
      )
      await t.rejects(read.read(forged), errorLike({ status: 400, reason: 'Bad signature' }))
    }
    const confused = bearerToken({ alg: 'HS256', kid: 'k' }, { sub: 'ann' }, pem)
    await t.rejects(reader({}, { [`${kind}:k`]: pem }).read(confused), errorLike({ reason: 'Unknown kid' }))
  }
})

t.test('a key that was taken away or changed is no key any more', async (t) => {
  const keys: Record<string, string> = { 'hmac:k': Buffer.from(KEY).toString('base64') }
  const settings = {
    requiredClaims: new Map(),
    rolesClaimName: 'r',
    rolesClaimPath: undefined,
    jwksUrl: undefined,
  }
  const jwt = new JwtReader(
    settings,
    (name) => keys[name],
    () => 0,
  )
  const token = hs256({ sub: 'ann' }, { kid: 'k' })
  t.equal((await jwt.read(token)).name, 'ann')
  t.equal((await jwt.read(token)).name, 'ann', 'remembered')
  keys['hmac:k'] = Buffer.from('another').toString('base64')
  await t.rejects(jwt.read(token), errorLike({ status: 400, reason: 'Bad HMAC' }))
  delete keys['hmac:k']
  await t.rejects(jwt.read(token), errorLike({ status: 400, reason: 'Unknown kid' }))
})

t.test('the curve is that of the algorithm (RFC 7518, 3.4)', async (t) => {
  const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }
  for (const alg of Object.keys(curves) as (keyof typeof curves)[]) {
    for (const curve of Object.values(curves)) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: curve })
      const token = signed({ alg, privateKey, publicKey }, { sub: 'ann' })
      const texts = [
        publicKey.export({ type: 'spki', format: 'pem' }),
        JSON.stringify(publicKey.export({ format: 'jwk' })),
      ]
      for (const text of texts) {
        const reading = reader({}, { 'ec:_default': String(text) }).read(token)
        if (curves[alg] === curve) t.equal((await reading).name, 'ann')
        else
          await t.rejects(
            reading,
            errorLike({ status: 400, reason: 'Bad signature' }),
            `${alg} with ${curve}`,
          )
      }
    }
  }
})

t.test('keys of an issuer, fetched from where he says', async (t) => {
  const [, made] = MADE[2]!
  const jwk = { ...made.publicKey.export({ format: 'jwk' }), kid: 'theirs', use: 'sig', alg: made.alg }
  const issuer = createServer((_request, response) => response.end(JSON.stringify({ keys: [jwk] })))
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve))
  t.teardown(() => issuer.close())
  const { port } = issuer.address() as AddressInfo
  const jwt = reader({ jwksUrl: `http://127.0.0.1:${port}/keys` })
  t.equal((await jwt.read(signed(made, { sub: 'ann' }, { kid: 'theirs' }))).name, 'ann')
  const unknown = errorLike({ status: 400, reason: 'Unknown kid' })
  await t.rejects(jwt.read(signed(made, { sub: 'ann' }, { kid: 'others' })), unknown)
  await t.rejects(jwt.read(bearerToken({ alg: 'HS256', kid: 'theirs' }, { sub: 'ann' }, 'x')), unknown)
  const [, foreign] = MADE[3]!
  await t.rejects(jwt.read(signed(foreign, { sub: 'ann' }, { kid: 'theirs' })), errorLike({ status: 400 }))
})
