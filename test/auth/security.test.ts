import t from 'tap'
import {
  DEFAULT_SECURITY_TEXT,
  isDatabaseAdmin,
  isMember,
  parseSecurity,
  readSecurity,
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
