import { DatabaseError } from '../../base/errors.ts'
import type { Database } from '../../database/api/database.ts'
import { filterError, requireFunction } from '../../design/script-failure.ts'
import {
  type ChangesFilter,
  DESIGN_FILTER,
  type DocumentJudge,
  idsFilter,
  judgedFilter,
  selectorFilter,
} from '../../documents/changes-filter.ts'
import { DESIGN_END, DESIGN_START } from '../../documents/design-views.ts'
import type { Design } from '../../scripting/design.ts'
import { type ChangesParameters, parseDocumentIds } from '../request/changes-parameters.ts'
import type { Exchange } from '../request/exchange.ts'
import { functionRequest } from '../request/function-request.ts'
import { goneSignal } from '../request/gone-signal.ts'

const FEW_DESIGNS = 100

/**
 * The filter that a request names; undefined for none. Throws badRequest, missing.
 */
export function requestedFilter(
  exchange: Exchange,
  parameters: ChangesParameters,
  body: Record<string, unknown> | undefined,
): ChangesFilter | undefined {
  const { filter } = parameters
  if (filter === '') return undefined
  if (filter === '_doc_ids') return idsFilter(parseDocumentIds(exchange.query, body))
  if (filter === '_design') return designFilter(exchange.database, parameters.feed === 'normal')
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
  if (filter === '_view') return viewFilter(exchange)
  if (filter.startsWith('_')) throw new DatabaseError('badRequest', 'unknown builtin filter name')
  return functionFilter(exchange, filter, body)
}

/** Where they are few and none are waited for, they are looked up, and the changes of all others counted as pending. */
function designFilter(database: Database, isNormal: boolean): ChangesFilter {
  if (!isNormal) return DESIGN_FILTER
  const range = { startKey: DESIGN_START, endKey: DESIGN_END, inclusiveEnd: false, limit: FEW_DESIGNS + 1 }
  const ids = [...database.allDocs(range).rows].map(({ id }) => id)
  return ids.length > FEW_DESIGNS ? DESIGN_FILTER : { ...DESIGN_FILTER, ids }
}

/** `design/view`: documents of which the view's map emits anything. */
function viewFilter(exchange: Exchange): ChangesFilter {
  const [name, view] = (exchange.query.get('view') ?? '').split('/')
  if (!name || !view) throw new DatabaseError('badRequest', '`view` filter parameter is not provided.')
  const { scripting } = exchange.backend.designs
  const design = requireMember(exchange, name, ['views', view, 'map'])
  const signal = goneSignal(exchange)
  return judged(exchange, (documents) => scripting.filterByView(design, view, documents, { signal }))
}

/** `design/filter`: documents that the function lets pass. */
function functionFilter(exchange: Exchange, filter: string, body: object | undefined): ChangesFilter {
  const parts = filter.split('/').filter((part) => part !== '')
  if (parts.length !== 2) {
    throw new DatabaseError('badRequest', '`filter` must be of the form `designname/filtername`')
  }
  const [name, own] = parts as [string, string]
  const { scripting } = exchange.backend.designs
  const design = requireMember(exchange, name, ['filters', own])
  const text = body && Buffer.from(JSON.stringify(body))
  const request = Buffer.from(JSON.stringify(functionRequest(exchange, { body: text })))
  const signal = goneSignal(exchange)
  return judged(exchange, (documents) => scripting.filter(design, own, documents, request, { signal }))
}

function judged(exchange: Exchange, judge: DocumentJudge): ChangesFilter {
  return judgedFilter(
    () => exchange.database,
    (documents) => judge(documents).catch((error: unknown) => Promise.reject(filterError(error))),
  )
}

/** Throws missing where the design document or the member is not there. */
function requireMember(exchange: Exchange, name: string, path: readonly string[]): Design {
  const design = exchange.backend.designs.named(exchange.database, name)
  requireFunction(design, path)
  return design
}
