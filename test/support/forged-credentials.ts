/**
 * Credentials that are none, of every kind that somebody may try: made from right ones, which differ from them in one thing.
 * `prepareCredentials` sets up a server that they are meant for, and checks that the right ones let in.
 */

import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { makeToken } from '../../src/auth/session-cookie.ts'
import { systemClock } from '../../src/base/clock.ts'
import { bearerToken, tokenPart } from './bearer-token.ts'
import { ask } from './http-request.ts'
import type { TestServer } from './http-server.ts'
import type { Random } from './random.ts'

const SECRET = 'what keys the cookies of this server'
const FORMER_SECRET = 'what keyed them once'
const HMAC_KEYS = { _default: 'a shared secret of some length 01', other: 'another secret, for other people' }
const AUDIENCE = 'https://documents.example'
const DAY_SECONDS = 24 * 3600

export const CREDENTIALS_CONFIG = {
  DAVENPORT_CHTTPD__AUTHENTICATION_HANDLERS: 'jwt, proxy, cookie, default',
  DAVENPORT_JWT_AUTH__REQUIRED_CLAIMS: `exp,nbf,iat,{aud, "${AUDIENCE}"}`,
  DAVENPORT_CHTTPD_AUTH__SECRET: SECRET,
  DAVENPORT_CHTTPD_AUTH__PROXY_USE_SECRET: 'true',
  DAVENPORT_CHTTPD_AUTH_LOCKOUT__MODE: 'off',
}

type Headers = Record<string, string>

/** Headers, and in a word what is wrong with them. */
export interface Forged {
  readonly what: string
  readonly headers: Headers
}

interface Pair {
  readonly alg: 'RS256' | 'ES256' | 'EdDSA'
  readonly kind: 'rsa' | 'ec' | 'eddsa'
  readonly privateKey: KeyObject
  readonly publicPem: string
}

