/** What a social network says of who signs in by it, and what all of them are asked with. */
import { GatewayError } from '../errors.ts'

export type Network = 'facebook' | 'google'

/** Where the networks are asked, without a slash at the end. */
export interface SocialUrls {
  /** Facebook's Graph API. */
  readonly facebook: string
  /** The keys of Google's ID tokens, as a JSON Web Key Set. */
  readonly googleKeys: string
}

export const SOCIAL_URLS: SocialUrls = {
  facebook: 'https://graph.facebook.com',
  googleKeys: 'https://www.googleapis.com/oauth2/v3/certs',
}

export interface SocialIdentity {
  readonly network: Network
  /** Never anybody else's in this network. */
  readonly id: string
  /** Undefined where the network tells none, or has not verified it. */
  readonly email: string | undefined
}

/** How long a network may take. */
export const NETWORK_TIMEOUT_MS = 10_000
/** Longer ones are nobody's: a token is to have room in a request's head. */
export const MOST_TOKEN_CHARACTERS = 8192
const MOST_ANSWER_BYTES = 256 * 1024

/** The text of an answer; undefined for one that is too long, which is read no further. Rejects as reading does. */
export async function shortText({ body }: Response): Promise<string | undefined> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of body ?? []) {
    bytes += piece.byteLength
    if (bytes > MOST_ANSWER_BYTES) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

export function wrongApplication(): GatewayError {
  return new GatewayError(401, 'Invalid application id, please add it in the config')
}
