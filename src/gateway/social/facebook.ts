/** Who somebody is by an access token of Facebook, which Facebook's Graph API is asked. */
import { type FacebookConfig, isObject } from '../config.ts'
import { GatewayError } from '../errors.ts'
import {
  MOST_TOKEN_CHARACTERS,
  NETWORK_TIMEOUT_MS,
  type SocialIdentity,
  shortText,
  wrongApplication,
} from './identity.ts'

/**
 * `url` is the Graph API's. Rejects with 401 for a token that is none or another application's, 502 for an answer that is none, 504
 * where none comes, and with the reason of `gone` once that is aborted.
 */
export async function facebookIdentity(
  url: string,
  { app_id }: FacebookConfig,
  token: string,
  gone: AbortSignal,
): Promise<SocialIdentity> {
  if (token.length > MOST_TOKEN_CHARACTERS) throw new GatewayError(401, 'Invalid access token')
  const { id, email } = await ask(`${url}/me`, { fields: 'id,name,email', access_token: token }, gone)
  if (email !== undefined && typeof email !== 'string') throw invalid()
  if (app_id !== undefined) {
    const application = await ask(`${url}/app`, { fields: 'id', access_token: token }, gone)
    if (!app_id.includes(application.id)) throw wrongApplication()
  }
  return { network: 'facebook', id, email: email || undefined }
}

async function ask(
  url: string,
  parameters: Record<string, string>,
  gone: AbortSignal,
): Promise<{ id: string; email?: unknown }> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(NETWORK_TIMEOUT_MS)])
  let status: number
  let text: string | undefined
  try {
    const response = await fetch(`${url}?${new URLSearchParams(parameters)}`, { redirect: 'manual', signal })
    status = response.status
    if (status >= 300) await response.body?.cancel()
    else text = await shortText(response)
  } catch (error) {
    if (gone.aborted) throw gone.reason
    throw new GatewayError(504, 'Unable to send request to Facebook API', { cause: error })
  }
  if (status >= 300) throw new GatewayError(401, `Facebook verification server status ${status}`)
  const { id, email } = objectIn(text)
  if (typeof id !== 'string' || id === '') throw invalid()
  return { id, email }
}

function objectIn(text: string | undefined): Record<string, unknown> {
  let value: unknown
  try {
    value = text === undefined ? undefined : JSON.parse(text)
  } catch {
    throw invalid()
  }
  if (!isObject(value)) throw invalid()
  return value
}

function invalid(): GatewayError {
  return new GatewayError(502, 'Invalid response from Facebook verifier')
}
