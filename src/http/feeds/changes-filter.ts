import { DatabaseError } from '../../base/errors.ts'
import type { Steps } from '../../base/time-slice.ts'
import type { ChangeRow, Database, DocumentView } from '../../database/api/database.ts'
import { MAX_ID_BYTES } from '../../database/layout/layout.ts'
import { objectMembers } from '../../json/members.ts'
import { isDeeper } from '../../json/print.ts'
import { parseUpperSteps } from '../../json/value-steps.ts'
import { SelectorBudget } from '../../selector/budget.ts'
import { SelectorError } from '../../selector/errors.ts'
import { compileFields, type Projection } from '../../selector/fields.ts'
import { compileSelector, levelsOf, type Selector } from '../../selector/selector.ts'
import { viewText } from '../documents/document-text.ts'
import { type ChangesParameters, parseDocumentIds } from '../request/changes-parameters.ts'
import { isDesignId } from '../request/document-id.ts'
import type { Exchange } from '../request/exchange.ts'

/** What of the changes is shown. */
export interface ChangesFilter {
  /** The documents, when they are so few that each is looked up. */
  ids?: readonly string[] | undefined
  /** The revisions of a change that are shown; none hide it. In steps where each is looked into. */
  shown(row: ChangeRow): readonly string[] | Steps<readonly string[]>
  /** A feed goes on after a wait: what was limited for a request is limited anew. */
  renew?(): void
  /** What is shown of a document. */
  project?: Projection
}

/** As in CouchDB: so many documents are looked up, for more the sequence is walked. */
const FEW_IDS = 100
/** Of a selector. */
const MOST_LEVELS = 500
const NONE: readonly string[] = []
const OPEN_BRACE = 0x7b

function byId(test: (id: string) => boolean): ChangesFilter {
  return { shown: (row) => (test(row.id) ? row.revs : NONE) }
}

/** Throws badRequest, missing, and notImplemented for what needs functions. */
export function changesFilter(
  exchange: Exchange,
  parameters: ChangesParameters,
  body: Record<string, unknown> | undefined,
): ChangesFilter | undefined {
  const { filter } = parameters
  if (filter === '') return undefined
  if (filter === '_doc_ids') {
    const ids = parseDocumentIds(exchange.query, body)
    const test = byId((id) => ids.has(id))
    if (ids.size > FEW_IDS) return test
    return { ...test, ids: [...ids].filter((id) => Buffer.byteLength(id) <= MAX_ID_BYTES) }
  }
  if (filter === '_design') return byId(isDesignId)
  if (filter === '_selector') return selectorFilter(exchange, body)
  if (filter === '_view') return refuseView(exchange)
  if (filter.startsWith('_')) throw new DatabaseError('badRequest', 'unknown builtin filter name')
  return refuseFunction(exchange, filter)
}

/** Each revision that a row lists is looked at, the winner or every leaf. Throws badRequest. */
function selectorFilter(exchange: Exchange, body: Record<string, unknown> | undefined): ChangesFilter {
  if (body === undefined) {
    throw new DatabaseError('badRequest', 'Selector must be specified in POST payload')
  }
  const { selector, fields } = body
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) {
    throw new DatabaseError('badRequest', 'Selector error: expected a JSON object')
  }
  if (fields !== undefined && !Array.isArray(fields)) {
    throw new DatabaseError('badRequest', 'Selector error: fields must be JSON array')
  }
  // Values are compared level by level: one that is too deep would break the feed off where it meets its like.
  if (isDeeper(selector, MOST_LEVELS)) {
    throw new DatabaseError('badRequest', 'Selector error: nested too deeply')
  }
  try {
    const budget = new SelectorBudget(exchange.service.limits.selectorBudgetMs)
    const matches = compileSelector(selector, budget)
    const levels = levelsOf(selector)
    const project = fields === undefined ? undefined : compileFields(fields, budget)
    return {
      project,
      shown: (row) => matching(exchange.database, row, matches, levels),
      renew: () => budget.renew(),
    }
  } catch (error) {
    if (error instanceof SelectorError) throw new DatabaseError('badRequest', error.message)
    throw error
  }
}

/** The listed revisions of which the document is meant. */
function* matching(
  database: Database,
  row: ChangeRow,
  matches: Selector,
  levels: number,
): Steps<readonly string[]> {
  const shown: string[] = []
  for (const view of listedViews(database, row)) {
    if (matches(yield* parseUpperSteps(viewText(view).toString(), levels))) shown.push(view.rev)
    yield
  }
  return shown
}

/** The documents of a row; without those of leaves that have gone since the page was opened. */
function listedViews(database: Database, row: ChangeRow): readonly DocumentView[] {
  const winner = row.document()
  if (row.revs.length === 1) return [winner]
  const found = database.openRevs(row.id, row.revs)
  return row.revs.flatMap((rev, at) => {
    const leaf = found[at]!
    return rev === winner.rev ? [winner] : 'ok' in leaf ? [leaf.ok] : []
  })
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
  let value = exchange.database.get(`_design/${design}`).body()
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
