/**
 * Which index answers a query. CouchDB's rules:
 * - An index can be used if the selector, or the sort, has every document that it means have all of the index's fields, and
 *   if its order is the sort's, fields before those of the sort having one value.
 * - Partial indexes are used only by those who name them, since nothing proves that a selector means no other documents.
 * - Of those that can be used the one is chosen that leaves the fewest of the selector's ranges out; then the one with
 *   the fewest fields; then the first by design document and name. `_all_docs` comes after all others.
 * - `use_index` is a wish: where it cannot be used another index is, with a warning, unless `allow_fallback` is false.
 */
import { DatabaseError } from '../base/errors.ts'
import type { Steps } from '../base/time-slice.ts'
import type { Condition } from '../selector/condition.ts'
import {
  EMPTY_RANGE,
  fieldRanges,
  indexableFields,
  isConstant,
  isPoint,
  type Range,
  requiresField,
} from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { ALL_DOCS, type MangoIndex } from './mango-index.ts'

/** Why an index was not chosen. */
export type Reason =
  | 'is_partial'
  | 'scope_mismatch'
  | 'field_mismatch'
  | 'sort_order_mismatch'
  | 'excluded_by_user'
  | 'unfavored_type'
  | 'less_overlap'
  | 'too_many_fields'
  | 'alphabetically_comes_after'

/** An index that was not chosen. */
export interface Candidate {
  readonly index: MangoIndex
  readonly isUsable: boolean
  readonly reason: Reason
  /** The chosen one has 0. */
  readonly ranking: number
}

export interface Plan {
  /** Undefined where none can be used: then there is nothing but the candidates. */
  readonly index: MangoIndex | undefined
  /** Of the first fields of the index. */
  readonly ranges: readonly Range[]
  /** Whether these are all that the selector says. */
  readonly isWhole: boolean
  /** The others, for who explains it; there may be thousands. */
  candidateSteps(): Steps<readonly Candidate[]>
}

interface Ranked {
  readonly index: MangoIndex
  readonly ranges: readonly Range[]
  /** Ranges of the selector that the index does not serve. */
  readonly distance: number
}

/** Fields that every document has. */
const EVERYWHERE: ReadonlySet<string> = new Set(['_id', '_rev'])
const CATCH_ALL: Range = { low: undefined, high: undefined }
const NOT_SORTED: readonly string[] = []

/** `indexes` are in the order of `indexSteps`. Throws noUsableIndex and invalidIndex where `mustFind`. */
export function* planSteps(
  indexes: readonly MangoIndex[],
  options: FindOptions,
  mustFind: boolean,
): Steps<Plan> {
  const choice = new Choice(indexes, options)
  for (let at = 0; at < indexes.length; at++) {
    yield
    choice.look(at, at + 1)
  }
  const favored = choice.favor(mustFind)
  for (let at = 0; at < favored; at++) {
    yield
    choice.rank(at, at + 1)
  }
  return choice.plan()
}

/** The same at once, of few indexes. */
export function planNow(indexes: readonly MangoIndex[], options: FindOptions, mustFind: boolean): Plan {
  const choice = new Choice(indexes, options)
  choice.look(0, indexes.length)
  choice.rank(0, choice.favor(mustFind))
  return choice.plan()
}

const NO_RANGES: ReadonlyMap<string, Range> = new Map()

/** An index being chosen: indexes are looked at first, then those that are favored are ranked. */
class Choice {
  readonly #indexes: readonly MangoIndex[]
  readonly #options: FindOptions
  readonly #sorted: readonly string[]
  readonly #usable: MangoIndex[] = []
  readonly #wanted: MangoIndex[] = []
  #filtered: readonly MangoIndex[] = []
  #favored: readonly MangoIndex[] = []
  #ranges = NO_RANGES
  readonly #ranked: Ranked[] = []
  #chosen: Ranked | undefined

  constructor(indexes: readonly MangoIndex[], options: FindOptions) {
    this.#indexes = indexes
    this.#options = options
    this.#sorted = options.sort.length === 0 ? NOT_SORTED : options.sort.map(([field]) => field)
  }

