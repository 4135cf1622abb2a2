/**
 * A query carried out: rows of an index, or documents in the order of their ids, each held against the selector. What holds:
 * - Whatever an index says, a document is shown only as it is and if the selector means it as it is.
 * - Rows are pulled as the client takes them, and others get their turn between them.
 */
import type { Clock } from '../base/clock.ts'
import type { Metrics } from '../base/metrics.ts'
import { ShortWork } from '../base/time-slice.ts'
import type { DocumentView } from '../database/api/database.ts'
import { viewPieces, viewText } from '../documents/document-text.ts'
import type { Gathered } from '../documents/gathered.ts'
import { addPiece, isStoredView, STEP_BYTES, STEP_ROWS, writeWhole } from '../documents/listed-rows.ts'
import { PAUSE, type Piece, type RowFiller } from '../documents/piece.ts'
import { FixedText } from '../documents/row-bytes.ts'
import type { IndexSnapshot, RowRange } from '../indexes/api.ts'
import { stringText } from '../json/writer.ts'
import { SelectorBudget } from '../selector/budget.ts'
import type { Condition } from '../selector/condition.ts'
import { compileFields } from '../selector/fields.ts'
import { compileSelector } from '../selector/selector.ts'
import { Aggregation } from './aggregate.ts'
import { type Bookmark, NO_BOOKMARK, readBookmark } from './bookmark.ts'
import { openBranches } from './branch-rows.ts'
import { CoveredProjection } from './covered-document.ts'
import { isCovered, isDescending } from './explain.ts'
import { EMPTY_RANGE, type FieldRange, fieldRanges, isAllRanges } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { exactRowRange } from './key-range.ts'
import { ALL_DOCS } from './mango-index.ts'
import { isEmptyPlan, isNamed, type Plan, shownUseIndex } from './planner.ts'
import { selecting } from './query-members.ts'
import { openIndex, openRows, type Rows, type RowsContext } from './rows.ts'

/** What a query is carried out with. */
export interface FindContext extends RowsContext {
  readonly metrics: Metrics
  readonly clock: Pick<Clock, 'monotonic'>
  readonly selectorBudgetMs: number
  /** Documents that are examined for each result before a warning; 0: there is none. */
  readonly scanWarningThreshold: number
}

const NO_INDEX_WARNING = 'No matching index found, create an index to optimize query time.'
const SCAN_WARNING =
  'The number of documents examined is high in proportion to the number of results returned. ' +
  'Consider adding a more specific index to improve this.'

/** What was examined. */
export interface FindFigures {
  keys: number
  documents: number
  /** Of these, those that CouchDB would have read of several copies. */
  quorumDocuments: number
  results: number
}

/** The documents that a query means, in its order; skipped ones are not among them. */
export class Matches {
  readonly figures: FindFigures = { keys: 0, documents: 0, quorumDocuments: 0, results: 0 }
  readonly #rows: Rows
  readonly #selector: Condition
  readonly #budget: SelectorBudget
  #matches: ((view: DocumentView) => boolean) | undefined
  readonly #isOfQuorum: boolean
  readonly #work = new ShortWork()
  #toSkip: number
  #left: number
  /** Number of the row of the last one, and its document. */
  #lastRow = 0
  #lastId = ''

  /** Throws what is wrong with the selector. */
  constructor(rows: Rows, { selector, r, skip }: FindOptions, limit: number, budget: SelectorBudget) {
    this.#rows = rows
    this.#selector = selector
    this.#budget = budget
    // Where rows prove themselves it is hardly ever asked, and says nothing but what the index was made of.
    if (!rows.isExact) this.#matches = this.#compiled()
    this.#isOfQuorum = r > 1
    this.#toSkip = skip
    this.#left = limit
  }

