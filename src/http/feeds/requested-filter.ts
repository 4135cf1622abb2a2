import { DatabaseError } from '../../base/errors.ts'
import { filterError, requireFunction } from '../../design/script-failure.ts'
import {
  type ChangesFilter,
  DESIGN_FILTER,
  type DocumentJudge,
  idsFilter,
  judgedFilter,
  selectorFilter,
} from '../../documents/changes-filter.ts'
import type { Design } from '../../scripting/design.ts'
import { type ChangesParameters, parseDocumentIds } from '../request/changes-parameters.ts'
import type { Exchange } from '../request/exchange.ts'
import { functionRequest } from '../request/function-request.ts'
import { goneSignal } from '../request/gone-signal.ts'
import { decodeComponent } from '../request/path.ts'

/**
 * The filter that a request names; undefined for none. What functions are shown of a body is its value, or an empty text
 * where it `isEmpty`. Throws badRequest, missing.
 */
export function requestedFilter(
  exchange: Exchange,
  parameters: ChangesParameters,
  body: Record<string, unknown> | undefined,
  isEmpty = false,
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
  if (filter === '_view') return viewFilter(exchange)
  if (filter.startsWith('_')) throw new DatabaseError('badRequest', 'unknown builtin filter name')
  const parts = partsOf(filter)
  return parts.length === 0 ? undefined : functionFilter(exchange, parts, isEmpty ? '' : body)
}

/** `design/view`: documents of which the view's map emits anything. */
function viewFilter(exchange: Exchange): ChangesFilter {
  const text = exchange.query.get('view') ?? ''
  if (text === '') throw new DatabaseError('badRequest', '`view` filter parameter is not provided.')
  const parts = partsOf(text)
  if (parts.length !== 2) {
    throw new DatabaseError('badRequest', '`view` must be of the form `designname/viewname`')
  }
  const [name, view] = parts as [string, string]
  const { scripting } = exchange.backend.designs
  const design = requireMember(exchange, name, ['views', view, 'map'])
  const signal = goneSignal(exchange)
  return judged(exchange, (documents) => scripting.filterByView(design, view, documents, { signal }))
}

/** `design/filter`: documents that the function lets pass. */
function functionFilter(
  exchange: Exchange,
  parts: readonly string[],
  body: object | '' | undefined,
): ChangesFilter {
  if (parts.length !== 2) {
    throw new DatabaseError('badRequest', '`filter` must be of the form `designname/filtername`')
  }
  const [name, own] = parts as readonly [string, string]
  const { scripting } = exchange.backend.designs
  const design = requireMember(exchange, name, ['filters', own])
  const shown = functionRequest(exchange)
  const request = Buffer.from(JSON.stringify(body === undefined ? shown : { ...shown, body }))
  const signal = goneSignal(exchange)
  return judged(exchange, (documents) => scripting.filter(design, own, documents, request, { signal }))
}

/** Names between slashes, of which more make no difference. Each is decoded once more, so that it may have a slash in it. */
function partsOf(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '')
  return parts.map((part) => decodeComponent(part))
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