  /** Looks at the indexes from `from` to `to`. */
  look(from: number, to: number): void {
    const { selector, useIndex, partition } = this.#options
    for (let at = from; at < to; at++) {
      const index = this.#indexes[at]!
      const isWanted = isNamed(index, useIndex)
      if (index.filter !== undefined && !isWanted) continue
      if (!isInScope(index, partition !== '')) continue
      if (mismatchOf(index, selector, this.#sorted) !== undefined) continue
      this.#usable.push(index)
      if (isWanted) this.#wanted.push(index)
    }
  }

  /** All were looked at. Says how many are to be ranked. Throws as `planSteps`. */
  favor(mustFind: boolean): number {
    const filtered = this.#wanted.length > 0 ? this.#wanted : this.#usable
    if (mustFind) requireUsable(filtered, this.#wanted, this.#options, this.#indexes)
    const indexed = filtered.filter((index) => index !== ALL_DOCS)
    this.#filtered = filtered
    this.#favored = indexed.length > 0 ? indexed : filtered
    this.#ranges = fieldRanges(this.#options.selector)
    return this.#favored.length
  }

  /** Ranks those that are favored from `from` to `to`. */
  rank(from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const each = rankedOf(this.#favored[at]!, this.#ranges)
      this.#ranked.push(each)
      if (this.#chosen === undefined || compareRanked(each, this.#chosen) < 0) this.#chosen = each
    }
  }

  /** All were ranked. */
  plan(): Plan {
    const chosen = this.#chosen
    return {
      index: chosen?.index,
      ranges: rangesOf(chosen, this.#options.selector),
      isWhole: chosen?.distance === 0,
      candidateSteps: () => this.#candidateSteps(),
    }
  }

  *#candidateSteps(): Steps<Candidate[]> {
    const inOrder = yield* rankOrderSteps(this.#ranked)
    const left = yield* leftSteps(this.#indexes, this.#options, this.#sorted)
    return yield* candidatesSteps(this.#indexes, inOrder, this.#filtered, left)
  }
}

/** Which indexes were left after the first steps of a choice. */
interface Left {
  /** All but partial ones that nobody named. */
  readonly global: Set<MangoIndex>
  readonly inScope: Set<MangoIndex>
  readonly usable: MangoIndex[]
  /** Of those in scope. */
  readonly mismatches: Map<MangoIndex, Reason | undefined>
}

/** Who only wants an answer does not need them. */
function* leftSteps(
  indexes: readonly MangoIndex[],
  options: FindOptions,
  sorted: readonly string[],
): Steps<Left> {
  const { selector, useIndex, partition } = options
  const left: Left = { global: new Set(), inScope: new Set(), usable: [], mismatches: new Map() }
  for (const index of indexes) {
    yield
    if (index.filter !== undefined && !isNamed(index, useIndex)) continue
    left.global.add(index)
    if (!isInScope(index, partition !== '')) continue
    left.inScope.add(index)
    const mismatch = mismatchOf(index, selector, sorted)
    left.mismatches.set(index, mismatch)
    if (mismatch === undefined) left.usable.push(index)
  }
  return left
}

function isInScope(index: MangoIndex, isPartitioned: boolean): boolean {
  return index === ALL_DOCS || index.isPartitioned === isPartitioned
}

/** The best first. Few are unlike in what they are ranked by, so that only groups of them are sorted. */
function* rankOrderSteps(ranked: readonly Ranked[]): Steps<Ranked[]> {
  const groups = new Map<string, Ranked[]>()
  for (const each of ranked) {
    yield
    const name = `${each.distance} ${each.index.columns.length}`
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [each])
    else group.push(each)
  }
  const inOrder: Ranked[] = []
  for (const group of [...groups.values()].sort((a, b) => compareRanked(a[0]!, b[0]!))) {
    for (const each of group) {
      yield
      inOrder.push(each)
    }
  }
  return inOrder
}

/** Those behind the first that was ranked, the last index first. */
function* candidatesSteps(
  indexes: readonly MangoIndex[],
  ranked: readonly Ranked[],
  filtered: readonly MangoIndex[],
  { global, inScope, usable, mismatches }: Left,
): Steps<Candidate[]> {
  const found = new Map<MangoIndex, Candidate>()
  for (const [ranking, { index, distance }] of ranked.entries()) {
    yield
    const reason = notChosenReason(index, distance, ranked[0]!.index)
    found.set(index, { index, isUsable: true, reason, ranking })
  }
  let ranking = Math.max(1, ranked.length)
  /** Those of which there is a reason, and that are not among those before. */
  function* addSteps(
    group: Iterable<MangoIndex>,
    isUsable: boolean,
    reasonOf: (index: MangoIndex) => Reason | undefined,
  ): Steps<void> {
    const before = found.size
    for (const index of group) {
      yield
      const reason = found.has(index) ? undefined : reasonOf(index)
      if (reason !== undefined) found.set(index, { index, isUsable, reason, ranking })
    }
    if (found.size > before) ranking += 1
  }
  yield* addSteps(filtered, true, () => 'unfavored_type')
  yield* addSteps(usable, true, () => 'excluded_by_user')
  yield* addSteps(inScope, false, (index) => mismatches.get(index))
  yield* addSteps(global, false, (index) => (inScope.has(index) ? undefined : 'scope_mismatch'))
  yield* addSteps(indexes, false, (index) => (global.has(index) ? undefined : 'is_partial'))
  const candidates: Candidate[] = []
  for (let at = indexes.length - 1; at >= 0; at--) {
    yield
    const candidate = found.get(indexes[at]!)
    if (candidate !== undefined && candidate.index !== ranked[0]?.index) candidates.push(candidate)
  }
  return candidates
}

/** Whether `use_index` names it. */
export function isNamed({ designId, name }: MangoIndex, useIndex: readonly string[]): boolean {
  const [design, wanted] = useIndex
  if (design === undefined || designId !== designIdOf(design)) return false
  return wanted === undefined || wanted === name
}

export function designIdOf(name: string): string {
  return name.startsWith('_design/') ? name : `_design/${name}`
}

/** As warnings and errors name it. */
export function shownUseIndex([design, name]: readonly string[]): string {
  const shown = designIdOf(design ?? '')
  return name === undefined ? shown : `${shown}, ${name}`
}

function requireUsable(
  filtered: readonly MangoIndex[],
  wanted: readonly MangoIndex[],
  { useIndex, allowFallback, partition }: FindOptions,
  indexes: readonly MangoIndex[],
): void {
  const isFallback =
    wanted.length === 0 && (useIndex.length > 0 || filtered.every((each) => each === ALL_DOCS))
  if (!allowFallback && isFallback) {
    if (useIndex.length === 0) {
      throw new DatabaseError('invalidIndex', 'You must specify an index with the `use_index` parameter.')
    }
    const named = shownUseIndex(useIndex)
    const reason = `${named} specified by \`use_index\` could not be found or it is not suitable.`
    throw new DatabaseError('invalidIndex', reason)
  }
  if (filtered.length > 0) return
  const isPartitionedDatabase = indexes.some((index) => index.isPartitioned)
  if (!isPartitionedDatabase) throw new DatabaseError('noUsableIndex')
  const scope = partition === '' ? 'global' : 'partitioned'
  const reason = `No ${scope} index exists for this sort, try indexing by the sort fields.`
  throw new DatabaseError('noUsableIndex', reason)
}

/** Undefined where it can be used. */
function mismatchOf(index: MangoIndex, selector: Condition, sorted: readonly string[]): Reason | undefined {
  if (index === ALL_DOCS) {
    if (sorted.length === 0) return undefined
    if (!indexableFields(selector).includes('_id')) return 'field_mismatch'
  } else {
    for (const field of index.columns) {
      if (sorted.includes(field) || EVERYWHERE.has(field)) continue
      if (!requiresField(selector, field)) return 'field_mismatch'
    }
  }
  return isInOrder(index.columns, sorted, selector) ? undefined : 'sort_order_mismatch'
}

function isInOrder(columns: readonly string[], sorted: readonly string[], selector: Condition): boolean {
  if (sorted.length === 0) return true
  let first = 0
  while (first < columns.length && columns[first] !== sorted[0]) {
    if (!isConstant(selector, columns[first]!)) return false
    first += 1
  }
  return first < columns.length && sorted.every((field, at) => columns[first + at] === field)
}

function rankedOf(index: MangoIndex, ranges: ReadonlyMap<string, Range>): Ranked {
  const served: Range[] = []
  for (const field of index.columns) {
    const range = ranges.get(field) ?? (index === ALL_DOCS ? CATCH_ALL : undefined)
    if (range === undefined) break
    // Ids are compared by their bytes, and collated as keys of an index.
    const isApart = field === '_id' && index !== ALL_DOCS && range !== EMPTY_RANGE && !isPoint(range)
    served.push(isApart ? CATCH_ALL : range)
  }
  return { index, ranges: served, distance: ranges.size - served.length }
}

/** The best first. Of those that are alike the first by name is, which is the one that comes first. */
function compareRanked(a: Ranked, b: Ranked): number {
  return a.distance - b.distance || a.index.columns.length - b.index.columns.length
}

function notChosenReason(index: MangoIndex, distance: number, chosen: MangoIndex): Reason {
  if (distance > 0) return 'less_overlap'
  return index.columns.length > chosen.columns.length ? 'too_many_fields' : 'alphabetically_comes_after'
}

/** `$and`, `$or` of nothing alone mean nothing to a query, though they hold for every document. */
function rangesOf(chosen: Ranked | undefined, selector: Condition): readonly Range[] {
  const isNothing = (selector.kind === '$and' || selector.kind === '$or') && selector.parts.length === 0
  return isNothing ? [EMPTY_RANGE] : (chosen?.ranges ?? [])
}

export function isEmptyPlan({ ranges }: Plan): boolean {
  return ranges.includes(EMPTY_RANGE)
}

/** Whether an index has all that is asked for in its keys. */
export function covers(index: MangoIndex, fields: readonly string[]): boolean {
  return fields.length > 0 && fields.every((field) => field === '_id' || index.columns.includes(field))
}