  #compiled(): (view: DocumentView) => boolean {
    return selecting(() => compileSelector<DocumentView>(this.#selector, viewText, this.#budget))
  }

  /** Undefined at the end; PAUSE where others are due. */
  next(): DocumentView | typeof PAUSE | undefined {
    while (this.#left > 0 && this.#rows.next()) {
      this.figures.keys += 1
      const view = this.#rows.view()
      if (view !== undefined && this.#isMeant(view)) {
        this.#lastRow = this.figures.keys
        // Most documents are shown without a string of their ids.
        if (this.#rows.keepsIds) this.#lastId = view.id
        if (this.#toSkip === 0) {
          this.#left -= 1
          this.figures.results += 1
          return view
        }
        this.#toSkip -= 1
      }
      if (this.#work.isTurnOver()) return PAUSE
    }
    return undefined
  }

  /** The bookmark behind the last one, skipped or not; undefined for none. */
  bookmark(): string | undefined {
    if (this.#lastRow === 0) return undefined
    return this.#rows.bookmarkBehind(this.#lastRow, this.#lastId)
  }

  #isMeant(view: DocumentView): boolean {
    if (!this.#rows.isCovering) {
      this.figures.documents += 1
      if (this.#isOfQuorum) this.figures.quorumDocuments += 1
    }
    if (this.#rows.isProven(view)) return true
    this.#matches ??= this.#compiled()
    return this.#matches(view)
  }
}

/** Documents that are shown write themselves. */
export type FindPiece = Piece | RowFiller

/** The answer to a query, which holds a snapshot until it is read to its end or returned. */
export class FindAnswer implements Iterator<FindPiece> {
  readonly #rows: Rows
  readonly #pieces: Iterator<FindPiece>

  constructor(rows: Rows, pieces: Iterator<FindPiece>) {
    this.#rows = rows
    this.#pieces = pieces
  }

  next(): IteratorResult<FindPiece> {
    try {
      const step = this.#pieces.next()
      if (step.done === true) this.#rows.close()
      return step
    } catch (error) {
      this.#rows.close()
      throw error
    }
  }

  return(): IteratorResult<FindPiece> {
    this.#rows.close()
    return { done: true, value: undefined }
  }
}

/**
 * At once where nothing has to be waited for. `plan` has an index. Rejects as `Indexes.open` does; throws, or rejects with,
 * invalidBookmark and what is wrong with the selector.
 */
export function find(
  context: FindContext,
  options: FindOptions,
  plan: Plan,
  branches: readonly Plan[] | undefined,
): Iterator<FindPiece> | Promise<Iterator<FindPiece>> {
  const bookmark = options.bookmark === undefined ? undefined : readBookmark(options.bookmark)
  const isCounted = options.count || options.aggregate !== undefined
  if (isEmptyPlan(plan) && !isCounted) return ['{"docs":[\r\n]}\n'][Symbol.iterator]()
  const carried: Carried = { context, options, plan, hasBranches: false, startMs: context.clock.monotonic() }
  const counted = options.count ? countedRange(options, plan) : undefined
  if (counted !== undefined) return countedAnswer(carried, counted)
  const budget = new SelectorBudget(context.selectorBudgetMs)
  const isCovering = plan.index !== undefined && isCovered(plan.index, options)
  const shown = options.fields.length === 0 ? undefined : projectionOf(carried, isCovering, budget)
  const way =
    branches && !isEmptyPlan(plan)
      ? openUnited(carried, branches, bookmark, isCovering)
      : openWay(carried, bookmark, isCovering)
  if (way instanceof Promise) return way.then((rows) => answerOf(carried, rows, budget, shown))
  return answerOf(carried, way, budget, shown)
}

function countedAnswer(
  carried: Carried,
  range: RowRange,
): Iterator<FindPiece> | Promise<Iterator<FindPiece>> {
  const { context, options, plan } = carried
  const count = (snapshot: IndexSnapshot) => countPieces(carried, countIn(snapshot, range))
  const opened = openIndex(context, plan.index!.definition!, options)
  return opened instanceof Promise ? opened.then(count) : count(opened)
}

/** The rows belong to the answer, also where this throws. */
function answerOf(
  carried: Carried,
  rows: Rows,
  budget: SelectorBudget,
  shown: Project | undefined,
): FindAnswer {
  const { context, options } = carried
  try {
    if (isUnindexed(carried)) context.metrics.count('mango.unindexed_queries')
    const isCounted = options.count || options.aggregate !== undefined
    const limit = isCounted ? Number.POSITIVE_INFINITY : options.limit
    const matches = new Matches(rows, options, limit, budget)
    return new FindAnswer(rows, piecesOf(carried, matches, budget, shown))
  } catch (error) {
    rows.close()
    throw error
  }
}

type Project = (view: DocumentView) => Buffer

/** Undefined: documents are shown as they are. */
function projectionOf(
  { options, plan }: Carried,
  isCovering: boolean,
  budget: SelectorBudget,
): Project | undefined {
  const { fields, conflicts } = options
  const whole = (view: DocumentView): Buffer => viewText(view, { conflicts })
  const project = selecting(() => compileFields<DocumentView>(fields, whole, budget))
  if (project === undefined || !isCovering) return project
  return covering(project, new CoveredProjection(fields, plan.index!.columns))
}

/** As `project`, by what is in keys alone where a document is put together of one. */
function covering(project: Project, covered: CoveredProjection): Project {
  return (view) => covered.of(view) ?? project(view)
}

/** By an index for each alternative, where that is worth while. */
async function openUnited(
  carried: Carried,
  branches: readonly Plan[],
  bookmark: Bookmark | undefined,
  isCovering: boolean,
): Promise<Rows> {
  const { context, options } = carried
  const united = await openBranches(context, options, branches, bookmark)
  carried.hasBranches = united !== undefined
  return united ?? openWay(carried, bookmark, isCovering)
}

/** A query that is carried out. */
interface Carried {
  readonly context: FindContext
  readonly options: FindOptions
  readonly plan: Plan
  /** Whether each alternative of the selector had an index of its own. */
  hasBranches: boolean
  readonly startMs: number
}

function isUnindexed({ plan, hasBranches }: Carried): boolean {
  return plan.index === ALL_DOCS && !hasBranches
}

function openWay(
  { context, options, plan }: Carried,
  bookmark: Bookmark | undefined,
  isCovering: boolean,
): Promise<Rows> | Rows {
  if (isEmptyPlan(plan)) return NO_ROWS
  const { conflicts, count, aggregate } = options
  return openRows(context, options, plan, bookmark, {
    isReverse: isDescending(options),
    isCovering: isCovering && !conflicts && !count && aggregate === undefined,
  })
}

const NO_ROWS: Rows = {
  isCovering: false,
  isExact: false,
  next: () => false,
  keepsIds: false,
  bookmarkBehind: () => NO_BOOKMARK,
  view: () => undefined,
  isProven: () => false,
  close: () => {},
}

/** The rows of the documents that are counted; undefined where documents have to be looked at. */
function countedRange({ selector, partition }: FindOptions, { index, ranges }: Plan): RowRange | undefined {
  if (index?.definition === undefined || !isAllRanges(selector, index.columns)) return undefined
  const within = ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  if (within.length < ranges.length || fieldRanges(selector).size !== ranges.length) return undefined
  return exactRowRange(within, partition)
}

function countIn(snapshot: IndexSnapshot, range: RowRange): number {
  try {
    return snapshot.trees[0]!.reduce(range).count
  } finally {
    snapshot.close()
  }
}

function piecesOf(
  carried: Carried,
  matches: Matches,
  budget: SelectorBudget,
  project: Project | undefined,
): Iterator<FindPiece> {
  const { count, aggregate } = carried.options
  if (count) return countedPieces(carried, matches)
  if (aggregate !== undefined) {
    return aggregatedPieces(carried, matches, new Aggregation(aggregate, budget))
  }
  return new DocumentPieces(carried, matches, project)
}

function* countPieces(carried: Carried, results: number): Generator<Piece, void, undefined> {
  const figures = { keys: 0, documents: 0, quorumDocuments: 0, results }
  yield `{"count":${results}${endText(carried, figures)}`
}

function* countedPieces(carried: Carried, matches: Matches): Generator<Piece, void, undefined> {
  for (let found = matches.next(); found !== undefined; found = matches.next()) {
    if (found === PAUSE) yield PAUSE
  }
  yield `{"count":${matches.figures.results}${endText(carried, matches.figures)}`
}

function* aggregatedPieces(
  carried: Carried,
  matches: Matches,
  aggregation: Aggregation,
): Generator<Piece, void, undefined> {
  for (let found = matches.next(); found !== undefined; found = matches.next()) {
    if (found === PAUSE) yield PAUSE
    else aggregation.add(found)
  }
  yield '{"groups":['
  yield* aggregation.pieces()
  yield `\r\n]${endText(carried, matches.figures)}`
}

/** The documents, and what stands around them. A class, since most answers are these three pieces. */
class DocumentPieces implements Iterator<FindPiece> {
  readonly #carried: Carried
  readonly #matches: Matches
  readonly #project: Project | undefined
  /** Pieces that were given. */
  #given = 0

  constructor(carried: Carried, matches: Matches, project: Project | undefined) {
    this.#carried = carried
    this.#matches = matches
    this.#project = project
  }

  next(): IteratorResult<FindPiece> {
    const { options } = this.#carried
    const matches = this.#matches
    this.#given += 1
    if (this.#given === 1) return { done: false, value: '{"docs":[' }
    if (this.#given === 2) {
      return { done: false, value: new MatchFiller(matches, options.conflicts, this.#project) }
    }
    if (this.#given > 3) return { done: true, value: undefined }
    const bookmark = matches.bookmark() ?? options.bookmark ?? NO_BOOKMARK
    const end = endText(this.#carried, matches.figures)
    return { done: false, value: `\r\n],\r\n"bookmark": ${stringText(bookmark)}${end}` }
  }
}

const FIRST = new FixedText('\r\n')
const SEPARATOR = new FixedText(',\r\n')

/** The documents, or what is asked for of them, and what stands between them. */
class MatchFiller implements RowFiller {
  readonly #matches: Matches
  readonly #conflicts: boolean
  readonly #project: Project | undefined
  #separator = FIRST

  constructor(matches: Matches, conflicts: boolean, project: Project | undefined) {
    this.#matches = matches
    this.#conflicts = conflicts
    this.#project = project
  }

  fill(out: Gathered): boolean {
    const most = Math.min(out.most, out.size + STEP_BYTES)
    for (let i = 0; i < STEP_ROWS && out.size < most; i++) {
      const found = this.#matches.next()
      if (found === undefined) return false
      if (found === PAUSE) return true
      this.#write(found, out)
      this.#separator = SEPARATOR
    }
    return true
  }

  #write(view: DocumentView, out: Gathered): void {
    const separator = this.#separator
    const project = this.#project
    const conflicts = this.#conflicts
    if (project !== undefined) {
      out.add(separator.text)
      out.add(project(view))
      return
    }
    if (!conflicts && isStoredView(view) && writeWhole(view, out, separator)) return
    out.add(separator.text)
    for (const piece of viewPieces(view, { conflicts })) addPiece(piece, out)
  }
}

/** Figures and warnings, which are behind all else. */
function endText(carried: Carried, figures: FindFigures): string {
  const { context, options, startMs } = carried
  const { metrics } = context
  metrics.count('mango.keys_examined', figures.keys)
  metrics.count('mango.docs_examined', figures.documents)
  metrics.count('mango.results_returned', figures.results)
  const stats = options.executionStats
    ? `,\r\n"execution_stats": ${statsText(figures, context.clock.monotonic() - startMs)}`
    : ''
  const warnings = warningsOf(carried, figures)
  const warning = warnings.length > 0 ? `,\r\n"warning": ${stringText(warnings.join('\n'))}` : ''
  return `${stats}${warning}}\n`
}

function statsText({ keys, documents, quorumDocuments, results }: FindFigures, tookMs: number): string {
  const others = documents - quorumDocuments
  return `{"total_keys_examined":${keys},"total_docs_examined":${others},"total_quorum_docs_examined":${quorumDocuments},"results_returned":${results},"execution_time_ms":${tookMs.toFixed(3)}}`
}

/** What a client should know of how its query was carried out. */
function warningsOf(carried: Carried, { documents, results }: FindFigures): string[] {
  const { metrics, scanWarningThreshold } = carried.context
  const { useIndex, count, aggregate } = carried.options
  const { index } = carried.plan
  const warnings: string[] = []
  if (useIndex.length > 0 && !isNamed(index!, useIndex)) {
    metrics.count('mango.query_invalid_index')
    const why = useIndex.length > 1 ? 'it is not' : 'it does not contain'
    warnings.push(`${shownUseIndex(useIndex)} was not used because ${why} a valid index for this query.`)
  }
  if (isUnindexed(carried)) warnings.push(NO_INDEX_WARNING)
  const isScan = scanWarningThreshold > 0 && documents > scanWarningThreshold * Math.max(1, results)
  if (isScan && !count && aggregate === undefined) {
    metrics.count('mango.too_many_docs_scanned')
    warnings.push(SCAN_WARNING)
  }
  return warnings
}
