/** What a view is asked for, as pages of rows: for answers, and for lists. */
import { DatabaseError, referred } from '../../../base/errors.ts'
import { isTurnOver, runAtOnce, type Steps } from '../../../base/time-slice.ts'
import type { SettingsRegistry } from '../../../config/registry.ts'
import type { Database } from '../../../database/api/database.ts'
import { functionError } from '../../../design/script-failure.ts'
import { PAUSE } from '../../../documents/piece.ts'
import type { Freshness, IndexDefinition, IndexSnapshot, RowReader } from '../../../indexes/api.ts'
import { keyOrderOf } from '../../../indexes/keys/key-order.ts'
import { builtinOf } from '../../../indexes/reduce/builtin.ts'
import { BuiltinReduction } from '../../../indexes/reduce/builtin-reduction.ts'
import type { ReduceLimit } from '../../../scripting/prelude/views.ts'
import type { View } from '../../../views/design-views.ts'
import type { GroupOptions, KeyedRange } from '../../../views/groups.ts'
import { type Shape, shapeOf } from '../../../views/query.ts'
import { QueryRanges } from '../../../views/ranges.ts'
import { builtinRows, reducedRows } from '../../../views/reduced-rows.ts'
import { RowTextFiller, rowPieces } from '../../../views/row-text.ts'
import { askedGroups, askedRows, type RowsHead, rowsHead } from '../../../views/rows.ts'
import { scriptReduction } from '../../../views/script-reduction.ts'
import type { LatePage, Page, RowStep } from '../../answer/view-listing.ts'
import type { Exchange } from '../../request/exchange.ts'
import { goneSignal } from '../../request/gone-signal.ts'
import type { RequestedView } from '../../request/view-query.ts'
import { targetBeforeSwitch, type ViewTarget } from './view-target.ts'

export interface ViewPages {
  readonly pages: readonly (Page | LatePage)[]
  /** Whether rows of a page come late. */
  readonly isLate: boolean
  /** Gives back what the pages read from, once. */
  release(): void
}

/** One query, checked. */
interface Asked {
  readonly query: RequestedView & { limit: number }
  readonly shape: Shape
  readonly ranges: QueryRanges
}

const FRESHNESS: readonly Freshness[] = ['current', 'lazy', 'stale']

/**
 * One page for each query, all of one moment of the index; at once where nothing has to be waited for. Throws query_parse_error;
 * rejects with what a map throws that ends the index, and with clientGone.
 */
export function viewPages(
  exchange: Exchange,
  target: ViewTarget,
  queries: readonly RequestedView[],
): ViewPages | Promise<ViewPages> {
  const { isPartitioned } = target.definition
  const most = exchange.backend.settings.get(isPartitioned ? 'partitionQueryLimit' : 'queryLimit')
  const steps = askedSteps(target, queries, most)
  if (queries.length === 1) return pagesOf(exchange, target, runAtOnce(steps), queries)
  return exchange.inTurns(steps).then((asked) => pagesOf(exchange, target, asked, queries))
}

/** All queries are read, and then looked at more closely. `most` rows may be asked for. */
function* askedSteps(target: ViewTarget, queries: readonly RequestedView[], most: number): Steps<Asked[]> {
  const { isPartitioned } = target.definition
  const asked: Asked[] = []
  for (const query of queries) {
    const shape = shapeOf(target.view, query, isPartitioned, most)
    const ranges = new QueryRanges(target.view, query)
    asked.push({ query: { ...query, limit: query.limit ?? most }, shape, ranges })
    yield
  }
  requireLanguage(target)
  for (const { ranges } of asked) {
    ranges.check()
    yield
  }
  return asked
}

function pagesOf(
  exchange: Exchange,
  target: ViewTarget,
  asked: readonly Asked[],
  queries: readonly RequestedView[],
): ViewPages | Promise<ViewPages> {
  const freshness = freshest(queries)
  if (queries.some(({ buildBeforeSwitch }) => buildBeforeSwitch)) {
    return targetBeforeSwitch(exchange, target).then((used) => pagesLater(exchange, used, asked, freshness))
  }
  const snapshot = openNow(exchange, target, freshness)
  return snapshot === undefined || asked.some(({ query }) => query.keys)
    ? pagesLater(exchange, target, asked, freshness, snapshot)
    : pagesNow(exchange, target, asked, snapshot)
}

/** The snapshot is the pages' from now on. */
function pagesNow(
  exchange: Exchange,
  target: ViewTarget,
  asked: readonly Asked[],
  snapshot: IndexSnapshot,
): ViewPages {
  try {
    const pages = asked.map((each) => {
      const tree = snapshot.trees[target.view.tree]!
      const head = headSteps(tree, each)
      return openPage(exchange, target, snapshot, each, head && runAtOnce(head))
    })
    return viewPagesOf(pages, asked, snapshot)
  } catch (error) {
    snapshot.close()
    throw error
  }
}

async function pagesLater(
  exchange: Exchange,
  target: ViewTarget,
  asked: readonly Asked[],
  freshness: Freshness,
  opened?: IndexSnapshot,
): Promise<ViewPages> {
  const snapshot = opened ?? (await openLater(exchange, target, freshness))
  try {
    const pages: (Page | LatePage)[] = []
    for (const each of asked) {
      const head = headSteps(snapshot.trees[target.view.tree]!, each)
      pages.push(openPage(exchange, target, snapshot, each, head && (await exchange.inTurns(head))))
    }
    return viewPagesOf(pages, asked, snapshot)
  } catch (error) {
    snapshot.close()
    throw error
  }
}

