/**
 * Whose rights the replication of a document has in this server's databases. What holds:
 * - They are those of its owner, as he is when the replication begins: an administrator, or a user of `_users` with his roles.
 *   Somebody who is neither has no rights, unless users of another service sign in here: then he has his name.
 * - `user_ctx` takes rights away. Only an administrator's document may name somebody else, or roles that its owner has not.
 */
import { ANONYMOUS, type CredentialSource, isServerAdmin, type UserCtx } from '../auth/user.ts'
import { DatabaseError } from '../base/errors.ts'

export interface JobOwnerOptions {
  users: CredentialSource
  /** Whether users sign in who are not in `_users`. */
  hasForeignUsers(): boolean
}

/** Rejects with badRequest for a `user_ctx` that its owner may not give, with unauthorized for an owner who is gone. */
export async function jobOwner(
  owner: unknown,
  given: unknown,
  { users, hasForeignUsers }: JobOwnerOptions,
): Promise<UserCtx> {
  const user = typeof owner === 'string' ? await userOf(owner, users, hasForeignUsers) : ANONYMOUS
  if (given === undefined || given === null) return user
  const { name, roles } = readContext(given)
  if (isServerAdmin(user)) return { name, roles }
  if (name !== user.name) throw new DatabaseError('badRequest', 'The given `user_ctx.name` is not valid')
  return { name, roles: roles.filter((role) => user.roles.includes(role)) }
}

async function userOf(
  name: string,
  users: CredentialSource,
  hasForeignUsers: () => boolean,
): Promise<UserCtx> {
  const credential = await users.find(name)
  if (credential !== undefined) return { name, roles: credential.roles }
  if (hasForeignUsers()) return { name, roles: [] }
  throw new DatabaseError('unauthorized', 'The owner of the replication is no user any more.')
}

function readContext(given: unknown): UserCtx {
  const { name = null, roles = [] } = (typeof given === 'object' && given !== null ? given : {}) as {
    name?: unknown
    roles?: unknown
  }
  if (name !== null && (typeof name !== 'string' || name === '')) {
    throw new DatabaseError('badRequest', 'The `user_ctx.name` property must be a non-empty string or null.')
  }
  if (!Array.isArray(roles) || !roles.every((role) => typeof role === 'string')) {
    throw new DatabaseError('badRequest', 'The `user_ctx.roles` property must be an array of strings.')
  }
  return { name, roles: roles as string[] }
}
