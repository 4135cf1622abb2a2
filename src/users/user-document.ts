/**
 * The documents of `_users`: `org.couchdb.user:NAME`, with the members that CouchDB gives them. They are looked at as
 * canonical bytes, of which only some members are parsed: a document may be megabytes long, and anybody who may write one
 * decides what is in it.
 */
import { isPasswordHash, type PasswordHash } from '../auth/password-hash.ts'
import type { Credential } from '../auth/user.ts'
import { walkMembers } from '../json/members.ts'

export const USERS_DATABASE = '_users'
export const USER_PREFIX = 'org.couchdb.user:'

/** A member that means something here is at most so long, as text. */
export const MOST_MEMBER_BYTES = 64 * 1024

const LONGEST_NAME = 24

/** The texts of the members of these names, quotes and all; a long one's is cut off. `body` must be a canonical object. */
export function memberTexts(body: Uint8Array, names: ReadonlySet<string>): ReadonlyMap<string, string> {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const found = new Map<string, string>()
  walkMembers(text, 0, (nameStart, nameEnd, start, end) => {
    if (nameEnd - nameStart - 2 > LONGEST_NAME) return
    const name = text.toString('latin1', nameStart + 1, nameEnd - 1)
    if (names.has(name))
      found.set(name, text.toString('utf8', start, Math.min(end, start + MOST_MEMBER_BYTES + 1)))
  })
  return found
}

/** Of a member that is too long, or cut off. */
export const TOO_LONG = Symbol('too long')

/** The values of the members of these names. */
export function memberValues(body: Uint8Array, names: ReadonlySet<string>): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, text] of memberTexts(body, names)) {
    values[name] = text.length > MOST_MEMBER_BYTES ? TOO_LONG : (JSON.parse(text) as unknown)
  }
  return values
}

const CREDENTIAL_MEMBERS = new Set([
  'name',
  'roles',
  'password_scheme',
  'password_sha',
  'pbkdf2_prf',
  'salt',
  'iterations',
  'derived_key',
])

/** What `name` signs in with; undefined for a document that has no password, or one that cannot be checked. */
export function credentialOf(name: string, body: Uint8Array): Credential | undefined {
  const members = memberValues(body, CREDENTIAL_MEMBERS)
  const hash = hashOf(members)
  if (hash === undefined || members['name'] !== name) return undefined
  const { roles } = members
  const isList = Array.isArray(roles) && roles.every((role) => typeof role === 'string')
  return { name, roles: isList ? roles : [], hash }
}

/** CouchDB's oldest scheme has no name in the oldest documents. */
function hashOf(members: Record<string, unknown>): PasswordHash | undefined {
  const { password_scheme: scheme = 'simple', salt } = members
  const hash =
    scheme === 'pbkdf2'
      ? {
          prf: members['pbkdf2_prf'] ?? 'sha',
          salt,
          iterations: members['iterations'],
          derivedKey: lowerCase(members['derived_key']),
        }
      : { prf: 'simple', salt, iterations: 1, derivedKey: lowerCase(members['password_sha']) }
  const isKnown = scheme === 'simple' || (scheme === 'pbkdf2' && hash.prf !== 'simple')
  return isKnown && isPasswordHash(hash) ? hash : undefined
}

function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value
}
