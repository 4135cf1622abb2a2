/** JSON Web Tokens made by hand, so that wrong ones can be made too. */
import { createHmac } from 'node:crypto'

export function tokenPart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

const DIGESTS: Readonly<Record<string, string>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' }

/** Signed with a shared secret by the algorithm of its header, or as HS256 where that is none of HMAC. */
export function bearerToken(
  header: { alg?: unknown; kid?: unknown },
  claims: unknown,
  key: string | Buffer,
): string {
  const signed = `${tokenPart(header)}.${tokenPart(claims)}`
  const digest = DIGESTS[String(header.alg)] ?? 'sha256'
  return `${signed}.${createHmac(digest, key).update(signed).digest('base64url')}`
}
