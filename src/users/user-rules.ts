/**
 * What a document of `_users` must be, and who may write which: the rules of the validation function that CouchDB puts
 * into that database (`_design/_auth`), in its order and words. Here they are the server's own, so that nobody can take
 * them away with a design document.
 */
import type { Security } from '../auth/security.ts'
import { isDatabaseAdmin } from '../auth/security.ts'
import { isServerAdmin, type UserCtx } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'
import type { CheckedEdit } from '../database/api/database.ts'
import { memberValues, TOO_LONG, USER_PREFIX } from './user-document.ts'

const SCHEMES: readonly unknown[] = ['simple', 'pbkdf2']
const MEMBERS = new Set([
  'name',
  'type',
  'roles',
  'salt',
  'password_sha',
  'password_scheme',
  'iterations',
  'derived_key',
])

/**
 * Throws missing where the document is not the user's own: as in CouchDB, before anything else is looked at, so that nobody
 * learns of others whether they are there. Somebody who is nobody may come as a new user.
 */
export function requireOwn(id: string, user: UserCtx, security: Security): void {
  if (user.name === null || id === `${USER_PREFIX}${user.name}` || isDatabaseAdmin(user, security)) return
  throw new DatabaseError('missing')
}

/** Why the edit is refused; undefined where it is not. */
export function userFault(
  { edit, parent }: CheckedEdit,
  user: UserCtx,
  security: Security,
): DatabaseError | undefined {
  const document = memberValues(edit.body, MEMBERS)
  const before = parent && memberValues(parent.body(), MEMBERS)
  const reason = edit.deleted
    ? deletionFault(user, before)
    : (shapeFault(edit.id, document, before) ??
      rightsFault(document, before, user, security) ??
      nameFault(document))
  return reason === undefined ? undefined : new DatabaseError('forbidden', reason)
}

type Members = Record<string, unknown>

function deletionFault(user: UserCtx, before: Members | undefined): string | undefined {
  if (isServerAdmin(user) || (user.name !== null && user.name === before?.['name'])) return undefined
  return 'Only admins may delete other user docs.'
}

function shapeFault(id: string, document: Members, before: Members | undefined): string | undefined {
  const long = Object.keys(document).find((name) => document[name] === TOO_LONG)
  if (long !== undefined) return `doc.${long} is too long`
  const { name, type, roles } = document
  if (type !== 'user') return 'doc.type must be user'
  if (!name) return 'doc.name is required'
  if (!roles) return 'doc.roles must exist'
  if (!Array.isArray(roles)) return 'doc.roles must be an array'
  if (!roles.every((role) => typeof role === 'string')) return 'doc.roles can only contain strings'
  if (typeof name !== 'string' || id !== `${USER_PREFIX}${name}`) {
    return 'Doc ID must be of the form org.couchdb.user:name'
  }
  if (before !== undefined && before['name'] !== name) return 'Usernames can not be changed.'
  return passwordFault(document)
}

function passwordFault({
  salt,
  password_sha,
  password_scheme,
  iterations,
  derived_key,
}: Members): string | undefined {
  if (password_sha && !salt) return 'Users with password_sha must have a salt.'
  if (password_scheme && !SCHEMES.includes(password_scheme)) {
    return `Password scheme \`${String(password_scheme)}\` not supported.`
  }
  if (password_scheme !== 'pbkdf2') return undefined
  if (typeof iterations !== 'number') return 'iterations must be a number.'
  return typeof derived_key === 'string' ? undefined : 'derived_key must be a string.'
}

function rightsFault(
  document: Members,
  before: Members | undefined,
  user: UserCtx,
  security: Security,
): string | undefined {
  if (isDatabaseAdmin(user, security)) return undefined
  const roles = document['roles'] as string[]
  if (before === undefined) return roles.length > 0 ? 'Only _admin may set roles' : undefined
  if (user.name !== document['name']) return 'You may only update your own user document.'
  const { roles: old = [] } = before
  const isSame = Array.isArray(old) && isSameList([...old].sort(), [...roles].sort())
  return isSame ? undefined : 'Only _admin may edit roles'
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at])
}

function nameFault({ name, roles }: Members): string | undefined {
  if ((roles as string[]).some((role) => role.startsWith('_'))) {
    return 'No system roles (starting with underscore) in users db.'
  }
  if ((name as string).startsWith('_')) return 'Username may not start with underscore.'
  return (name as string).includes(':') ? 'Character `:` is not allowed in usernames.' : undefined
}
