/**
 * A request's target as a log may have it: what can be a secret is masked, since clients put passwords and tokens into
 * addresses, though they should not.
 */

const MASK = '****'
/** What is longer is cut: a log is no copy of what clients send. */
const MAX_LENGTH = 2000

/** Names of parameters, as they are when their bytes are decoded. */
const SECRET_NAME =
  /pass|pwd|secret|token|auth|jwt|cookie|session|credential|signature|^sig$|^code$|api[-_.]?key|^key_?id$/i
/** A name and a password before a host, in any value. */
const USER_INFO = /\/\/[^/?#]*@/

export function maskedTarget(target: string): string {
  const cut = target.length > MAX_LENGTH ? `${target.slice(0, MAX_LENGTH)}...` : target
  const start = cut.indexOf('?')
  if (start < 0) return maskedPath(cut)
  const pairs = cut
    .slice(start + 1)
    .split('&')
    .map(maskedPair)
  return `${maskedPath(cut.slice(0, start))}?${pairs.join('&')}`
}

function maskedPath(path: string): string {
  return path.includes('@') && USER_INFO.test(decoded(path)) ? MASK : path
}

function maskedPair(pair: string): string {
  const equals = pair.indexOf('=')
  const name = decoded(equals < 0 ? pair : pair.slice(0, equals))
  if (USER_INFO.test(name)) return MASK
  if (equals < 0) return pair
  const isSecret = SECRET_NAME.test(name) || USER_INFO.test(decoded(pair.slice(equals + 1)))
  return isSecret ? `${pair.slice(0, equals)}=${MASK}` : pair
}

/** Encoded twice is found, too: an address within an address is. */
function decoded(text: string): string {
  let now = text
  for (let times = 0; times < 2 && /[%+]/.test(now); times++) {
    now = now
      .replaceAll('+', ' ')
      .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return now
}
