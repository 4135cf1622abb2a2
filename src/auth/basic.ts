/** The Authorization header as CouchDB's default handler reads it (RFC 7617). */

export type BasicCredentials =
  | { kind: 'absent' }
  | { kind: 'malformed' }
  | { kind: 'given'; name: string; password: string }

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * `absent` also stands for what CouchDB takes as not signed in: another scheme, a value without a colon, and `_:_`, by which
 * browsers are made to forget a password.
 */
export function parseBasic(header: string | undefined): BasicCredentials {
  if (header === undefined || header.trim() === '') return { kind: 'absent' }
  if (!/^\s*basic(?:\s|$)/i.test(header)) return { kind: 'absent' }
  const match = /^\s*basic +(\S*)\s*$/i.exec(header)
  if (match === null || !BASE64.test(match[1]!)) return { kind: 'malformed' }
  let text: string
  try {
    text = UTF8.decode(Buffer.from(match[1]!, 'base64'))
  } catch {
    return { kind: 'malformed' }
  }
  const colon = text.indexOf(':')
  if (colon < 0 || text === '_:_') return { kind: 'absent' }
  return { kind: 'given', name: text.slice(0, colon), password: text.slice(colon + 1) }
}
