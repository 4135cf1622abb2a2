/**
 * Who a user of this server is in a database with channels: a name and roles of CouchDB, what `_security` gives them, and what
 * documents grant.
 */
import { hash } from 'node:crypto'
import type { UserCtx } from '../auth/user.ts'
import type { ChannelSettings } from './channel-settings.ts'
import { GUEST, GUEST_LABEL, isPrincipalName } from './names.ts'
import { type Appointed, type Grants, PUBLIC_SINCE, type Reader, readerOf } from './reader.ts'

const TAG_DIGITS = 16
/** No document grants anything to that. */
const UNGRANTED = '\0'

function since(names: readonly string[]): Map<string, number> {
  return new Map(names.map((name) => [name, PUBLIC_SINCE]))
}

function appointed(channels: readonly string[], roles: readonly string[]): Appointed {
  return { backSince: 0, channels: since(channels), roles: since(roles) }
}

/** The reader as he is now. What `_security` and his roles give him he has since always: see `readerTag`. */
export function databaseReader(settings: ChannelSettings, grants: Grants, user: UserCtx): Reader {
  const own = settings.users.get(user.name ?? GUEST_LABEL)
  const roles = [...user.roles, ...(own?.roles ?? [])]
  const granted = user.name === null ? GUEST : isPrincipalName(user.name) ? user.name : UNGRANTED
  const reader = readerOf(
    { ...appointed(own?.channels ?? [], roles), name: granted, seq: 0 },
    grants,
    (role) => appointed(settings.roles.get(role)?.channels ?? [], []),
  )
  return { ...reader, name: user.name ?? GUEST }
}

/**
 * Stands for all that decides what a user sees and has no place in the update sequence: what `_security` gives him, and the
 * roles that he is now. Whoever comes with a sequence that was given under another one starts from the beginning.
 */
export function readerTag(
  uuid: string,
  settings: ChannelSettings,
  user: UserCtx,
  { roles }: Pick<Reader, 'roles'>,
): string {
  const own = settings.users.get(user.name ?? GUEST_LABEL)
  const given = new Set([...user.roles, ...(own?.roles ?? [])])
  // That a document grants a role has its place, what `_security` gives to the role has none.
  for (const role of roles.keys()) if (settings.roles.has(role)) given.add(role)
  const parts = [
    uuid,
    settings.sync,
    user.name,
    [...(own?.channels ?? [])].sort(),
    [...given].sort().map((role) => [role, [...(settings.roles.get(role)?.channels ?? [])].sort()]),
  ]
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, TAG_DIGITS)
}
