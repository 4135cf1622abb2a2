import { DatabaseError } from '../base/errors.ts'
import { canonicalize } from '../base/json/documents.ts'
import { type Lossless, parseLossless, printLossless } from '../base/json/lossless.ts'
import { stringText } from '../base/json/writer.ts'
import { parseJsonParameter, type Query } from './query.ts'

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

/** The queries of `/queries`. Throws badRequest. */
export function queriesOfBody(body: Record<string, unknown>): Record<string, unknown>[] {
  const { queries } = body
  if (queries === undefined) {
    throw new DatabaseError('badRequest', 'POST body must include `queries` parameter.')
  }
  if (!Array.isArray(queries)) throw new DatabaseError('badRequest', '`queries` member must be an array.')
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

/** The keys of a JSON text that may hold some, found by the names on the way: strings and `OddKey`s. */
export function exactKeys(text: Uint8Array, ...path: (string | number)[]): unknown[] | undefined {
  let value: Lossless | undefined = parseLossless(canonicalize(text).toString())
  for (const name of path) {
    value = (value as Record<string, Lossless>)[typeof name === 'number' ? name : `s${name}`]
  }
  if (!Array.isArray(value)) return undefined
  return value.map((key) => {
    const printed = printLossless(key)
    return typeof key === 'string' && key.startsWith('s') ? JSON.parse(printed) : new OddKey(printed)
  })
}

/** The JSON text of a key. */
export function keyText(key: unknown): string {
  if (key instanceof OddKey) return key.text
  return typeof key === 'string' ? stringText(key) : JSON.stringify(key)
}
