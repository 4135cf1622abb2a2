/** Signing in by a token of Facebook or of Google. */
import { isObject, type SocialConfig } from '../config.ts'
import { badRequest, GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { userStanding } from '../principals/standing.ts'
import type { Answer } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { requireLoginOrigin, signedIn } from './session-routes.ts'

/** Whether a database lets users sign in so. Where it does not, there is no such URL. */
export function signsInBy(network: keyof SocialConfig) {
  return (gateway: Gateway, name: string): boolean =>
    gateway.has(name) && gateway.social.configOf(gateway.database(name))[network] !== undefined
}

export async function postFacebook(exchange: Exchange): Promise<Answer> {
  const { gateway, database, gone } = exchange
  const config = required(gateway.social.configOf(database).facebook)
  const token = await tokenOf(exchange, 'access_token')
  const identity = await gateway.social.facebook(config, token, gone)
  const name = await gateway.social.userOf(database, identity, config)
  return signedIn(exchange, name, userStanding(database, name))
}

export async function postGoogle(exchange: Exchange): Promise<Answer> {
  const { gateway, database } = exchange
  const config = required(gateway.social.configOf(database).google)
  const token = await tokenOf(exchange, 'id_token')
  const identity = await exchange.unlessGone(gateway.social.google(config, token))
  const name = await gateway.social.userOf(database, identity, config)
  return signedIn(exchange, name, userStanding(database, name))
}

/** Throws 404 for what has been configured away since the route was found. */
function required<T>(config: T | undefined): T {
  if (config === undefined) throw new GatewayError(404, 'unknown URL')
  return config
}

/** Rejects with 400 for a page of another site, and for what has no token. */
async function tokenOf(exchange: Exchange, name: string): Promise<string> {
  requireLoginOrigin(exchange)
  const body = await exchange.json('names')
  const token = isObject(body) ? (body[name] ?? '') : undefined
  if (typeof token !== 'string') throw badRequest('Bad JSON')
  return token
}
