/** What settings of listening may be: each function reads a text, or throws an Error that says what was expected. */
import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'

/** CouchDB's `any` is every IPv4 address; `localhost` is not left to the resolver. */
export function address(input: string): string {
  if (input === 'any') return '0.0.0.0'
  if (input === 'localhost') return '127.0.0.1'
  const bare = /^\[(.*)\]$/.exec(input)?.[1] ?? input
  if (isIP(bare) === 0) throw new Error('IP addresses with commas between, "any" or "localhost"')
  return bare
}

/** One or several, each once. */
export function addresses(input: string): readonly string[] {
  return [...new Set(input.split(',').map((each) => address(each.trim())))]
}

/**
 * A name that a socket can have, and beside it one that is somewhat longer: the operating system takes 104 bytes or 108,
 * with the zero at the end.
 */
const MAX_SOCKET_PATH_BYTES = 90

export function socketPath(input: string): string {
  if (!isAbsolute(input) || input.endsWith('/') || Buffer.byteLength(input) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`an absolute path of at most ${MAX_SOCKET_PATH_BYTES} bytes`)
  }
  return input
}

export function fileMode(input: string): string {
  if (!/^0?[0-7]{3}$/.test(input)) throw new Error('three octal digits, as 660')
  return input
}

export function certificatePath(input: string): string {
  if (input === '') throw new Error('the path of a file')
  return input
}

/** What is between commas, or in a list as Erlang writes it, of names in quotes. */
function listed(input: string): string[] {
  const inner = /^\s*\[(.*)\]\s*$/.exec(input)?.[1] ?? input
  return inner.split(/[,:]/).map((each) => each.trim().replace(/^(["'])(.*)\1$/, '$2'))
}

/** As OpenSSL has them, with colons between. */
export function ciphers(input: string): string {
  const list = listed(input)
  if (!list.every((name) => /^[A-Za-z0-9_+!@=-]+$/.test(name))) throw new Error('names of cipher suites')
  return list.join(':')
}

export type TlsVersion = 'tlsv1.2' | 'tlsv1.3'

export function tlsVersions(input: string): readonly TlsVersion[] {
  const list = listed(input)
  const isKnown = (name: string): name is TlsVersion => name === 'tlsv1.2' || name === 'tlsv1.3'
  if (!list.every(isKnown)) throw new Error('tlsv1.2, tlsv1.3 or both')
  return list
}

/** Where a host's requests go. */
export function vhostPath(input: string): string {
  if (!/^\/[\x21-\x7e]*$/.test(input) || /[?#]/.test(input)) throw new Error('a path, as /db')
  return input
}
