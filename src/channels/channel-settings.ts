/**
 * What `_security` of a database with channels says of them, as members of our own:
 * - `sync`, the text of the sync function, by default Sync Gateway's own default;
 * - `users` and `roles`, by name: `admin_channels`, and of users `admin_roles`, as in Sync Gateway's configuration. `GUEST` is
 *   whoever has not signed in.
 */
import { parseSecurity } from '../auth/security.ts'
import { DatabaseError } from '../base/errors.ts'
import { isChannelName } from './names.ts'
import { DEFAULT_SYNC } from './sync-function.ts'

interface Given {
  readonly channels: readonly string[]
  readonly roles: readonly string[]
}

export interface ChannelSettings {
  /** The text of the sync function. */
  readonly sync: string
  readonly users: ReadonlyMap<string, Given>
  readonly roles: ReadonlyMap<string, Given>
}

/** A database gives out the same bytes until they are set anew. */
const PARSED = new WeakMap<Uint8Array, ChannelSettings>()

/** Of a stored `_security`; undefined where it has no channels. Throws bad_request for what cannot be read. */
export function channelSettings(stored: Uint8Array | undefined): ChannelSettings | undefined {
  if (stored === undefined || !parseSecurity(stored).channels) return undefined
  const known = PARSED.get(stored)
  if (known !== undefined) return known
  const settings = readChannelSettings(JSON.parse(Buffer.from(stored).toString('utf8')))
  PARSED.set(stored, settings)
  return settings
}

/** Throws bad_request. */
export function readChannelSettings(security: Record<string, unknown>): ChannelSettings {
  const sync = Object.hasOwn(security, 'sync') ? security['sync'] : DEFAULT_SYNC
  if (typeof sync !== 'string') throw wrong('sync must be the text of a function')
  return { sync, users: readAll(security, 'users'), roles: readAll(security, 'roles') }
}

function readAll(security: Record<string, unknown>, member: 'users' | 'roles'): ReadonlyMap<string, Given> {
  const all = Object.hasOwn(security, member) ? security[member] : {}
  if (!isObject(all)) throw wrong(`${member} must be an object`)
  const read = new Map<string, Given>()
  for (const [name, given] of Object.entries(all)) {
    if (!isObject(given)) throw wrong(`${member} must have objects by their names`)
    const channels = texts(given, 'admin_channels')
    if (!channels.every(isChannelName)) throw wrong('admin_channels must be names of channels')
    read.set(name, { channels, roles: member === 'users' ? texts(given, 'admin_roles') : [] })
  }
  return read
}

function texts(given: Record<string, unknown>, member: string): readonly string[] {
  const list = Object.hasOwn(given, member) ? given[member] : []
  if (!Array.isArray(list) || list.some((each) => typeof each !== 'string')) {
    throw wrong(`${member} must be a list of strings`)
  }
  return list as string[]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function wrong(reason: string): DatabaseError {
  return new DatabaseError('badRequest', reason)
}
