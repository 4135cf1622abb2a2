/** What settings of authentication may be: each function reads a text, or throws an Error that says what was expected. */
import { isTuple, parseTerm } from './erlang-terms.ts'

export type HandlerName = 'cookie' | 'default' | 'jwt' | 'proxy'

const HANDLER_NAMES: readonly HandlerName[] = ['cookie', 'default', 'jwt', 'proxy']

/** CouchDB's `{chttpd_auth, cookie_authentication_handler}, ...`, or names. */
export function handlers(input: string): readonly HandlerName[] {
  const expected = 'handlers as jwt, cookie, default'
  const list = input.split(/,(?![^{]*\})/).map((one): HandlerName => {
    const text = one.trim()
    const name = /^\{\s*\w+\s*,\s*(\w+)_authentication_handler\s*\}$/.exec(text)?.[1] ?? text
    const known = HANDLER_NAMES.find((each) => each === name)
    if (known === undefined) throw new Error(expected)
    return known
  })
  if (new Set(list).size < list.length) throw new Error(`${expected}, each once`)
  return list
}

/** Names with commas between; none in an empty text. */
export function memberNames(input: string): readonly string[] {
  return input.split(',').flatMap((name) => (name.trim() === '' ? [] : [name.trim()]))
}

/** CouchDB's names of hash functions: Node's. */
export const HASH_ALGORITHMS: Readonly<Record<string, string>> = {
  sha: 'sha1',
  sha224: 'sha224',
  sha256: 'sha256',
  sha384: 'sha384',
  sha512: 'sha512',
  blake2b: 'blake2b512',
  blake2s: 'blake2s256',
}

export function hashAlgorithms(input: string): readonly string[] {
  const list = memberNames(input)
  if (list.length === 0 || !list.every((name) => Object.hasOwn(HASH_ALGORITHMS, name))) {
    throw new Error(`some of ${Object.keys(HASH_ALGORITHMS).join(', ')}`)
  }
  return list
}

/** The name of a database, of which it is not asked whether it is there. */
export function databaseName(input: string): string | undefined {
  if (input !== '_users' && !/^[a-z][a-z0-9_$()+/-]{0,237}$/.test(input))
    throw new Error('the name of a database')
  return input
}

export function headerName(input: string): string {
  if (!/^[A-Za-z0-9-]+$/.test(input)) throw new Error('the name of a header')
  return input
}

/** The text of a key of `[jwt_keys]`, whose name says its kind. */
export function jwtKey(input: string, name: string): string {
  if (!/^(?:hmac|rsa|ec|eddsa):./.test(name)) {
    throw new Error('named hmac:ID, rsa:ID, ec:ID or eddsa:ID')
  }
  return input
}

/** What `[jwt_auth] required_claims` asks for: names of claims, some with the value that they must have. */
export type RequiredClaims = ReadonlyMap<string, string | undefined>

/**
 * `exp,iat,{iss, "https://issuer.example"}`, CouchDB's list of claims; none in an empty text. A rule that cannot be read
 * must not be taken for none.
 */
export function requiredClaims(text: string): RequiredClaims {
  const claims = new Map<string, string | undefined>()
  let rest = text.trim()
  while (rest !== '') {
    const match = /^(?:([a-z_]+)|\{\s*([a-z_]+)\s*,\s*"([^"]*)"\s*\})\s*(?:,\s*(?=\S)|$)/.exec(rest)
    if (match === null) throw new Error('claims as exp,iat,{iss, "https://issuer.example"}')
    claims.set(match[1] ?? match[2]!, match[3])
    rest = rest.slice(match[0].length)
  }
  return claims
}

/** `resource.app\.one.roles` as its names: a dot that belongs to a name is written `\.`. */
export function claimPath(text: string): readonly string[] {
  const names = text.split(/(?<!\\)\./).map((name) => name.replaceAll('\\.', '.'))
  if (names.some((name) => name === '')) throw new Error('names of claims with dots between')
  return names
}

export function httpUrl(input: string): string {
  let url: URL
  try {
    url = new URL(input)
  } catch {
    throw new Error('a URL of http or https')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('a URL of http or https')
  return input
}

export function databasePrefix(input: string): string {
  if (!/^[a-z][a-z0-9_$()+/-]{0,99}$/.test(input)) throw new Error('the beginning of a name of a database')
  return input
}

/** What a new password has to match, and what whoever gives another one is told. */
export interface PasswordRule {
  readonly pattern: string
  readonly reason: string | undefined
}

/** CouchDB's list of patterns, each a text, or a tuple of it and a reason. Patterns are read when a password is given. */
export function passwordRules(input: string): readonly PasswordRule[] {
  const expected = new Error('patterns as [".{10,}", {"[A-Z]", "It needs a capital."}]')
  const list = input.trim() === '' ? [] : parseTerm(input)
  if (!Array.isArray(list)) throw expected
  return list.map((each) => {
    const [pattern, reason, ...more] = isTuple(each) ? each.tuple : [each]
    if (typeof pattern !== 'string' || more.length > 0) throw expected
    return { pattern, reason: typeof reason === 'string' && reason !== '' ? reason : undefined }
  })
}
