import { DatabaseError } from '../../base/errors.ts'
import type { Lossless } from '../../json/lossless.ts'
import { exactKeySteps, OddKey, printedSteps } from './exact-keys.ts'
import { exactMember, withExactNumbers } from './exact-members.ts'
import type { Exchange } from './exchange.ts'

/** Members of a body, which CouchDB checks before all parameters. */

/** Beyond that, a request is refused: each query is answered with a listing. */
const MOST_QUERIES = 10_000

/** Members that are integers. */
const COUNT_NAMES = ['limit', 'skip', 'group_level']

/** The array, undefined where it is absent. Throws badRequest in the words of its route. */
export function keysOfBody(
  body: Record<string, unknown>,
  reason = '`keys` body member must be an array.',
): unknown[] | undefined {
  const { keys } = body
  if (keys === undefined) return undefined
  if (!Array.isArray(keys)) throw new DatabaseError('badRequest', reason)
  return keys
}

/** The queries of `/queries`. Throws badRequest, and requestTooLarge for too many. */
export function queriesOfBody(body: Record<string, unknown>): Record<string, unknown>[] {
  const queries = queriesMember(body)
  if (queries === undefined) {
    throw new DatabaseError('badRequest', 'POST body must include `queries` parameter.')
  }
  if (queries.length > MOST_QUERIES) throw new DatabaseError('requestTooLarge')
  return queries.map((query: unknown) => {
    if (typeof query === 'object' && query !== null && !Array.isArray(query)) {
      return query as Record<string, unknown>
    }
    throw new DatabaseError('badRequest', '`queries` must be JSON objects.')
  })
}

/** Undefined where there are none. Throws badRequest. */
export function queriesMember({ queries }: Record<string, unknown>): unknown[] | undefined {
  if (queries === undefined || Array.isArray(queries)) return queries
  throw new DatabaseError('badRequest', '`queries` member must be an array.')
}

/** `keys` as they were parsed from the body of the request, where they stand at `path`; odd ones as `OddKey`s. */
export async function exactKeysOfBody(
  exchange: Exchange,
  keys: unknown[] | undefined,
  ...path: (string | number)[]
): Promise<unknown[] | undefined> {
  if (keys === undefined || keys.every((key) => typeof key === 'string')) return keys
  const value = await exactMember(exchange, path)
  return exchange.inTurns(exactKeySteps(value as Lossless[]))
}

/** A key as it stands in the body at `path`. */
export async function exactKeyOfBody(
  exchange: Exchange,
  key: unknown,
  ...path: (string | number)[]
): Promise<unknown> {
  if (typeof key !== 'object' || key === null) return key
  return new OddKey(await exchange.inTurns(printedSteps(await exactMember(exchange, path))))
}

/** A query of a listing or view that stands in the body at `path`, its integers told from floats. */
export function withExactCounts(
  exchange: Exchange,
  query: Record<string, unknown>,
  ...path: (string | number)[]
): Promise<Record<string, unknown>> {
  return withExactNumbers(exchange, query, COUNT_NAMES, ...path)
}
