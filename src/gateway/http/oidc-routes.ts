/** Signing in by OpenID Connect, and the provider for tests. */
import { describeError } from '../../base/log.ts'
import type { OidcProviderConfig } from '../config.ts'
import { badRequest, GatewayError } from '../errors.ts'
import type { ProviderClient, Tokens } from '../oidc/provider-client.ts'
import { userStanding } from '../principals/standing.ts'
import { type Answer, json, textJson } from './answer.ts'
import type { Exchange } from './exchange.ts'
import { startSession } from './session-routes.ts'

const HTML = { 'Content-Type': 'text/html; charset=utf-8' }
const MOST_FORM_BYTES = 64 * 1024
const MOST_LIFE_SECONDS = 24 * 60 * 60
const DEFAULT_LIFE_SECONDS = 3600

/** The address of the gateway as the client knows it. */
function baseUrl(exchange: Exchange): string {
  return `http://${exchange.header('host') ?? ''}/${encodeURIComponent(exchange.database.name)}`
}

function callbackUrl(exchange: Exchange, { callback_url }: OidcProviderConfig): string {
  return callback_url ?? `${baseUrl(exchange)}/_oidc_callback`
}

async function loginUrl(exchange: Exchange): Promise<string> {
  const { gateway, database } = exchange
  const config = gateway.oidc.configOf(database, exchange.text('provider'))
  if (config === undefined) throw badRequest(`OpenID Connect not configured for database ${database.name}`)
  const client = await clientOf(exchange, config)
  return client.loginUrl(callbackUrl(exchange, config), { isOffline: exchange.flag('offline') })
}

async function clientOf(
  { gateway, database }: Exchange,
  config: OidcProviderConfig,
): Promise<ProviderClient> {
  try {
    return await gateway.oidc.client(database, config)
  } catch (error) {
    throw new GatewayError(500, 'Unable to obtain client for provider', { cause: error })
  }
}

export async function begin(exchange: Exchange): Promise<Answer> {
  return { status: 302, headers: { ...HTML, Location: await loginUrl(exchange) } }
}

export async function challenge(exchange: Exchange): Promise<Answer> {
  const url = await loginUrl(exchange)
  throw new GatewayError(401, 'Login Required', { headers: { 'WWW-Authenticate': `OIDC login="${url}"` } })
}

function requireProvider(exchange: Exchange): OidcProviderConfig {
  const config = exchange.gateway.oidc.configOf(exchange.database, exchange.text('provider'))
  if (config === undefined) throw badRequest('Unable to identify provider for callback request')
  return config
}

export async function callback(exchange: Exchange): Promise<Answer> {
  const error = exchange.text('error')
  if (error !== undefined) {
    const description = exchange.text('error_description') ?? ''
    throw new GatewayError(401, `oidc_callback received an error: ${description}`)
  }
  const code = exchange.text('code')
  if (code === undefined) throw badRequest('Code must be present on oidc callback')
  const config = requireProvider(exchange)
  const client = await clientOf(exchange, config)
  const tokens = await client.exchange(callbackUrl(exchange, config), code).catch((failure: unknown) => {
    throw new GatewayError(400, `OpenID Connect error: ${saidBy(failure)}`, { cause: failure })
  })
  return signedIn(exchange, client, tokens, { withRefresh: true })
}

/** What a provider says of its refusal. */
function saidBy(failure: unknown): string {
  const { error, error_description } = failure as { error?: unknown; error_description?: unknown }
  if (typeof error !== 'string') return describeError(failure)
  return `${typeof error_description === 'string' ? error_description : ''} (${error})`
}

export async function refresh(exchange: Exchange): Promise<Answer> {
  const token = exchange.text('refresh_token')
  if (token === undefined) throw badRequest('Refresh token must be present for oidc refresh')
  const config = requireProvider(exchange)
  const client = await clientOf(exchange, config)
  const tokens = await client.refresh(token).catch((failure: unknown) => {
    throw new GatewayError(401, 'Unable to refresh token.', { cause: failure })
  })
  return signedIn(exchange, client, tokens, { withRefresh: false })
}

