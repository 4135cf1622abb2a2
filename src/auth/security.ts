/**
 * A database's `_security` object and what it allows, by the rules of CouchDB's `couch_db`:
 * - A server administrator may do everything.
 * - `admins` are the database's administrators; they may read, write, and write design documents.
 * - `members` may read and write. Without a single name or role in `members` the database is public: everybody
 *   may read and write, design documents excepted.
 * - `readers` is the old name of `members` and counts where `members` is absent.
 *
 * And one of our own: `channels: true` lets members see the documents of their channels and no others (see `src/channels`).
 * Administrators see everything.
 */
import { DatabaseError } from '../base/errors.ts'
import { isServerAdmin, type UserCtx } from './user.ts'

interface Group {
  names: readonly string[]
  roles: readonly string[]
}

export interface Security {
  admins: Group
  members: Group
  /** Who is no administrator sees the documents of his channels alone. */
  channels: boolean
}

/** Of a database whose `_security` was never set: nobody but server administrators. */
export const DEFAULT_SECURITY_TEXT = '{"members":{"roles":["_admin"]},"admins":{"roles":["_admin"]}}'

/** The stored object, or the default one. */
export function securityText(stored: Uint8Array | undefined): Uint8Array {
  return stored ?? DEFAULT_SECURITY_BYTES
}

const DEFAULT_SECURITY_BYTES = Buffer.from(DEFAULT_SECURITY_TEXT)

/** A database gives out the same bytes until they are set anew, and every request asks. */
const PARSED = new WeakMap<Uint8Array, Security>()

/** Reads a stored object, of which the bytes must never change; undefined is the default one. Throws bad_request for a wrong shape. */
export function parseSecurity(stored: Uint8Array | undefined): Security {
  if (stored === undefined) return DEFAULT_SECURITY
  const known = PARSED.get(stored)
  if (known !== undefined) return known
  const security = readSecurity(JSON.parse(Buffer.from(stored).toString('utf8')))
  PARSED.set(stored, security)
  return security
}

/**
 * Checks a parsed `_security` object before it is stored. Throws bad_request with CouchDB's reason. Members
 * other than those above are the client's own and are not looked at.
 */
export function readSecurity(value: unknown): Security {
  if (!isObject(value)) throw new DatabaseError('badRequest', 'Security object must be a JSON object')
  return {
    admins: readGroup(Object.hasOwn(value, 'admins') ? value['admins'] : {}),
    members: readGroup(
      Object.hasOwn(value, 'members')
        ? value['members']
        : Object.hasOwn(value, 'readers')
          ? value['readers']
          : {},
    ),
    channels: Object.hasOwn(value, 'channels') && value['channels'] === true,
  }
}

/**
 * Checks the members that CouchDB does not have before they are stored, so that nobody takes a database for guarded that is not.
 * Throws bad_request.
 */
export function requireChannelMembers(value: unknown): void {
  const given = isObject(value) && Object.hasOwn(value, 'channels') ? value['channels'] : false
  if (typeof given !== 'boolean') throw new DatabaseError('badRequest', 'channels must be true or false')
}

export function isDatabaseAdmin(user: UserCtx, security: Security): boolean {
  return isServerAdmin(user) || isIn(user, security.admins)
}

export function isMember(user: UserCtx, security: Security): boolean {
  const { members } = security
  const isPublic = members.names.length === 0 && members.roles.length === 0
  return isPublic || isDatabaseAdmin(user, security) || isIn(user, members)
}

/** Whether the user is to see of the database what is in his channels, and nothing else. */
export function isChannelled(user: UserCtx, security: Security): boolean {
  return security.channels && !isDatabaseAdmin(user, security)
}

function isIn(user: UserCtx, group: Group): boolean {
  if (user.roles.some((role) => group.roles.includes(role))) return true
  return user.name !== null && group.names.includes(user.name)
}

function readGroup(value: unknown): Group {
  if (!isObject(value)) {
    throw new DatabaseError('badRequest', 'admins or members must be a JSON list of strings')
  }
  return { names: readStrings(value, 'names'), roles: readStrings(value, 'roles') }
}

function readStrings(group: Record<string, unknown>, key: 'names' | 'roles'): readonly string[] {
  const list = Object.hasOwn(group, key) ? group[key] : []
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw new DatabaseError('badRequest', `${key} must be a JSON list of strings`)
  }
  return list
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const DEFAULT_SECURITY = readSecurity(JSON.parse(DEFAULT_SECURITY_TEXT))
