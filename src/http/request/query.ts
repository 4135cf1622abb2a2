import { DatabaseError } from '../../base/errors.ts'
import { isUtf8 } from '../../documents/characters.ts'
import { canonicalize } from '../../json/documents.ts'
import { printJson, printString } from './erlang.ts'

/**
 * Parameters of the query string and, for the view-like routes, of a JSON body, parsed with CouchDB's own
 * words for what is wrong. One module for all routes. A value from a body is already decoded; a value from a
 * query string is text.
 */
export class Query {
  readonly pairs: readonly (readonly [string, string])[]

  constructor(pairs: readonly (readonly [string, string])[]) {
    this.pairs = pairs
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    for (const [key, value] of this.pairs) if (key === name) return value
    return undefined
  }

  /** Whether a pair says exactly `name=true`. Anything else counts as absent, as CouchDB's document reads do. */
  flag(name: string): boolean {
    return this.pairs.some(([key, value]) => key === name && value === 'true')
  }
}

/** A parameter's value: text of a query string, or a decoded member of a JSON body. */
export type Raw = { text: string } | { json: unknown }

function print(raw: Raw): string {
  return 'text' in raw ? printString(raw.text) : printJson(raw.json)
}

/** `true` and `false` in any case; from a body also JSON booleans. Throws queryParseError. */
export function parseBoolean(raw: Raw): boolean {
  const value = 'text' in raw ? raw.text : raw.json
  if (typeof value === 'boolean') return value
  const lower = typeof value === 'string' ? value.toLowerCase() : ''
  if (lower === 'true') return true
  if (lower === 'false') return false
  const shown = typeof value === 'string' ? printString(value) : print(raw)
  throw new DatabaseError('queryParseError', `Invalid boolean parameter: ${shown}`)
}

/** Decimal digits with an optional sign; from a body a JSON integer. Throws queryParseError. */
export function parseInteger(raw: Raw): number {
  if ('text' in raw) {
    if (/^[+-]?[0-9]+$/.test(raw.text)) return Number(raw.text)
  } else if (Number.isInteger(raw.json)) {
    return raw.json as number
  }
  throw new DatabaseError('queryParseError', `Invalid value for integer: ${print(raw)}`)
}

/** An integer of 0 or more. Throws queryParseError. */
export function parseCount(raw: Raw): number {
  const value = parseInteger(raw)
  if (value >= 0) return value
  throw new DatabaseError('queryParseError', `Invalid value for positive integer: ${print(raw)}`)
}

/** A parameter whose text is JSON (`startkey`, `keys`, `open_revs`). Throws invalidJson. */
export function parseJsonParameter(text: string): unknown {
  if (!isUtf8(text)) throw new DatabaseError('invalidJson')
  return JSON.parse(canonicalize(Buffer.from(text, 'utf8')).toString('utf8'))
}

/** Throws badRequest unless the value is a JSON object. */
export function requireObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new DatabaseError('badRequest', 'Request body must be a JSON object')
}
