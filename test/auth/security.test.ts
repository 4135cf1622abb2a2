import t from 'tap'
import {
  DEFAULT_SECURITY_TEXT,
  isDatabaseAdmin,
  isMember,
  parseSecurity,
  readSecurity,
  requireDatabaseAdmin,
  requireDesignWriter,
  requireMember,
  requireServerAdmin,
} from '../../src/auth/security.ts'
import { ANONYMOUS, type UserCtx } from '../../src/auth/user.ts'
import { errorLike } from '../support/error-like.ts'

const ROOT: UserCtx = { name: 'root', roles: ['_admin'] }
const CLEO: UserCtx = { name: 'cleo', roles: ['staff'] }
const DAN: UserCtx = { name: 'dan', roles: [] }
const EVE: UserCtx = { name: 'eve', roles: ['boss'] }

/** Who may use the database, and who administers it. */
function allowed(value: unknown): { members: string; admins: string } {
  const security = readSecurity(value)
  const users = [ROOT, CLEO, DAN, EVE, ANONYMOUS]
  const names = (test: typeof isMember): string =>
    users
      .filter((user) => test(user, security))
      .map(({ name }) => name ?? 'nobody')
      .join(' ')
  return { members: names(isMember), admins: names(isDatabaseAdmin) }
}

t.test('who may what', async (t) => {
  t.same(allowed(JSON.parse(DEFAULT_SECURITY_TEXT)), { members: 'root', admins: 'root' })
  t.same(allowed({}), { members: 'root cleo dan eve nobody', admins: 'root' })
  t.same(allowed({ members: { names: [], roles: [] } }), {
    members: 'root cleo dan eve nobody',
    admins: 'root',
  })
  t.same(allowed({ members: { roles: ['staff'] }, admins: { roles: ['boss'] } }), {
    members: 'root cleo eve',
    admins: 'root eve',
  })
  t.same(allowed({ members: { names: ['dan'] } }), { members: 'root dan', admins: 'root' })
  t.same(allowed({ readers: { names: ['dan'] } }), { members: 'root dan', admins: 'root' })
  t.same(allowed({ readers: { names: ['dan'] }, members: { names: ['eve'] } }).members, 'root eve')
  t.same(allowed({ admins: { names: ['cleo'] } }), {
    members: 'root cleo dan eve nobody',
    admins: 'root cleo',
  })
  t.same(parseSecurity(undefined), readSecurity(JSON.parse(DEFAULT_SECURITY_TEXT)))
  t.same(parseSecurity(Buffer.from('{"members":{"names":["é"]}}')).members.names, ['é'])
})

t.test('refusals', async (t) => {
  const closed = readSecurity({ members: { roles: ['staff'] }, admins: { roles: ['boss'] } })
  t.throws(
    () => requireMember(ANONYMOUS, closed),
    errorLike({
      status: 401,
      error: 'unauthorized',
      reason: 'You are not authorized to access this db.',
    }),
  )
  t.throws(
    () => requireMember(DAN, closed),
    errorLike({
      status: 403,
      error: 'forbidden',
      reason: 'You are not allowed to access this db.',
    }),
  )
  t.throws(
    () => requireDesignWriter(CLEO, closed),
    errorLike({
      status: 403,
      reason: 'You are not a db or server admin.',
    }),
  )
  t.throws(
    () => requireDesignWriter(ANONYMOUS, readSecurity({})),
    errorLike({
      status: 401,
      reason: 'You are not a db or server admin.',
    }),
  )
  t.throws(
    () => requireDatabaseAdmin(CLEO, closed),
    errorLike({
      status: 401,
      reason: 'You are not a server or db admin.',
    }),
  )
  t.throws(() => requireServerAdmin(EVE), errorLike({ status: 401, reason: 'You are not a server admin.' }))
  requireMember(CLEO, closed)
  requireDesignWriter(EVE, closed)
  requireDatabaseAdmin(EVE, closed)
  requireServerAdmin(ROOT)
})

t.test('shapes', async (t) => {
  const bad: [unknown, RegExp][] = [
    [[], /must be a JSON object/],
    ['x', /must be a JSON object/],
    [null, /must be a JSON object/],
    [{ admins: [] }, /admins or members must be a JSON list of strings/],
    [{ members: null }, /admins or members/],
    [{ readers: 'x' }, /admins or members/],
    [{ admins: { names: 'bob' } }, /names must be a JSON list of strings/],
    [{ members: { roles: [1] } }, /roles must be a JSON list of strings/],
    [{ members: { roles: null } }, /roles must be a JSON list of strings/],
  ]
  for (const [value, reason] of bad) {
    t.throws(
      () => readSecurity(value),
      errorLike({ status: 400, error: 'bad_request', reason }),
      JSON.stringify(value),
    )
  }
  readSecurity({ admins: { names: ['bob'], extra: 1 }, extra: { kept: true } })
})
