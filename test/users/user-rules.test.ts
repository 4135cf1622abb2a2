/** The rules of `_users`, in CouchDB's words. */
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { readSecurity } from '../../src/auth/security.ts'
import { ANONYMOUS, type UserCtx } from '../../src/auth/user.ts'
import type { DocumentView } from '../../src/database/api/database.ts'
import { scanDocument } from '../../src/json/documents.ts'
import { AUTH_VALIDATION } from '../../src/users/auth-design.ts'
import { userFault } from '../../src/users/user-rules.ts'

const ROOT: UserCtx = { name: 'root', roles: ['_admin'] }
const DORA: UserCtx = { name: 'dora', roles: [] }
const ANN: UserCtx = { name: 'ann', roles: ['cook'] }
const BOB: UserCtx = { name: 'bob', roles: [] }
const SECURITY = readSecurity({ admins: { names: ['dora'] } })

const USER = { name: 'ann', type: 'user', roles: [] as string[] }
const COOK = { ...USER, roles: ['cook', 'eater'] }

interface Case {
  by?: UserCtx
  id?: string
  document?: object
  before?: object
  deleted?: boolean
  reason?: string
}

function fault({ by = ROOT, id = 'org.couchdb.user:ann', document = USER, before, deleted = false }: Case) {
  const { body, term } = scanDocument(Buffer.from(JSON.stringify(document)))!
  const stored = before && scanDocument(Buffer.from(JSON.stringify(before)))!.body
  const parent = stored && ({ body: () => stored } as unknown as DocumentView)
  return userFault({ edit: { id, deleted, body, term }, parent }, by, SECURITY)
}

const SHAPES: Case[] = [
  {},
  { document: { ...USER, type: 'other' }, reason: 'doc.type must be user' },
  { document: { name: 'ann', roles: [] }, reason: 'doc.type must be user' },
  { document: { type: 'user', roles: [] }, reason: 'doc.name is required' },
  { document: { ...USER, name: '' }, reason: 'doc.name is required' },
  { document: { name: 'ann', type: 'user' }, reason: 'doc.roles must exist' },
  { document: { ...USER, roles: null }, reason: 'doc.roles must exist' },
  { document: { ...USER, roles: 'cook' }, reason: 'doc.roles must be an array' },
  { document: { ...USER, roles: {} }, reason: 'doc.roles must be an array' },
  { document: { ...USER, roles: ['a', 1] }, reason: 'doc.roles can only contain strings' },
  { id: 'ann', reason: 'Doc ID must be of the form org.couchdb.user:name' },
  { id: 'org.couchdb.user:bob', reason: 'Doc ID must be of the form org.couchdb.user:name' },
  {
    document: { ...USER, name: 5 },
    id: 'org.couchdb.user:5',
    reason: 'Doc ID must be of the form org.couchdb.user:name',
  },
  { before: { ...USER, name: 'other' }, reason: 'Usernames can not be changed.' },
  { document: { ...USER, password_sha: 'a' }, reason: 'Users with password_sha must have a salt.' },
  { document: { ...USER, password_sha: 'a', salt: 's' } },
  { document: { ...USER, password_scheme: 'rot13' }, reason: 'Password scheme `rot13` not supported.' },
  { document: { ...USER, password_scheme: 'simple' } },
  {
    document: { ...USER, password_scheme: 'pbkdf2', derived_key: 'a' },
    reason: 'iterations must be a number.',
  },
  {
    document: { ...USER, password_scheme: 'pbkdf2', iterations: 1 },
    reason: 'derived_key must be a string.',
  },
  { document: { ...USER, password_scheme: 'pbkdf2', iterations: 1, derived_key: 'a' } },
  {
    document: { ...USER, roles: ['_admin'] },
    reason: 'No system roles (starting with underscore) in users db.',
  },
  {
    document: { ...USER, roles: ['_metrics'] },
    reason: 'No system roles (starting with underscore) in users db.',
  },
  {
    document: { ...USER, name: '_ann' },
    id: 'org.couchdb.user:_ann',
    reason: 'Username may not start with underscore.',
  },
  {
    document: { ...USER, name: 'a:b' },
    id: 'org.couchdb.user:a:b',
    reason: 'Character `:` is not allowed in usernames.',
  },
  { document: { ...USER, name: 'Jürgen x' }, id: 'org.couchdb.user:Jürgen x' },
]