function pairs(): Pair[] {
  const encoding = { type: 'spki', format: 'pem' } as const
  const made = [
    { alg: 'RS256', kind: 'rsa', keys: generateKeyPairSync('rsa', { modulusLength: 2048 }) },
    { alg: 'ES256', kind: 'ec', keys: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
    { alg: 'EdDSA', kind: 'eddsa', keys: generateKeyPairSync('ed25519') },
  ] as const
  return made.map(({ alg, kind, keys }) => ({
    alg,
    kind,
    privateKey: keys.privateKey,
    publicPem: String(keys.publicKey.export(encoding)),
  }))
}

function signedToken(header: object, claims: unknown, { alg, privateKey }: Pair): string {
  const signed = `${tokenPart(header)}.${tokenPart(claims)}`
  const digest = alg === 'EdDSA' ? null : 'sha256'
  const signature = sign(digest, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${signed}.${signature.toString('base64url')}`
}

export class CredentialForger {
  readonly #own: readonly Pair[]
  readonly #foreign = pairs()
  /** Of the hash that a user has now. */
  readonly #salt: string
  readonly #formerSalt: string

  constructor(own: readonly Pair[], salts: { now: string; former: string }) {
    this.#own = own
    this.#salt = salts.now
    this.#formerSalt = salts.former
  }

  /** Right ones, by each handler. */
  right(): Forged[] {
    const claims = this.#claims()
    const tokens = this.#own.map((pair): Forged => {
      const token = signedToken({ alg: pair.alg }, claims, pair)
      return { what: pair.alg, headers: bearer(token) }
    })
    return [
      ...tokens,
      { what: 'HS256', headers: bearer(bearerToken({ alg: 'HS256' }, claims, HMAC_KEYS._default)) },
      { what: 'cookie', headers: cookie(makeToken('mia', nowSeconds(), SECRET + this.#salt)) },
      { what: 'proxy', headers: proxied('mia', proxyToken('mia', SECRET)) },
    ]
  }

  forge(random: Random): Forged {
    return random.pick([
      () => this.#badToken(random),
      () => this.#badCookie(random),
      () => badProxy(random),
    ])()
  }

  #claims(): Record<string, unknown> {
    const now = nowSeconds()
    return {
      sub: 'mia',
      aud: AUDIENCE,
      iat: now - 10,
      nbf: now - 10,
      exp: now + 600,
      '_couchdb.roles': ['_admin'],
    }
  }

  #badToken(random: Random): Forged {
    const way = random.pick([
      () => this.#badClaims(random),
      () => this.#badSignature(random),
      () => this.#badHeader(random),
      () => this.#badText(random),
    ])
    const [what, token] = way()
    return { what: `token: ${what}`, headers: bearer(token) }
  }

  /** Rightly signed. */
  #badClaims(random: Random): [string, string] {
    const now = nowSeconds()
    const later = now + 1000 + random.int(DAY_SECONDS * 1000)
    const no = random.pick<unknown>([null, '', true, [], {}, [later], String(later), `${later}`, 'never'])
    const [what, change] = random.pick<[string, Record<string, unknown>]>([
      ['expired', { exp: now - random.int(DAY_SECONDS * 365) }],
      ['expired long ago', { exp: random.pick([0, -1, -1e300, 1.5]) }],
      ['no time of its end', { exp: no }],
      ['no end', { exp: undefined }],
      ['not yet valid', { nbf: later }],
      ['no time of its beginning', { nbf: no }],
      ['no beginning', { nbf: undefined }],
      ['no time of issue', { iat: random.pick([no, undefined]) }],
      [
        'another audience',
        { aud: random.pick(['other', `${AUDIENCE}/`, AUDIENCE.toUpperCase(), '', null, 7]) },
      ],
      ['other audiences', { aud: random.pick<unknown>([[], ['other'], [[AUDIENCE]], { 0: AUDIENCE }]) }],
      ['no audience', { aud: undefined }],
      ['no name', { sub: random.pick([undefined, null, 7, ['mia'], { name: 'mia' }]) }],
    ])
    const claims = { ...this.#claims(), ...change }
    return [what, this.#signed(random, claims)]
  }

  #signed(random: Random, claims: unknown, header: object = {}): string {
    const pair = random.pick([...this.#own, undefined])
    if (pair === undefined) return bearerToken({ alg: 'HS256', ...header }, claims, HMAC_KEYS._default)
    return signedToken({ alg: pair.alg, ...header }, claims, pair)
  }

  #badSignature(random: Random): [string, string] {
    const claims = this.#claims()
    const own = random.pick(this.#own)
    const foreign = this.#foreign.find(({ alg }) => alg === own.alg)!
    const good = this.#signed(random, claims)
    const [head, body, signature] = good.split('.') as [string, string, string]
    const bytes = Buffer.from(signature, 'base64url')
    const changed = Buffer.from(bytes)
    changed[random.int(changed.length)]! ^= 1 << random.int(8)
    const ways: [string, () => string][] = [
      ['another key of its kind', () => signedToken({ alg: own.alg }, claims, foreign)],
      ['another secret', () => bearerToken({ alg: 'HS256' }, claims, `${random.next()}`)],
      [
        "another name's secret",
        () => bearerToken({ alg: 'HS256', kid: 'other' }, claims, HMAC_KEYS._default),
      ],
      ['an empty secret', () => bearerToken({ alg: 'HS256' }, claims, '')],
      [
        'a public key taken for a secret',
        () =>
          bearerToken(
            {
              alg: random.pick(['HS256', 'HS384', 'HS512']),
              kid: random.pick([undefined, own.kind, '_default']),
            },
            claims,
            random.pick([own.publicPem, own.publicPem.trim(), own.publicPem.replaceAll('\n', '\\n')]),
          ),
      ],
      ['a bit changed', () => `${head}.${body}.${changed.toString('base64url')}`],
      ['no signature', () => `${head}.${body}.`],
      ['zeros', () => `${head}.${body}.${Buffer.alloc(bytes.length).toString('base64url')}`],
      [
        'cut off',
        () => `${head}.${body}.${bytes.subarray(0, random.int(bytes.length)).toString('base64url')}`,
      ],
      [
        'longer',
        () => `${head}.${body}.${Buffer.concat([bytes, Buffer.of(random.int(256))]).toString('base64url')}`,
      ],
      ['other claims', () => `${head}.${tokenPart({ ...claims, sub: 'admin' })}.${signature}`],
    ]
    const [what, make] = random.pick(ways)
    return [what, make()]
  }

  #badHeader(random: Random): [string, string] {
    const claims = this.#claims()
    const own = random.pick(this.#own)
    const foreign = this.#foreign.find(({ alg }) => alg === own.alg)!
    const { alg } = own
    const none = random.pick<unknown>([
      'none',
      'None',
      'NONE',
      'nOnE',
      '',
      null,
      0,
      [],
      ['HS256'],
      {},
      undefined,
    ])
    const other = random.pick([
      'HS256',
      'HS384',
      'HS512',
      'RS256',
      'RS512',
      'PS256',
      'ES384',
      'ES256K',
      'EdDSA',
    ])
    const unsigned = `${tokenPart({ alg: none })}.${tokenPart(claims)}`
    const named = random.pick([
      '../_default',
      '__proto__',
      'constructor',
      'toString',
      '_default\0',
      ' _default',
      '*',
    ])
    const jwk = { ...foreign.privateKey.export({ format: 'jwk' }), d: undefined }
    const ways: [string, () => string][] = [
      ['no algorithm', () => `${unsigned}.`],
      ['no algorithm, signed', () => bearerToken({ alg: none }, claims, HMAC_KEYS._default)],
      ['another algorithm of the secret', () => hmacToken(random, claims)],
      [
        'another algorithm of the key',
        () => signedToken({ alg: other === alg ? 'none' : other }, claims, own),
      ],
      ['an unknown key', () => this.#signed(random, claims, { kid: named })],
      [
        'no name of a key',
        () => this.#signed(random, claims, { kid: random.pick<unknown>([1, null, {}, ['_default']]) }),
      ],
      ['brings its key', () => signedToken({ alg, jwk }, claims, foreign)],
      [
        'says where its key is',
        () => signedToken({ alg, jku: 'http://127.0.0.1:1/', x5u: 'x' }, claims, foreign),
      ],
      ['a critical extension', () => this.#signed(random, claims, { crit: ['b64'], b64: false })],
      ['an unknown extension', () => this.#signed(random, claims, { crit: ['new'], new: 1 })],
    ]
    const [what, make] = random.pick(ways)
    return [what, make()]
  }

  #badText(random: Random): [string, string] {
    const good = this.#signed(random, this.#claims())
    const at = random.int(good.length)
    const [head, body, signature] = good.split('.') as [string, string, string]
    const junk = random.pick(['!', ' ', '\t', '%', '=', '+', '/', '.', '\u00e9', ',', '"', '~'])
    const ways: [string, () => string][] = [
      ['cut off', () => good.slice(0, at)],
      ['its beginning cut off', () => good.slice(at + 1)],
      ['junk inside', () => good.slice(0, at) + junk + good.slice(at)],
      ['two parts', () => `${head}.${body}`],
      ['four parts', () => `${good}.${signature}`],
      ['five parts', () => `${head}..${body}.${signature}.${signature}`],
      ['another order', () => `${body}.${head}.${signature}`],
      ['no claims', () => this.#signed(random, random.pick<unknown>([null, [], 1, 'mia', '']))],
      ['no JSON', () => `${head}.${Buffer.from('{"sub":"mia",').toString('base64url')}.${signature}`],
      ['very long', () => good + 'A'.repeat(20_000)],
      ['nothing', () => random.pick(['', '.', '..', '...', 'null', '{}'])],
    ]
    const [what, make] = random.pick(ways)
    return [what, make()]
  }

  #badCookie(random: Random): Forged {
    const now = nowSeconds()
    const key = SECRET + this.#salt
    const name = random.pick(['mia', 'admin', 'nobody', '', 'mia:0', 'MIA', '_admin', 'del'])
    const good = Buffer.from(makeToken('mia', now, key), 'base64url')
    const macStart = good.length - 32
    const signed = good.subarray(0, macStart - 1)
    const noise = Buffer.from(
      Array.from({ length: random.pick([0, 1, 16, 19, 20, 21, 31, 32, 33, 64]) }, () => random.int(256)),
    )
    const changed = Buffer.from(good)
    changed[random.int(good.length)]! ^= 1 << random.int(8)
    const time = random.pick([
      '',
      '-1',
      '0',
      'FFFFFFFFFFFF',
      '1e9',
      'NaN',
      ' 6',
      '6.5',
      '0x6',
      'Infinity',
      'G',
    ])
    const timed = Buffer.from(`mia:${time}`)
    const ways: [string, () => Buffer | string][] = [
      ['over', () => makeToken('mia', now - 601 - random.int(DAY_SECONDS * 365), key)],
      ['of the future', () => makeToken('mia', now + 120 + random.int(DAY_SECONDS * 365), key)],
      ['of a wrong time', () => Buffer.concat([timed, Buffer.from(':'), mac(key, timed)])],
      ['of a secret that was changed', () => makeToken('mia', now, FORMER_SECRET + this.#salt)],
      ['of a password that was changed', () => makeToken('mia', now, SECRET + this.#formerSalt)],
      [
        'of somebody who was deleted',
        () => makeToken('del', now, SECRET + random.pick([this.#salt, '', this.#formerSalt])),
      ],
      ['of somebody else', () => makeToken(name === 'mia' ? 'admin' : name, now, key)],
      ['without a salt', () => makeToken('mia', now, SECRET)],
      ['without a secret', () => makeToken('mia', now, this.#salt)],
      ['forged', () => makeToken('mia', now, `${random.next()}`)],
      ['noise for a signature', () => Buffer.concat([signed, Buffer.from(':'), noise])],
      ['a bit changed', () => changed],
      ['cut off', () => good.subarray(0, random.int(good.length))],
      ['longer', () => Buffer.concat([good, Buffer.of(random.int(256))])],
      ['another name before', () => Buffer.concat([Buffer.from('admin:'), good])],
      ['nothing', () => random.pick(['', ':', '::', 'AA', '%', '"', 'null', 'A'.repeat(9000)])],
    ]
    const [what, make] = random.pick(ways)
    const value = make()
    const text = typeof value === 'string' ? value : value.toString(random.pick(['base64url', 'base64']))
    return { what: `cookie: ${what}`, headers: cookie(text) }
  }
}

function hmacToken(random: Random, claims: unknown): string {
  const [said, used] = random.pick([
    ['HS256', 'sha512'],
    ['HS256', 'sha1'],
    ['HS384', 'sha256'],
    ['HS512', 'sha256'],
  ] as const)
  const signed = `${tokenPart({ alg: said })}.${tokenPart(claims)}`
  return `${signed}.${createHmac(used, HMAC_KEYS._default).update(signed).digest('base64url')}`
}

function badProxy(random: Random): Forged {
  const right = proxyToken('mia', SECRET)
  const ways: [string, () => Headers][] = [
    ['no token', () => proxied('mia', undefined)],
    ['an empty token', () => proxied('mia', '')],
    ['of another name', () => proxied('admin', right)],
    ['of another secret', () => proxied('mia', proxyToken('mia', `${random.next()}`))],
    ['of an empty secret', () => proxied('mia', proxyToken('mia', ''))],
    [
      'of another function',
      () => proxied('mia', proxyToken('mia', SECRET, random.pick(['md5', 'sha512', 'sha384']))),
    ],
    ['cut off', () => proxied('mia', right.slice(0, random.int(right.length)))],
    ['longer', () => proxied('mia', right + random.pick(['0', '00', 'zz', ' 00']))],
    ['no hex', () => proxied('mia', `${right.slice(0, -2)}${random.pick(['zz', '0x', '  ', '-1'])}`)],
    ['of an empty name', () => proxied('', proxyToken('mia', SECRET))],
  ]
  const [what, make] = random.pick(ways)
  return { what: `proxy: ${what}`, headers: make() }
}

const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })
const cookie = (value: string): Headers => ({ cookie: `AuthSession=${value}` })

function proxied(name: string, token: string | undefined): Headers {
  const headers = { 'x-auth-couchdb-username': name, 'x-auth-couchdb-roles': '_admin' }
  return token === undefined ? headers : { ...headers, 'x-auth-couchdb-token': token }
}

function proxyToken(name: string, secret: string, digest = 'sha256'): string {
  return createHmac(digest, secret).update(name).digest('hex')
}

function mac(key: string, signed: Buffer): Buffer {
  return createHmac('sha256', key).update(signed).digest()
}

function nowSeconds(): number {
  return Math.floor(systemClock.now() / 1000)
}

/** A server with `CREDENTIALS_CONFIG`. Rejects where right credentials do not let in. */
export async function prepareCredentials(server: TestServer): Promise<CredentialForger> {
  const own = pairs()
  const put = (key: string, text: string) =>
    ask(server, `PUT /_node/_local/_config/jwt_keys/${key}`, { json: text })
  for (const { kind, publicPem } of own) {
    await put(`${kind}:_default`, publicPem.replaceAll('\n', '\\n'))
    await put(`${kind}:${kind}`, publicPem.replaceAll('\n', '\\n'))
  }
  for (const [kid, key] of Object.entries(HMAC_KEYS)) {
    await put(`hmac:${kid}`, Buffer.from(key).toString('base64'))
  }
  const former = await putUser(server, 'mia', 'before')
  const now = await putUser(server, 'mia', 'now')
  await putUser(server, 'del', 'gone')
  const { headers } = await ask(server, 'GET /_users/org.couchdb.user:del')
  const rev = headers.etag!.replaceAll('"', '')
  await ask(server, `DELETE /_users/org.couchdb.user:del?rev=${rev}`)
  const forger = new CredentialForger(own, { now, former })
  for (const { what, headers } of forger.right()) {
    const { status, json } = await ask(server, 'GET /_session', { as: null, headers })
    const { userCtx } = json as { userCtx?: { name: unknown } }
    if (status !== 200 || userCtx?.name !== 'mia')
      throw new Error(`${what} does not let in: ${JSON.stringify(json)}`)
  }
  return forger
}

/** The salt that the hash has. */
async function putUser(server: TestServer, name: string, password: string): Promise<string> {
  const path = `/_users/org.couchdb.user:${name}`
  const { json } = await ask(server, `GET ${path}`)
  const { _rev } = json as { _rev?: string }
  await ask(server, `PUT ${path}`, { json: { _rev, name, password, roles: [], type: 'user' } })
  const { json: stored } = await ask(server, `GET ${path}`)
  return (stored as { salt: string }).salt
}
