import { DatabaseError } from '../base/errors.ts'
import { type ChangesParameters, parseDocumentIds } from './changes-parameters.ts'
import { isDesignId } from './document-id.ts'
import type { Exchange } from './exchange.ts'

/** Whether a change is shown, by its document's id. */
export type ChangesFilter = (id: string) => boolean

/** Throws badRequest, missing, and notImplemented for what needs functions or selectors. */
export function changesFilter(
  exchange: Exchange,
  parameters: ChangesParameters,
  body: Record<string, unknown> | undefined,
): ChangesFilter | undefined {
  const { filter } = parameters
  if (filter === '') return undefined
  if (filter === '_doc_ids') {
    const ids = parseDocumentIds(exchange.query, body)
    return (id) => ids.has(id)
  }
  if (filter === '_design') return isDesignId
  if (filter === '_selector') return refuseSelector(body)
  if (filter === '_view') return refuseView(exchange)
  if (filter.startsWith('_')) throw new DatabaseError('badRequest', 'unknown builtin filter name')
  return refuseFunction(exchange, filter)
}

function refuseSelector(body: Record<string, unknown> | undefined): never {
  if (body === undefined) {
    throw new DatabaseError('badRequest', 'Selector must be specified in POST payload')
  }
  const { selector } = body
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) {
    throw new DatabaseError('badRequest', 'Selector error: expected a JSON object')
  }
  throw new DatabaseError('notImplemented', 'the _selector filter is not implemented')
}

function refuseView(exchange: Exchange): never {
  const [design, view] = (exchange.query.get('view') ?? '').split('/')
  if (!design || !view) throw new DatabaseError('badRequest', '`view` filter parameter is not provided.')
  requireMember(exchange, design, ['views', view])
  throw new DatabaseError('notImplemented', 'the _view filter is not implemented')
}

function refuseFunction(exchange: Exchange, filter: string): never {
  const parts = filter.split('/').filter((part) => part !== '')
  if (parts.length !== 2) {
    throw new DatabaseError('badRequest', '`filter` must be of the form `designname/filtername`')
  }
  requireMember(exchange, parts[0]!, ['filters', parts[1]!])
  throw new DatabaseError('notImplemented', 'filter functions are not implemented')
}

/** Throws missing where the design document or the member is not there. */
function requireMember(exchange: Exchange, design: string, path: string[]): void {
  let value: unknown = JSON.parse(exchange.database.get(`_design/${design}`).body().toString('utf8'))
  for (const name of path) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject || !Object.hasOwn(value as object, name)) {
      throw new DatabaseError('missing', `missing json key: ${name}`)
    }
    value = (value as Record<string, unknown>)[name]
  }
}
