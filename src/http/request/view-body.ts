import { DatabaseError } from '../../base/errors.ts'
import { runAtOnce, type Steps } from '../../base/time-slice.ts'
import { canonicalize } from '../../json/documents.ts'
import { type Lossless, parseLossless, printLossless } from '../../json/lossless.ts'
import { stringText } from '../../json/writer.ts'
import type { Exchange } from './exchange.ts'
import { parseJsonParameter, type Query } from './query.ts'

/** Beyond that, a request is refused: each query is answered with a listing. */
const MOST_QUERIES = 10_000
const STEP_KEYS = 1024

/** `keys` and `queries`, which CouchDB checks before all other parameters. */

/** The array of the query string, undefined where it is absent. Throws badRequest. */
export function keysOfQuery(query: Query): unknown[] | undefined {
  const text = query.get('keys')
  if (text === undefined) return undefined
  if (Array.isArray(parseJsonParameter(text))) return exactKeys(Buffer.from(text))
  throw new DatabaseError('badRequest', '`keys` parameter must be an array.')
}

/** The array, undefined where it is absent. Throws badRequest. */
export function keysOfBody(body: Record<string, unknown>): unknown[] | undefined {
  const { keys } = body
  if (keys === undefined) return undefined
  if (!Array.isArray(keys)) throw new DatabaseError('badRequest', '`keys` body member must be an array.')
  return keys
}

/** The queries of `/queries`. Throws badRequest, and requestTooLarge for too many. */
export function queriesOfBody(body: Record<string, unknown>): Record<string, unknown>[] {
  const { queries } = body
  if (queries === undefined) {
    throw new DatabaseError('badRequest', 'POST body must include `queries` parameter.')
  }
  if (!Array.isArray(queries)) throw new DatabaseError('badRequest', '`queries` member must be an array.')
  if (queries.length > MOST_QUERIES) throw new DatabaseError('requestTooLarge')
  return queries.map((query: unknown) => {
    if (typeof query === 'object' && query !== null && !Array.isArray(query)) {
      return query as Record<string, unknown>
    }
    throw new DatabaseError('badRequest', '`queries` must be JSON objects.')
  })
}

/** A key that is no string: it names nothing and is only given back, as its canonical text. */
export class OddKey {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** The keys of an array's JSON text: strings and `OddKey`s. Undefined for what is no array. */
export function exactKeys(text: Uint8Array): unknown[] | undefined {
  const value = parseLossless(canonicalize(text).toString())
  return Array.isArray(value) ? runAtOnce(keySteps(value)) : undefined
}

/** `keys` as they were parsed from the body of the request, where they stand at `path`; odd ones as `OddKey`s. */
export async function exactKeysOfBody(
  exchange: Exchange,
  keys: unknown[] | undefined,
  ...path: (string | number)[]
): Promise<unknown[] | undefined> {
  if (keys === undefined || keys.every((key) => typeof key === 'string')) return keys
  let value = await exchange.losslessBody()
  for (const name of path) {
    value = (value as Record<string, Lossless>)[typeof name === 'number' ? name : `s${name}`]!
  }
  return exchange.inTurns(keySteps(value as Lossless[]))
}

function* keySteps(keys: Lossless[]): Steps<unknown[]> {
  const exact: unknown[] = []
  for (const key of keys) {
    const isString = typeof key === 'string' && key.startsWith('s')
    exact.push(isString ? key.slice(1) : new OddKey(printLossless(key)))
    if (exact.length % STEP_KEYS === 0) yield
  }
  return exact
}

/** The JSON text of a key. */
export function keyText(key: unknown): string {
  if (key instanceof OddKey) return key.text
  return typeof key === 'string' ? stringText(key) : JSON.stringify(key)
}
