/** Databases, users and roles, for administrators. */

import { GUEST, GUEST_LABEL } from '../../channels/names.ts'
import { isObject, type PrincipalConfig } from '../config.ts'
import { badRequest, GatewayError, knownFailure, missing } from '../errors.ts'
import type { Principal, PrincipalKind } from '../principals/principal.ts'
import { deletePrincipal, readWish, savePrincipal } from '../principals/principal-writes.ts'
import { type Answer, empty, json, textJson } from './answer.ts'
import type { Exchange } from './exchange.ts'

/** What timers may wait. */
const MOST_DELAY_MS = 2 ** 31 - 1

export async function getDatabases({ gateway }: Exchange): Promise<Answer> {
  return json(gateway.names())
}

async function configOf(exchange: Exchange, ofAnyType = false): Promise<Record<string, unknown>> {
  const body = await exchange.json('lookup', ofAnyType)
  if (!isObject(body)) throw badRequest('Bad JSON')
  return body
}

export async function putDatabase(exchange: Exchange): Promise<Answer> {
  await exchange.gateway.create(exchange.param(0), await configOf(exchange))
  return empty(201)
}

export async function deleteDatabase(exchange: Exchange): Promise<Answer> {
  await exchange.gateway.delete(exchange.param(0))
  return textJson({})
}

export async function getConfig({ database }: Exchange): Promise<Answer> {
  const { unsupported, ...given } = database.pendingConfig
  return json({
    server: 'walrus:',
    pool: 'default',
    bucket: database.name,
    name: database.name,
    ...given,
    unsupported: { user_views: {}, oidc_test_provider: {}, ...unsupported },
  })
}

export async function putConfig(exchange: Exchange): Promise<Answer> {
  await exchange.gateway.setConfig(exchange.database, await configOf(exchange))
  return empty(201)
}

export async function offline({ database }: Exchange): Promise<Answer> {
  await database.goOffline()
  return empty()
}

export async function online(exchange: Exchange): Promise<Answer> {
  const { database } = exchange
  // Sync Gateway passes over a body that makes no sense.
  const body = await exchange.json('lookup', true).catch((error: unknown) => {
    if (knownFailure(error)?.status !== 400) throw error
  })
  const delay = isObject(body) ? body['delay'] : undefined
  if (typeof delay === 'number' && delay >= 1 && !database.isOnline) {
    database.goOnlineIn(Math.min(Math.trunc(delay) * 1000, MOST_DELAY_MS))
  } else await database.goOnline()
  return empty()
}

/** Answers at its end. It goes on without the client. */
export async function postResync(exchange: Exchange): Promise<Answer> {
  const { database } = exchange
  const { resync } = database
  if (resync.isRunning) throw new GatewayError(503, 'Database _resync is already in progress')
  if (database.isOnline) throw new GatewayError(503, 'Database must be _offline before calling /_resync')
  return json({ changes: await exchange.unlessGone(resync.start()) })
}

export async function getResync({ database }: Exchange): Promise<Answer> {
  const { status, isRunning } = database.resync
  const { since, changes } = database.mark.place ?? { since: 0, changes: 0 }
  const isUnderWay = isRunning || status === 'stopped'
  return json({
    status,
    ...(isUnderWay ? { docs_changed: changes, since, update_seq: database.indexedSeq } : {}),
  })
}

export async function purge(exchange: Exchange): Promise<Answer> {
  const wrong = badRequest("_purge document ID's must be passed as a JSON")
  const body = await exchange.json().catch(() => {
    throw wrong
  })
  if (!isObject(body)) throw wrong
  const ids = Object.entries(body)
    .filter(([, revs]) => Array.isArray(revs) && revs.length === 1 && revs[0] === '*')
    .map(([id]) => id)
  const purged = await exchange.database.purge(ids)
  const headers = { 'Cache-Control': 'private, max-age=0, no-cache, no-store' }
  return json({ purged: Object.fromEntries(purged.map((id) => [id, ['*']])) }, { headers })
}

export async function compact({ gateway, database }: Exchange): Promise<Answer> {
  await gateway.compact(database)
  return json({ revs: 0 })
}

export async function vacuum(): Promise<Answer> {
  throw new GatewayError(501, 'Vacuum is temporarily out of order')
}

function listed(kind: PrincipalKind) {
  return async ({ database }: Exchange): Promise<Answer> => textJson(database.principals.names(kind))
}

function nameOf(kind: PrincipalKind, name: string): string {
  return kind === 'user' && name === GUEST_LABEL ? GUEST : name
}

function shown({ database }: Exchange, principal: Principal): Record<string, unknown> {
  const { kind, name, email, isDisabled } = principal
  const reader = kind === 'user' ? database.principals.reader(name) : undefined
  const channels = kind === 'user' ? reader?.channels : database.principals.roleChannels(name)
  const isSilentGuest = name === GUEST && kind === 'user' && isDisabled
  const roles = [...(reader?.roles.keys() ?? [])].sort()
  return {
    name: name === GUEST && kind === 'user' ? GUEST_LABEL : name,
    admin_channels: filled([...principal.channels.keys()].sort()),
    all_channels: isSilentGuest && principal.channels.size === 0 ? [] : [...(channels?.keys() ?? [])].sort(),
    email,
    disabled: isDisabled ? true : undefined,
    admin_roles: filled([...principal.roles.keys()].sort()),
    roles: filled(roles),
  }
}

function filled(list: string[]): string[] | undefined {
  return list.length === 0 ? undefined : list
}

function read(kind: PrincipalKind) {
  return async (exchange: Exchange): Promise<Answer> => {
    const principal = exchange.database.principals.find({ kind, name: nameOf(kind, exchange.param(1)) })
    if (principal === undefined) throw missing()
    return textJson(shown(exchange, principal))
  }
}

/**
 * Of any type, as in Sync Gateway: command lines send what they are not told to send as JSON as a form. A page of another origin could do
 * that too, unasked, with an administrator's browser; it says where it is from.
 */
async function principalOf(exchange: Exchange): Promise<PrincipalConfig> {
  return (await configOf(exchange, exchange.header('origin') === undefined)) as PrincipalConfig
}

function put(kind: PrincipalKind) {
  return async (exchange: Exchange): Promise<Answer> => {
    const name = exchange.param(1)
    const config = await principalOf(exchange)
    if (config.name !== undefined && config.name !== null && config.name !== name) {
      throw badRequest("Name mismatch (can't change name)")
    }
    const wish = readWish(kind, nameOf(kind, name), config)
    const existed = await savePrincipal(exchange.database, wish, exchange.gateway.hashPassword)
    return empty(existed ? 200 : 201)
  }
}

function post(kind: PrincipalKind) {
  return async (exchange: Exchange): Promise<Answer> => {
    const config = await principalOf(exchange)
    const { name } = config
    if (name === undefined || name === null || name === '') throw badRequest('Missing name property')
    if (typeof name !== 'string') throw badRequest('Bad JSON')
    const wish = readWish(kind, nameOf(kind, name), config)
    await savePrincipal(exchange.database, wish, exchange.gateway.hashPassword, { mustBeNew: true })
    return empty(201)
  }
}

function remove(kind: PrincipalKind) {
  return async (exchange: Exchange): Promise<Answer> => {
    await deletePrincipal(exchange.database, kind, nameOf(kind, exchange.param(1)))
    return empty()
  }
}

function routesOf(kind: PrincipalKind) {
  return { list: listed(kind), read: read(kind), put: put(kind), post: post(kind), remove: remove(kind) }
}

export const USERS = routesOf('user')
export const ROLES = routesOf('role')
