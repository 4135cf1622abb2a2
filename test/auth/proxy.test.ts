import { createHmac } from 'node:crypto'
import t from 'tap'
import { proxyUser } from '../../src/auth/proxy.ts'

const SETTINGS = {
  useSecret: false,
  usernameHeader: 'X-Auth-CouchDB-UserName',
  rolesHeader: 'X-Auth-CouchDB-Roles',
  tokenHeader: 'X-Auth-CouchDB-Token',
  hashAlgorithms: ['sha256', 'sha'],
}
const SECRET = 'between us'
const token = (name: string, digest = 'sha256', secret = SECRET): string =>
  createHmac(digest, secret).update(name).digest('hex')

t.test('a name and roles in headers', async (t) => {
  const headers = { 'x-auth-couchdb-username': 'ann', 'x-auth-couchdb-roles': 'a, b,c' }
  t.same(proxyUser(headers, SETTINGS, undefined), { name: 'ann', roles: ['a', 'b', 'c'] })
  t.same(proxyUser({ 'x-auth-couchdb-username': 'ann' }, SETTINGS, undefined), { name: 'ann', roles: [] })
  t.equal(proxyUser({ 'x-auth-couchdb-roles': '_admin' }, SETTINGS, undefined), undefined, 'roles of nobody')
  const utf8 = Buffer.from('Jürgen').toString('latin1')
  t.equal(proxyUser({ 'x-auth-couchdb-username': utf8 }, SETTINGS, undefined)?.name, 'Jürgen')
  const named = { ...SETTINGS, usernameHeader: 'X-User' }
  t.equal(proxyUser({ 'x-user': 'ann' }, named, undefined)?.name, 'ann')
})

t.test('the token, where it is asked for', async (t) => {
  const settings = { ...SETTINGS, useSecret: true }
  const ask = (given: string | undefined, name = 'ann', secret: string | undefined = SECRET) => {
    const headers = { 'x-auth-couchdb-username': name, 'x-auth-couchdb-roles': '_admin' }
    return proxyUser({ ...headers, 'x-auth-couchdb-token': given }, settings, secret)
  }
  t.equal(ask(token('ann'))?.name, 'ann')
  t.equal(ask(token('ann', 'sha1'))?.name, 'ann')
  for (const [what, given] of [
    ['none', undefined],
    ['empty', ''],
    ["another name's", token('bob')],
    ['of another secret', token('ann', 'sha256', 'x')],
    ['of another function', token('ann', 'sha512')],
    ['cut off', token('ann').slice(0, -2)],
    ['longer', `${token('ann')}00`],
    ['no hex', `${token('ann').slice(0, -2)}zz`],
  ] as const) {
    t.equal(ask(given), undefined, what)
  }
  const headers = { 'x-auth-couchdb-username': 'ann', 'x-auth-couchdb-token': token('ann', 'sha256', '') }
  t.equal(proxyUser(headers, settings, undefined), undefined, 'without a secret none is right')
})
