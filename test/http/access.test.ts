/** Refusals, also of users that are no server administrators, whom only databases' `_security` knows. */
import t from 'tap'
import {
  isChannelled,
  isDatabaseAdmin,
  isMember,
  readSecurity,
  type Security,
} from '../../src/auth/security.ts'
import { ANONYMOUS, isServerAdmin, type UserCtx } from '../../src/auth/user.ts'
import { authorize, requireDatabaseAdmin } from '../../src/http/request/access.ts'
import type { Exchange } from '../../src/http/request/exchange.ts'
import type { Right } from '../../src/http/request/rights.ts'
import { errorLike } from '../support/error-like.ts'

const ROOT: UserCtx = { name: 'root', roles: ['_admin'] }
const CLEO: UserCtx = { name: 'cleo', roles: ['staff'] }
const DAN: UserCtx = { name: 'dan', roles: [] }
const EVE: UserCtx = { name: 'eve', roles: ['boss'] }
const CLOSED = readSecurity({ members: { roles: ['staff'] }, admins: { roles: ['boss'] } })

function exchangeOf(user: UserCtx, security: Security): Exchange {
  const exchange = {
    user,
    place: { database: 'db', route: 'db' },
    isServerAdmin: isServerAdmin(user),
    isDatabaseAdmin: isDatabaseAdmin(user, security),
    isMember: isMember(user, security),
    isChannelled: isChannelled(user, security),
    method: 'GET',
    openDatabase: () => undefined,
    lookUpChannels: () => undefined,
  }
  return exchange as unknown as Exchange
}

const ask = (user: UserCtx, right: Right) => () => authorize(exchangeOf(user, CLOSED), right)

t.test('members', async (t) => {
  t.throws(
    ask(ANONYMOUS, 'member'),
    errorLike({ status: 401, error: 'unauthorized', reason: 'You are not authorized to access this db.' }),
  )
  t.throws(
    ask(DAN, 'member'),
    errorLike({ status: 403, error: 'forbidden', reason: 'You are not allowed to access this db.' }),
  )
  t.equal(ask(CLEO, 'member')(), undefined)
})

t.test('writers of design documents and settings', async (t) => {
  const reason = 'You are not a db or server admin.'
  t.throws(() => requireDatabaseAdmin(exchangeOf(CLEO, CLOSED)), errorLike({ status: 403, reason }))
  t.throws(
    () => requireDatabaseAdmin(exchangeOf(ANONYMOUS, readSecurity({}))),
    errorLike({ status: 401, reason }),
  )
  requireDatabaseAdmin(exchangeOf(EVE, CLOSED))
})

t.test('who sees his channels alone', async (t) => {
  const guarded = readSecurity({ members: { roles: ['staff'] }, admins: { roles: ['boss'] }, channels: true })
  const refusal = errorLike({ status: 403, error: 'forbidden', reason: /^You see your channels/ })
  t.throws(() => authorize(exchangeOf(CLEO, guarded), 'member'), refusal)
  t.equal(authorize(exchangeOf(EVE, guarded), 'member'), undefined)
  t.equal(authorize(exchangeOf(ROOT, guarded), 'member'), undefined)
})

t.test('administrators', async (t) => {
  const reason = 'You are not a server or db admin.'
  t.throws(ask(CLEO, 'database-admin'), errorLike({ status: 401, reason }))
  t.equal(ask(EVE, 'database-admin')(), undefined)
  t.throws(ask(EVE, 'server-admin'), errorLike({ status: 401, reason: 'You are not a server admin.' }))
  t.equal(ask(ROOT, 'server-admin')(), undefined)
})
