import { DatabaseError } from '../../base/errors.ts'
import type { Database } from '../../database/api/database.ts'
import {
  type ChangesFilter,
  DESIGN_FILTER,
  idsFilter,
  selectorFilter,
} from '../../documents/changes-filter.ts'
import { objectMembers } from '../../json/members.ts'
import { type ChangesParameters, parseDocumentIds } from '../request/changes-parameters.ts'
import type { Exchange } from '../request/exchange.ts'

const OPEN_BRACE = 0x7b

/**
 * The filter that a request names; undefined for none. Throws badRequest, missing, and notImplemented for what needs
 * functions.
 */
export function requestedFilter(
  exchange: Exchange,
  parameters: ChangesParameters,
  body: Record<string, unknown> | undefined,
): ChangesFilter | undefined {
  const { filter } = parameters
  if (filter === '') return undefined
  if (filter === '_doc_ids') return idsFilter(parseDocumentIds(exchange.query, body))
  if (filter === '_design') return DESIGN_FILTER
  if (filter === '_selector') {
    if (body === undefined) {
      throw new DatabaseError('badRequest', 'Selector must be specified in POST payload')
    }
    const { selector, fields } = body
    const { metrics } = exchange.backend
    return selectorFilter(
      () => exchange.database,
      selector,
      fields,
      exchange.limits.selectorBudgetMs,
      () => metrics.count('mango.evaluate_selector'),
    )
  }
  if (filter === '_view') return refuseView(exchange.database, exchange.query.get('view') ?? '')
  if (filter.startsWith('_')) throw new DatabaseError('badRequest', 'unknown builtin filter name')
  return refuseFunction(exchange.database, filter)
}

function refuseView(database: Database, given: string): never {
  const [design, view] = given.split('/')
  if (!design || !view) throw new DatabaseError('badRequest', '`view` filter parameter is not provided.')
  requireMember(database, design, ['views', view])
  throw new DatabaseError('notImplemented', 'the _view filter is not implemented')
}

function refuseFunction(database: Database, filter: string): never {
  const parts = filter.split('/').filter((part) => part !== '')
  if (parts.length !== 2) {
    throw new DatabaseError('badRequest', '`filter` must be of the form `designname/filtername`')
  }
  requireMember(database, parts[0]!, ['filters', parts[1]!])
  throw new DatabaseError('notImplemented', 'filter functions are not implemented')
}

/** Throws missing where the design document or the member is not there. */
function requireMember(database: Database, design: string, path: string[]): void {
  let value = database.get(`_design/${design}`).body()
  for (const name of path) {
    const found = value[0] === OPEN_BRACE ? memberOf(value, name) : undefined
    if (found === undefined) throw new DatabaseError('missing', `missing json key: ${name}`)
    value = found
  }
}

/** The text of a member of a canonical object. */
function memberOf(object: Buffer, wanted: string): Buffer | undefined {
  for (const [name, value] of objectMembers(object)) if (name === wanted) return value
  return undefined
}
