/** Changes of users and roles, and what an administrator may say of them. */

import type { PasswordHash } from '../../auth/password-hash.ts'
import { GUEST, isChannelName, isPrincipalName } from '../../channels/names.ts'
import { hasExactly, updatedSet } from '../../channels/timed-set.ts'
import type { DocumentEdit } from '../../database/api/database.ts'
import {
  formatRevisionId,
  nextRevision,
  parseRevision,
  parseRevisionId,
  type Revision,
} from '../../database/revisions/revision-id.ts'
import type { PrincipalConfig } from '../config.ts'
import { badRequest, GatewayError, missing } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import type { Principal } from './principal.ts'
import { newPrincipal, type PrincipalKind, principalId, principalText } from './principal.ts'

const LEAST_PASSWORD = 3
const EMPTY = Buffer.from('{}')

/** What is asked of a principal, checked. */
export interface PrincipalWish {
  kind: PrincipalKind
  name: string
  channels: ReadonlySet<string>
  roles: ReadonlySet<string>
  email: string | undefined
  /** Undefined: as it is. */
  registeredBy?: string | undefined
  isDisabled: boolean
  /** Undefined: it stays as it is. */
  password: string | undefined
}

/** Throws 400 for what no user or role can be. */
export function readWish(kind: PrincipalKind, name: string, config: PrincipalConfig): PrincipalWish {
  if (name !== GUEST && !isPrincipalName(name)) throw badRequest(`Invalid name ${JSON.stringify(name)}`)
  const channels = textsOf(config.admin_channels, 'admin_channels')
  for (const channel of channels) {
    if (!isChannelName(channel)) throw badRequest(`Illegal channel name ${JSON.stringify(channel)}`)
  }
  const roles = kind === 'user' ? textsOf(config.admin_roles, 'admin_roles') : []
  for (const role of roles) {
    if (!isPrincipalName(role)) throw badRequest(`Invalid role name ${JSON.stringify(role)}`)
  }
  const { password, email, disabled } = config
  for (const text of [password, email]) {
    if (text !== undefined && text !== null && typeof text !== 'string') throw badRequest('Bad JSON')
  }
  if (disabled !== undefined && typeof disabled !== 'boolean') throw badRequest('Bad JSON')
  return {
    kind,
    name,
    channels: new Set(channels),
    roles: new Set(roles),
    email: email || undefined,
    isDisabled: disabled === true,
    password: password ?? undefined,
  }
}

function textsOf(value: unknown, name: string): string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value) || value.some((each) => typeof each !== 'string'))
    throw badRequest(`Bad JSON: ${name}`)
  return value as string[]
}

/** Makes the hash of a password: where it is the password that there was before, the same hash, since nobody need sign in anew. */
export type HashPassword = (password: string, before?: PasswordHash) => Promise<PasswordHash>

/**
 * Makes a user or a role what is wished. Resolves with whether it was there. Rejects with 400 for a password that is too
 * short, and with 409 where it must not be there.
 */
export async function savePrincipal(
  database: GatewayDatabase,
  wish: PrincipalWish,
  hashPassword: HashPassword,
  { mustBeNew = false } = {},
): Promise<boolean> {
  const { password } = wish
  requirePassword(database, wish)
  if (mustBeNew && database.principals.find(wish) !== undefined) throw new GatewayError(409, 'Already exists')
  const known = database.principals.find(wish)?.hash
  const hash = password === undefined || password === '' ? undefined : await hashPassword(password, known)
  let existed = false
  await database.queue.write({
    id: principalId(wish.kind, wish.name),
    check() {
      const before = database.principals.find(wish)
      existed = before !== undefined
      if (mustBeNew && existed) throw new GatewayError(409, 'Already exists')
      if (before !== undefined && isAsWished(before, wish)) return undefined
      let after: Principal | undefined
      return {
        edits(seq) {
          const wasDeleted = database.database.lookup(principalId(wish.kind, wish.name))?.deleted === true
          const backSince = wasDeleted ? seq : 0
          after = wished(before ?? { ...newPrincipal(wish.kind, wish.name), backSince }, wish, hash, seq)
          return [principalEdit(database, wish, principalText(after), false)]
        },
        applied() {
          database.principals.put(after!)
        },
      }
    },
  })
  if (password !== undefined && wish.kind === 'user') await database.sessions.endAllOf(wish.name)
  return existed
}

function requirePassword(database: GatewayDatabase, wish: PrincipalWish): void {
  const { kind, name, password } = wish
  if (kind !== 'user' || name === GUEST) return
  const mayBeEmpty = database.config.allow_empty_password === true
  const isNew = database.principals.user(name) === undefined
  if (!mayBeEmpty && (password === '' || (isNew && password === undefined))) {
    throw badRequest('Empty passwords are not allowed ')
  }
  if (password !== undefined && password !== '' && [...password].length < LEAST_PASSWORD) {
    throw badRequest('Passwords must be at least three 3 characters')
  }
}

function isAsWished(before: Principal, wish: PrincipalWish): boolean {
  return (
    wish.password === undefined &&
    before.seq > 0 &&
    before.email === wish.email &&
    before.isDisabled === wish.isDisabled &&
    hasExactly(before.channels, wish.channels) &&
    hasExactly(before.roles, wish.roles)
  )
}

function wished(
  before: Principal,
  wish: PrincipalWish,
  hash: PasswordHash | undefined,
  seq: number,
): Principal {
  const { password, email, isDisabled, registeredBy = before.registeredBy } = wish
  const isEmpty = before.seq === 0 && password === undefined && wish.name !== GUEST
  return {
    ...before,
    seq,
    email,
    registeredBy,
    isDisabled,
    channels: updatedSet(before.channels, wish.channels, seq),
    roles: updatedSet(before.roles, wish.roles, seq),
    hash: password === undefined ? before.hash : hash,
    allowsEmptyPassword: password === undefined ? before.allowsEmptyPassword || isEmpty : password === '',
  }
}

/** Rejects with 404 where there is none, and for GUEST. */
export async function deletePrincipal(
  database: GatewayDatabase,
  kind: PrincipalKind,
  name: string,
): Promise<void> {
  if (kind === 'user' && name === GUEST) throw missing()
  await database.queue.write({
    id: principalId(kind, name),
    check() {
      if (database.principals.find({ kind, name }) === undefined) throw missing()
      return {
        edits: () => [principalEdit(database, { kind, name }, EMPTY, true)],
        applied: () => database.principals.remove({ kind, name }),
      }
    },
  })
  if (kind === 'user') await database.sessions.endAllOf(name)
}

function principalEdit(
  { database }: GatewayDatabase,
  { kind, name }: Pick<Principal, 'kind' | 'name'>,
  body: Buffer,
  deleted: boolean,
): DocumentEdit {
  const id = principalId(kind, name)
  const before = database.lookup(id)?.document()
  const parent: Revision | null = before === undefined ? null : parseRevision(before.rev)
  const revision = nextRevision(deleted, parent, body, [])
  const ancestors = before?.revisions().ids.map((each) => formatRevisionId(parseRevisionId(each)!)) ?? []
  const ids = [formatRevisionId(revision.id), ...ancestors]
  return { id, deleted, body, term: body, revisions: { start: revision.pos, ids } }
}