async function signedIn(
  exchange: Exchange,
  client: ProviderClient,
  tokens: Tokens,
  { withRefresh }: { withRefresh: boolean },
): Promise<Answer> {
  const { gateway, database } = exchange
  const { config } = client
  const identity = await client.identify(tokens.idToken).catch((failure: unknown) => {
    throw new GatewayError(401, 'Invalid login', { cause: failure })
  })
  const name = await gateway.oidc.userOf(database, config, identity)
  if (name === undefined) throw new GatewayError(401, 'Invalid login')
  const session =
    config.disable_session === true
      ? undefined
      : await startSession(exchange, name, userStanding(database, name))
  const { accessToken, tokenType, expiresInSeconds } = tokens
  return json({
    id_token: tokens.idToken,
    refresh_token: withRefresh ? tokens.refreshToken : undefined,
    session_id: session,
    name,
    ...(config.include_access === true
      ? { access_token: accessToken, token_type: tokenType, expires_in: expiresInSeconds }
      : {}),
  })
}

function requireTesting({ database }: Exchange): void {
  if (database.config.unsupported?.oidc_test_provider?.enabled === true) return
  throw new GatewayError(403, 'OIDC test provider is not enabled')
}

function testingIssuer(exchange: Exchange): string {
  return `${baseUrl(exchange)}/_oidc_testing`
}

export async function testingConfiguration(exchange: Exchange): Promise<Answer> {
  requireTesting(exchange)
  const issuer = testingIssuer(exchange)
  return textJson({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/certs`,
    response_types_supported: ['code'],
    subject_types_supported: ['public'],
    scopes_supported: ['openid', 'email', 'profile'],
    claims_supported: ['email', 'sub', 'exp', 'iat', 'iss', 'aud', 'nickname'],
    id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
  })
}

export async function testingAuthorize(exchange: Exchange): Promise<Answer> {
  requireTesting(exchange)
  const scope = exchange.text('scope')
  if (scope === undefined) throw badRequest('missing scope parameter')
  if (!scope.split(' ').includes('openid')) throw badRequest(`scope parameter must contain 'openid'`)
  const action = escaped(`authenticate?${exchange.query.toString()}`)
  const body =
    '<!DOCTYPE html><title>OpenID Connect test provider</title><h1>OpenID Connect test provider</h1>' +
    '<p>Whoever signs in here is who he says he is: it is for tests alone.</p>' +
    `<form method="post" action="${action}"><label>Name <input name="username"></label>` +
    `<label>Seconds <input name="tokenttl" value="${DEFAULT_LIFE_SECONDS}"></label>` +
    '<button name="authenticated" value="yes">Sign in</button><button name="notauthenticated" value="no">Fail</button></form>'
  return { status: 200, headers: HTML, body }
}

function escaped(text: string): string {
  return text.replace(/[<>"&]/g, (character) => `&#${character.charCodeAt(0)};`)
}

async function formOf(exchange: Exchange): Promise<URLSearchParams> {
  if (exchange.method !== 'POST') return exchange.query
  return new URLSearchParams((await exchange.bytes(MOST_FORM_BYTES)).toString())
}

export async function testingAuthenticate(exchange: Exchange): Promise<Answer> {
  requireTesting(exchange)
  const form = await formOf(exchange)
  const target = exchange.text('redirect_uri') ?? ''
  if (!/^https?:\/\//.test(target) || !URL.canParse(target))
    throw badRequest('missing redirect_uri parameter')
  const userName = form.get('username') ?? ''
  if (form.get('authenticated') === null || userName === '') {
    const Location = `${target}?error=invalid_request&error_description=User failed authentication`
    return { status: 302, headers: { Location } }
  }
  const lifeSeconds = Math.min(Number(form.get('tokenttl')) || DEFAULT_LIFE_SECONDS, MOST_LIFE_SECONDS)
  const url = new URL(target)
  const code = exchange.gateway.testing.code({
    issuer: testingIssuer(exchange),
    userName,
    lifeSeconds,
    clientId: exchange.text('client_id') ?? '',
    scope: exchange.text('scope') ?? '',
  })
  url.searchParams.set('code', code)
  url.searchParams.set('state', exchange.text('state') ?? 'none')
  url.searchParams.sort()
  return { status: 302, headers: { Location: url.href } }
}

export async function testingToken(exchange: Exchange): Promise<Answer> {
  requireTesting(exchange)
  const form = await formOf(exchange)
  const issuer = testingIssuer(exchange)
  const { testing } = exchange.gateway
  const tokens =
    form.get('grant_type') === 'refresh_token'
      ? await testing.tokensOfRefresh(issuer, form.get('refresh_token') ?? '')
      : await testing.tokensOfCode(issuer, form.get('code') ?? '')
  if (tokens === undefined) throw badRequest('OIDC: no such grant')
  return json(tokens, { headers: { 'Cache-Control': 'no-store' } })
}

export async function testingCertificates(exchange: Exchange): Promise<Answer> {
  requireTesting(exchange)
  return textJson(await exchange.gateway.testing.publishedKeys())
}
