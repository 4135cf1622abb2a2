/** What a view is asked for, as pages of rows: for answers, and for lists. */
import { DatabaseError, referred } from '../../../base/errors.ts'
import { isTurnOver } from '../../../base/time-slice.ts'
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
import { rowPieces } from '../../../views/row-text.ts'
import { askedGroups, askedRows, rowsHead } from '../../../views/rows.ts'
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
 * One page for each query, all of one moment of the index. Throws query_parse_error; rejects with what a map throws that
 * ends the index, and with clientGone.
 */
export async function viewPages(
  exchange: Exchange,
  target: ViewTarget,
  queries: readonly RequestedView[],
): Promise<ViewPages> {
  const { definition } = target
  const most = exchange.backend.settings.get(definition.isPartitioned ? 'partitionQueryLimit' : 'queryLimit')
  const asked = queries.map((query): Asked => {
    const shape = shapeOf(target.view, query, definition.isPartitioned, most)
    return {
      query: { ...query, limit: query.limit ?? most },
      shape,
      ranges: new QueryRanges(target.view, query),
    }
  })
  requireLanguage(target)
  for (const { ranges } of asked) ranges.check()
  const isOfOld = queries.some(({ buildBeforeSwitch }) => buildBeforeSwitch)
  const used = isOfOld ? await targetBeforeSwitch(exchange, target) : target
  const snapshot = await openIndex(exchange, used, freshest(queries))
  try {
    const pages: (Page | LatePage)[] = []
    for (const each of asked) pages.push(await openPage(exchange, used, snapshot, each))
    let release: (() => void) | undefined = () => snapshot.close()
    return {
      pages,
      isLate: asked.some(({ shape }) => shape.kind === 'groups' && builtinOf(shape.reduce) === undefined),
      release() {
        release?.()
        release = undefined
      },
    }
  } catch (error) {
    snapshot.close()
    throw error
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

function openIndex(
  exchange: Exchange,
  { definition }: ViewTarget,
  freshness: Freshness,
): IndexSnapshot | Promise<IndexSnapshot> {
  const now = exchange.backend.indexes.openNow(exchange.lease.database, definition, freshness)
  return now ?? openLater(exchange, definition, freshness)
}

async function openLater(
  exchange: Exchange,
  definition: IndexDefinition,
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

async function openPage(
  exchange: Exchange,
  target: ViewTarget,
  snapshot: IndexSnapshot,
  { query, shape, ranges }: Asked,
): Promise<Page | LatePage> {
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
  const head = await exchange.inTurns(rowsHead(tree, query, ranges))
  return { ...head, updateSeq, rows: plainRows(exchange, tree, query, ranges) }
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
