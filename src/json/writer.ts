import { toUSVString } from 'node:util'
import type { Steps } from '../base/time-slice.ts'

// JSON answers put together from canonical texts. A stored body is copied, never parsed.

/** `\u` escapes that JSON.stringify wrote, the backslash before them not being escaped itself. */
const HEX_ESCAPE = /\\(?:u[0-9a-f]{4}|.)/g
const EMPTY_BODY_SIZE = 2
const STEP_STRINGS = 512
/** Printable ASCII without quotes and backslashes: what most ids and all revisions are made of. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/**
 * The canonical text of a string: the hexadecimal digits of escaped controls are upper-case, which is where
 * JSON.stringify differs. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD.
 */
export function stringText(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`
  const text = JSON.stringify(toUSVString(value))
  if (!text.includes('\\u')) return text
  return text.replace(HEX_ESCAPE, (found) =>
    found[1] === 'u' ? `\\u${found.slice(2).toUpperCase()}` : found,
  )
}

/** Whether the canonical text of the string is itself between quotes, and each of its characters a byte of that. */
export function isPlainText(value: string): boolean {
  return PLAIN.test(value)
}

/** A member to stand behind others: `,"name":text`. `text` is JSON. */
export function memberText(name: string, text: string): string {
  return `,${stringText(name)}:${text}`
}

/** The text of an array of strings. */
export function stringsText(values: readonly string[]): string {
  return `[${values.map(stringText).join(',')}]`
}

/** The same in steps. */
export function* stringsSteps(values: readonly string[]): Steps<string> {
  let text = '['
  for (const [at, value] of values.entries()) {
    if (at % STEP_STRINGS === STEP_STRINGS - 1) yield
    text += at === 0 ? stringText(value) : `,${stringText(value)}`
  }
  return `${text}]`
}

/** The text of `documentText` in pieces, of which the middle one is a view of `body`. */
export function documentPieces(
  id: string,
  rev: string | null,
  body: Uint8Array,
  members = '',
): [head: string, inner: Uint8Array, tail: string] {
  return [headText(id, rev, body), body.subarray(1, body.length - 1), `${members}}`]
}

/** What stands before the members of `body`, an object, in `documentText`. */
export function headText(id: string, rev: string | null, body: Uint8Array): string {
  const revision = rev === null ? '' : `,"_rev":${stringText(rev)}`
  const comma = body.length > EMPTY_BODY_SIZE ? ',' : ''
  return `{"_id":${stringText(id)}${revision}${comma}`
}

/**
 * A document as it is answered: `_id`, `_rev`, the members of `body`, then `members`, each of which begins
 * with a comma (see `memberText`). `body` is a canonical object; `rev` may be null for none. `end` follows the
 * document.
 */
export function documentText(
  id: string,
  rev: string | null,
  body: Uint8Array,
  members = '',
  end = '',
): Buffer {
  const head = headText(id, rev, body)
  const tail = `${members}}${end}`
  const inner = body.length - EMPTY_BODY_SIZE
  const text = Buffer.allocUnsafe(head.length * 3 + inner + tail.length * 3)
  let length = text.write(head)
  text.set(body.subarray(1, body.length - 1), length)
  length += inner
  length += text.write(tail, length)
  return text.subarray(0, length)
}