const RIGHTS: Case[] = [
  { by: ANONYMOUS },
  { by: BOB },
  { by: ANN, document: COOK, reason: 'Only _admin may set roles' },
  { by: ANONYMOUS, document: COOK, reason: 'Only _admin may set roles' },
  { by: DORA, document: COOK },
  { by: ROOT, document: COOK },
  { by: ANN, document: COOK, before: COOK },
  { by: ANN, document: { ...COOK, roles: ['eater', 'cook'] }, before: COOK },
  { by: ANN, document: { ...COOK, roles: ['cook'] }, before: COOK, reason: 'Only _admin may edit roles' },
  {
    by: ANN,
    document: { ...COOK, roles: ['cook', 'cook'] },
    before: COOK,
    reason: 'Only _admin may edit roles',
  },
  { by: ANN, document: COOK, before: { ...USER, roles: 'broken' }, reason: 'Only _admin may edit roles' },
  { by: BOB, before: USER, reason: 'You may only update your own user document.' },
  { by: ANONYMOUS, before: USER, reason: 'You may only update your own user document.' },
  { by: DORA, document: COOK, before: USER },
  { by: ANN, deleted: true, document: {}, before: USER },
  { by: ROOT, deleted: true, document: {}, before: USER },
  { by: BOB, deleted: true, document: {}, before: USER, reason: 'Only admins may delete other user docs.' },
  {
    by: ANONYMOUS,
    deleted: true,
    document: {},
    before: USER,
    reason: 'Only admins may delete other user docs.',
  },
  {
    by: ANONYMOUS,
    deleted: true,
    document: {},
    before: { type: 'user' },
    reason: 'Only admins may delete other user docs.',
  },
  { by: BOB, deleted: true, document: {}, reason: 'Only admins may delete other user docs.' },
]

const validate = runInNewContext(`(${AUTH_VALIDATION})`) as (...args: unknown[]) => void

/** Why the function refuses what `fault` is given, as another CouchDB would. */
function refusal({ by = ROOT, id = 'org.couchdb.user:ann', document = USER, before, deleted }: Case) {
  const shown = { _id: id, ...document, ...(deleted ? { _deleted: true } : {}) }
  try {
    validate(shown, before ?? null, { db: '_users', ...by }, { admins: { names: ['dora'] } })
    return undefined
  } catch (error) {
    return (error as { forbidden?: unknown }).forbidden ?? error
  }
}

for (const [what, cases] of [
  ['what a document must be', SHAPES],
  ['who may write which', RIGHTS],
] as const) {
  t.test(what, async (t) => {
    for (const each of cases) {
      const found = fault(each)
      const { by, ...shown } = each
      t.equal(found?.reason, each.reason, `${by?.name} ${JSON.stringify(shown)}`)
      if (found !== undefined) t.same([found.status, found.error], [403, 'forbidden'])
      t.equal(refusal(each), each.reason, `by _design/_auth: ${by?.name} ${JSON.stringify(shown)}`)
    }
  })
}

t.test('what means something here is bounded in length', async (t) => {
  const roles = Array.from({ length: 20_000 }, (_, n) => `role${n}`)
  t.equal(fault({ document: { ...USER, roles } })?.reason, 'doc.roles is too long')
  t.equal(
    fault({ document: { ...USER, notes: 'x'.repeat(200_000) } }),
    undefined,
    'what does not mean anything is not',
  )
})
