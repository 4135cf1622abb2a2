/**
 * Parameters, read. Every value of a query string, and of the members that a view-like route takes in a body as well, is
 * made into a boolean, a number, JSON or a revision here and nowhere else. CouchDB's modules word their refusals each
 * in its own way, so a reader takes the words of its route, where it has none of its own.
 */
import { DatabaseError } from '../../base/errors.ts'
import { isUtf8 } from '../../documents/characters.ts'
import { readRevision, readRevisions } from '../../documents/revision.ts'
import { canonicalize } from '../../json/documents.ts'
import { printJson, printString } from '../../json/erlang.ts'
import { exactKeys } from './exact-keys.ts'
import type { Query } from './query.ts'

// Texts of a query string.

/** Whether the text is exactly `true`: anything else counts as absent. */
export function isTrue(text: string | undefined): boolean {
  return text === 'true'
}

/** Exactly `true` or `false`. Throws badRequest with `reason`. */
export function readTrueOrFalse(text: string, reason: string): boolean {
  if (text === 'true') return true
  if (text === 'false') return false
  throw new DatabaseError('badRequest', reason)
}

/** Decimal digits with an optional sign; undefined for anything else. */
export function integerOf(text: string): number | undefined {
  return /^[+-]?[0-9]+$/.test(text) ? Number(text) : undefined
}

/** The same. Throws badRequest with `reason`. */
export function readInteger(text: string, reason: string): number {
  return integerOf(text) ?? refuse(reason)
}

/** Decimal digits without a minus. Throws badRequest with `reason`. */
export function readNatural(text: string, reason: string): number {
  return /^\+?[0-9]+$/.test(text) ? Number(text) : refuse(reason)
}

/** The same, but not 0. Throws badRequest with `reason`. */
export function readPositive(text: string, reason: string): number {
  return /^\+?0*[1-9][0-9]*$/.test(text) ? Number(text) : refuse(reason)
}

/** One of `values`. Throws badRequest with `reason`. */
export function readOneOf<Value extends string>(
  text: string,
  values: readonly Value[],
  reason: string,
): Value {
  return values.find((value) => value === text) ?? refuse(reason)
}

/** A text of the form that `pattern` has. Throws badRequest with `reason`. */
export function readMatch(text: string, pattern: RegExp, reason: string): string {
  return pattern.test(text) ? text : refuse(reason)
}

/** A string of JSON whose text is that of the string: what most keys are. */
const PLAIN_STRING = /^"[\x20\x21\x23-\x5b\x5d-\x7e]*"$/

/** A text that is JSON (`startkey`, `doc_ids`). Throws invalidJson. */
export function readJson(text: string): unknown {
  if (PLAIN_STRING.test(text)) return text.slice(1, -1)
  return JSON.parse(readJsonText(text))
}

/** The same as canonical text. */
export function readJsonText(text: string): string {
  if (!isUtf8(text)) throw new DatabaseError('invalidJson')
  return canonicalize(Buffer.from(text, 'utf8')).toString('utf8')
}

/** A text that is a JSON array of revisions (`open_revs`, `atts_since`). Throws invalidJson, badRequest. */
export function readRevisionsJson(text: string): string[] {
  return readRevisions(readJson(text))
}

/** The first `rev`. Throws badRequest for what is none. */
export function revisionOfQuery(query: Query): string | undefined {
  const text = query.get('rev')
  return text === undefined ? undefined : readRevision(text)
}

/** The keys of the first `keys`. Throws invalidJson, badRequest. */
export function keysOfQuery(query: Query): unknown[] | undefined {
  const text = query.get('keys')
  return text === undefined ? undefined : readViewKeys({ text })
}

/** What the last of the values of `name` says that is exactly `true` or `false`; the others are passed over. */
export function lastTrueOrFalse(query: Query, name: string): boolean | undefined {
  const said = query.pairs.findLast(([key, value]) => key === name && (value === 'true' || value === 'false'))
  return said === undefined ? undefined : isTrue(said[1])
}

// The parameters of views, which have one wording for all.

/** A parameter's value: text of a query string, or a decoded member of a JSON body. */
export type Raw = { text: string } | { json: unknown }

/** `true` and `false` in any case; from a body also JSON booleans. Throws queryParseError. */
export function readViewBoolean(raw: Raw): boolean {
  const value = givenValue(raw)
  if (typeof value === 'boolean') return value
  const lower = typeof value === 'string' ? value.toLowerCase() : ''
  if (lower === 'true') return true
  if (lower === 'false') return false
  const shown = typeof value === 'string' ? printString(value) : print(raw)
  throw new DatabaseError('queryParseError', `Invalid boolean parameter: ${shown}`)
}

/** An integer of 0 or more; from a body a JSON integer. Throws queryParseError. */
export function readViewCount(raw: Raw): number {
  const value =
    'text' in raw ? integerOf(raw.text) : Number.isInteger(raw.json) ? Number(raw.json) : undefined
  if (value === undefined) {
    throw new DatabaseError('queryParseError', `Invalid value for integer: ${print(raw)}`)
  }
  if (value >= 0) return value
  throw new DatabaseError('queryParseError', `Invalid value for positive integer: ${print(raw)}`)
}

/** A key: JSON. Throws invalidJson. */
export function readViewKey(raw: Raw): unknown {
  return 'text' in raw ? readJson(raw.text) : raw.json
}

/** An array of keys; those of a query string that are no strings keep their texts. Throws invalidJson, badRequest. */
export function readViewKeys(raw: Raw): unknown[] {
  const value = readViewKey(raw)
  if (!Array.isArray(value)) throw new DatabaseError('badRequest', '`keys` parameter must be an array.')
  return 'text' in raw ? exactKeys(Buffer.from(raw.text)) : value
}

/** A text as it is. */
export function readViewText(raw: Raw): string {
  return String(givenValue(raw))
}

/** Throws queryParseError unless the value of the parameter `name` is one of `values`. */
export function requireViewOneOf(raw: Raw, name: string, values: readonly unknown[]): void {
  if (values.includes(givenValue(raw))) return
  throw new DatabaseError('queryParseError', `Invalid value for \`${name}\`.`)
}

function givenValue(raw: Raw): unknown {
  return 'text' in raw ? raw.text : raw.json
}

function print(raw: Raw): string {
  return 'text' in raw ? printString(raw.text) : printJson(raw.json)
}

function refuse(reason: string): never {
  throw new DatabaseError('badRequest', reason)
}
