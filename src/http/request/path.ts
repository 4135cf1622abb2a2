/**
 * A request's target, taken apart exactly as CouchDB does it: split first, decoded afterwards, so that an
 * escaped slash belongs to a name. `+` is a space (`%2B` is plus), in a path unless `[chttpd] decode_plus_to_space` says no;
 * empty segments do not count. A byte that
 * is not part of valid UTF-8 becomes a lone surrogate U+DC80..U+DCFF, which no client can send otherwise:
 * `isUtf8` of src/documents tells, and an id with one can never meet a stored id by accident.
 */
import { isUtf8 } from 'node:buffer'

export interface Target {
  segments: string[]
  /** In order, repeated names included. */
  query: [name: string, value: string][]
  /** True where a `%` is not followed by two hex digits, in the path or in the query. */
  malformed: boolean
}

/** What `decodeComponent` leaves as it is. */
const PLAIN = /^[\x21-\x24\x26-\x2a\x2c-\x7e]*$/
const BAD_ESCAPE = /%(?![0-9a-fA-F]{2})/

/** Takes the raw request target apart ("/db/a%2Fb?x=1", or the absolute form). `plusIsSpace`: in the path. */
export function parseTarget(raw: string, plusIsSpace = true): Target {
  const hash = raw.indexOf('#')
  const target = hash < 0 ? raw : raw.slice(0, hash)
  if (target.includes('%') && BAD_ESCAPE.test(target)) return { segments: [], query: [], malformed: true }
  const question = target.indexOf('?')
  const path = withoutOrigin(question < 0 ? target : target.slice(0, question))
  const plain = PLAIN.test(path)
  const segments: string[] = []
  for (let start = 0; start < path.length; ) {
    const slash = path.indexOf('/', start)
    const end = slash < 0 ? path.length : slash
    if (end > start) {
      const part = path.slice(start, end)
      segments.push(plain ? part : decodeComponent(part, plusIsSpace))
    }
    start = end + 1
  }
  return { segments, query: question < 0 ? [] : parseForm(target.slice(question + 1)), malformed: false }
}

/** Pairs of an `application/x-www-form-urlencoded` text, in order. `;` separates too, as in mochiweb. */
export function parseForm(text: string): [string, string][] {
  const pairs: [string, string][] = []
  for (const part of text.split(/[&;]/)) {
    if (part === '') continue
    const equals = part.indexOf('=')
    if (equals < 0) pairs.push([decodeComponent(part), ''])
    else pairs.push([decodeComponent(part.slice(0, equals)), decodeComponent(part.slice(equals + 1))])
  }
  return pairs
}

/** One component's text: `+` to space where it is one, escapes to bytes, bytes to UTF-8. A lone `%` stays. */
export function decodeComponent(part: string, plusIsSpace = true): string {
  if (PLAIN.test(part)) return part
  const bytes = Buffer.allocUnsafe(part.length)
  let length = 0
  for (let i = 0; i < part.length; i++) {
    const code = part.charCodeAt(i)
    if (code === 0x25) {
      const value = hexPair(part, i + 1)
      if (value >= 0) i += 2
      bytes[length++] = value >= 0 ? value : code
    } else {
      bytes[length++] = code === 0x2b && plusIsSpace ? 0x20 : code
    }
  }
  return utf8OrEscaped(bytes.subarray(0, length))
}

/**
 * A name as CouchDB writes it into Location headers: letters, digits and `_ . - :` stay, every other byte is
 * escaped in upper-case hex.
 */
export function encodeComponent(text: string): string {
  if (/^[A-Za-z0-9_.:-]*$/.test(text)) return text
  let out = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const char = String.fromCharCode(byte)
    out += /[A-Za-z0-9_.:-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

function withoutOrigin(path: string): string {
  if (path.startsWith('/')) return path
  const origin = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/]*/.exec(path)
  return origin === null ? path : path.slice(origin[0].length)
}

function hexPair(text: string, at: number): number {
  const pair = text.slice(at, at + 2)
  return /^[0-9a-fA-F]{2}$/.test(pair) ? Number.parseInt(pair, 16) : -1
}

function utf8OrEscaped(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : escapeInvalid(bytes)
}

/** Valid sequences are kept; each other byte B becomes U+DC00 + B. */
function escapeInvalid(bytes: Buffer): string {
  let out = ''
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i]!
    const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
    const sequence = bytes.subarray(i, i + length)
    if (sequence.length === length && isUtf8(sequence)) {
      out += sequence.toString('utf8')
      i += length
    } else {
      out += String.fromCharCode(0xdc00 + lead)
      i += 1
    }
  }
  return out
}