function viewPagesOf(
  pages: readonly (Page | LatePage)[],
  asked: readonly Asked[],
  snapshot: IndexSnapshot,
): ViewPages {
  let release: (() => void) | undefined = () => snapshot.close()
  return {
    pages,
    isLate: asked.some(({ shape }) => shape.kind === 'groups' && builtinOf(shape.reduce) === undefined),
    release() {
      release?.()
      release = undefined
    },
  }
}

/** Throws unknown_query_language. */
function requireLanguage({ design, definition }: ViewTarget): void {
  if (definition.kind === 'fields') return
  try {
    design.requireLanguage()
  } catch (error) {
    throw referred(functionError(error))
  }
}

function freshest(queries: readonly RequestedView[]): Freshness {
  return FRESHNESS.find((each) => queries.some(({ freshness }) => freshness === each)) ?? 'stale'
}

function openNow(
  exchange: Exchange,
  { definition }: ViewTarget,
  freshness: Freshness,
): IndexSnapshot | undefined {
  return exchange.backend.indexes.openNow(exchange.lease.database, definition, freshness)
}

async function openLater(
  exchange: Exchange,
  { definition }: ViewTarget,
  freshness: Freshness,
): Promise<IndexSnapshot> {
  const signal = goneSignal(exchange)
  try {
    const { indexes } = exchange.backend
    return await indexes.open(exchange.lease.database, definition, { freshness, signal })
  } catch (error) {
    if (signal.aborted) throw new DatabaseError('clientGone')
    throw error instanceof DatabaseError ? error : referred(functionError(error))
  }
}

/** Undefined for groups. Without keys it is one step. */
function headSteps(tree: RowReader, { query, shape, ranges }: Asked): Steps<RowsHead> | undefined {
  return shape.kind === 'rows' ? rowsHead(tree, query, ranges) : undefined
}

/** `head`: of rows. */
function openPage(
  exchange: Exchange,
  target: ViewTarget,
  snapshot: IndexSnapshot,
  { query, shape, ranges }: Asked,
  head: RowsHead | undefined,
): Page | LatePage {
  const tree = snapshot.trees[target.view.tree]!
  const updateSeq = query.updateSeq ? seqText(exchange.database, snapshot.updateSeq) : undefined
  if (shape.kind === 'groups') {
    const { compare } = keyOrderOf(target.view)
    const { descending: reverse, skip, limit } = query
    const options = { level: shape.level, reverse, skip, limit, compare }
    const groups: Groups = { tree, ranges: askedGroups(query, ranges), options, reduce: shape.reduce }
    const signal = goneSignal(exchange)
    const isLate = builtinOf(shape.reduce) === undefined
    return isLate
      ? { updateSeq, rows: lateGroupRows(exchange, target, groups, signal) }
      : { updateSeq, rows: groupRows(exchange, target, groups, signal) }
  }
  const rows = plainRows(exchange, tree, query, ranges)
  const filler = query.includeDocs ? undefined : new RowTextFiller(askedRows(tree, query, ranges))
  return { ...head, updateSeq, rows, filler }
}

/** The opaque sequence of a change. */
function seqText(database: Database, since: number): string {
  const page = database.changes({ since, limit: 0 })
  page.rows.return?.()
  return page.lastSeq()
}

function* plainRows(
  exchange: Exchange,
  tree: RowReader,
  query: RequestedView,
  ranges: QueryRanges,
): Generator<RowStep, void, void> {
  const { includeDocs, conflicts = false, attachments } = query
  const { database } = exchange
  const documents = includeDocs ? { database, conflicts, attachments } : undefined
  for (const cursor of askedRows(tree, query, ranges)) {
    if (cursor !== undefined) yield rowPieces(cursor, documents)
    else if (isTurnOver()) yield PAUSE
  }
}

interface Groups {
  readonly tree: RowReader
  readonly ranges: Iterable<KeyedRange>
  readonly options: GroupOptions
  readonly reduce: string
}

/** Of a built-in reduce. */
function* groupRows(
  { backend: { settings } }: Exchange,
  { definition, view }: ViewTarget,
  { tree, ranges, options, reduce }: Groups,
  signal: AbortSignal,
): Generator<RowStep, void, void> {
  const builtin = new BuiltinReduction(tree, reducesOf(definition, view), reduce, reduceLimit(settings))
  for (const row of builtinRows(tree, ranges, options, builtin)) {
    if (row !== undefined) yield ['', row]
    else if (isTurnOver()) {
      yield PAUSE
      signal.throwIfAborted()
    }
  }
}

/** Of a function. */
async function* lateGroupRows(
  { backend: { settings, designs } }: Exchange,
  { design, definition, view, name }: ViewTarget,
  { tree, ranges, options }: Groups,
  signal: AbortSignal,
): AsyncGenerator<RowStep, void, void> {
  const reduction = scriptReduction({
    tree,
    reduces: reducesOf(definition, view),
    scripting: designs.scripting,
    design,
    view: name,
    limit: reduceLimit(settings),
  })
  try {
    for await (const rows of reducedRows(tree, ranges, options, reduction, signal)) {
      for (const row of rows) yield ['', row]
    }
  } catch (error) {
    throw functionError(error)
  }
}

function reducesOf(definition: IndexDefinition, { tree }: View): readonly string[] {
  return definition.kind === 'fields' ? [] : definition.trees[tree]!.reduces
}

function reduceLimit(settings: SettingsRegistry): ReduceLimit {
  return {
    mode: settings.get('reduceLimit'),
    threshold: settings.get('reduceLimitThreshold'),
    ratio: settings.get('reduceLimitRatio'),
  }
}
