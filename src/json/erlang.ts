/**
 * Values as Erlang's `~p` prints them: CouchDB quotes a bad parameter that way in its reasons, so
 * `limit=abc` is `"abc"` in a query, `<<"abc">>` in a JSON body, and an empty value is `[]`.
 */
import { floatText } from './float-text.ts'
import { WholeFloat } from './lossless.ts'

/** A query parameter's value (an Erlang string: a list of bytes). */
export function printString(text: string): string {
  if (text === '') return '[]'
  const bytes = Buffer.from(text, 'utf8')
  for (const byte of bytes) {
    const printable =
      (byte >= 0x20 && byte < 0x7f) || byte >= 0xa0 || (byte >= 8 && byte <= 13) || byte === 27
    if (!printable) return `[${[...bytes].join(',')}]`
  }
  return `"${quoted(bytes.toString('latin1'))}"`
}

/** A JSON value of a request body (strings are binaries, objects `{[{K,V}]}`). */
export function printJson(value: unknown): string {
  if (value instanceof WholeFloat) return String(value)
  if (typeof value === 'string') {
    const ascii = /^[\x20-\x7e\n\t\r]*$/.test(value)
    return ascii ? `<<"${quoted(value)}">>` : `<<"${quoted(value)}"/utf8>>`
  }
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : floatText(value)
  if (Array.isArray(value)) return `[${value.map(printJson).join(',')}]`
  const members = Object.entries(value as object).map(([k, v]) => `{${printJson(k)},${printJson(v)}}`)
  return `{[${members.join(',')}]}`
}

function quoted(text: string): string {
  return text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\t/g, '\\t').replace(/\r/g, '\\r')
}
