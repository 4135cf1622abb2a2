/**
 * Who somebody is by an ID token of Google, which is verified by Google's published keys
 * (https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken).
 */
import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../../base/clock.ts'
import type { GoogleConfig } from '../config.ts'
import { GatewayError } from '../errors.ts'
import {
  MOST_TOKEN_CHARACTERS,
  NETWORK_TIMEOUT_MS,
  type SocialIdentity,
  shortText,
  wrongApplication,
} from './identity.ts'

const ISSUERS = ['accounts.google.com', 'https://accounts.google.com']
const ALGORITHMS = ['RS256']
const CLOCK_TOLERANCE_SECONDS = 60

export class GoogleTokens {
  /** They are fetched with the first token, and again when they are old, or, at most twice a minute, when a token names another. */
  readonly #keys: ReturnType<typeof createRemoteJWKSet>
  readonly #clock: Clock

  constructor(keysUrl: string, clock: Clock) {
    this.#clock = clock
    this.#keys = createRemoteJWKSet(new URL(keysUrl), {
      timeoutDuration: NETWORK_TIMEOUT_MS,
      [customFetch]: fetchKeys,
    })
  }

  /** Rejects with 401 for a token that is none or another application's, 502 and 504 where the keys cannot be had. */
  async identify({ app_client_id = [] }: GoogleConfig, token: string): Promise<SocialIdentity> {
    if (token.length > MOST_TOKEN_CHARACTERS) throw invalid()
    let payload: JWTPayload
    try {
      const verified = await jwtVerify(token, this.#keys, {
        issuer: ISSUERS,
        audience: app_client_id,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'iat', 'exp'],
        currentDate: new Date(this.#clock.now()),
      })
      payload = verified.payload
    } catch (error) {
      throw refusal(error)
    }
    const { sub, email, email_verified } = payload
    if (typeof sub !== 'string' || sub === '') throw invalid()
    // Who has not shown that an address is his could name anybody's.
    const isHis = typeof email === 'string' && email_verified === true
    return { network: 'google', id: sub, email: isHis ? email || undefined : undefined }
  }
}

/** Rejects with 502 for an answer that is too long or no success, and with 504 where none comes. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  let status: number
  let text: string | undefined
  try {
    const response = await fetch(url, options)
    status = response.status
    text = await shortText(response)
  } catch (error) {
    throw new GatewayError(504, 'Unable to send request to Google API', { cause: error })
  }
  if (status !== 200 || text === undefined) throw invalidKeys(new Error(`status ${status}`))
  return new Response(text, { status })
}

/** A token of any bytes is refused as one that is wrong; what the keys' text is to blame for is not its fault. */
function refusal(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') return wrongApplication()
  const isOfKeys =
    error instanceof errors.JWKSInvalid ||
    (error instanceof errors.JOSEError && error.code === errors.JOSEError.code)
  return isOfKeys ? invalidKeys(error) : invalid()
}

function invalidKeys(cause: unknown): GatewayError {
  return new GatewayError(502, 'Invalid response from Google token verifier', { cause })
}

/** As Google says it. */
function invalid(): GatewayError {
  return new GatewayError(401, 'Invalid Value')
}
