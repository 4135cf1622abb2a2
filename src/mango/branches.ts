/**
 * `$or`, beyond CouchDB: where no index serves a selector as a whole, but each of its alternatives has one, the rows of all
 * of them are put together, if they are few beside what there is in the database. The answer is that of looking at all
 * documents, in the same order, and a bookmark goes on in either.
 */
import { runAtOnce, type Steps } from '../base/time-slice.ts'
import type { Condition } from '../selector/condition.ts'
import type { FieldRange } from './field-ranges.ts'
import { EMPTY_RANGE } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { shownKeys } from './key-range.ts'
import { ALL_DOCS, type MangoIndex } from './mango-index.ts'
import { isEmptyPlan, type Plan, planNow, planSteps } from './planner.ts'

const MOST_BRANCHES = 100

/** How a query is carried out. */
export interface QueryPlans {
  readonly whole: Plan
  /** One for each alternative of the selector; undefined where one of them has none, or where there are no alternatives. */
  readonly branches: readonly Plan[] | undefined
}

/** As `planSteps`, an index of a plan in each step. */
export function* queryPlans(
  indexes: readonly MangoIndex[],
  options: FindOptions,
  mustFind: boolean,
): Steps<QueryPlans> {
  const whole = yield* planSteps(indexes, options, mustFind)
  return { whole, branches: mayBranch(options, whole) ? yield* branchPlans(indexes, options) : undefined }
}

/** A plan of so many takes no turn of its own. */
const FEW_INDEXES = 20

/** The same, in one go; undefined where that may take long. */
export function queryPlansNow(
  indexes: readonly MangoIndex[],
  options: FindOptions,
  mustFind: boolean,
): QueryPlans | undefined {
  if (indexes.length > FEW_INDEXES) return undefined
  const whole = planNow(indexes, options, mustFind)
  return { whole, branches: mayBranch(options, whole) ? runAtOnce(branchPlans(indexes, options)) : undefined }
}

function mayBranch(options: FindOptions, whole: Plan): boolean {
  return whole.index === ALL_DOCS && options.sort.length === 0 && options.useIndex.length === 0
}

function* branchPlans(
  indexes: readonly MangoIndex[],
  options: FindOptions,
): Steps<readonly Plan[] | undefined> {
  const alternatives = alternativesOf(options.selector)
  if (alternatives === undefined || alternatives.length > MOST_BRANCHES) return undefined
  const plans: Plan[] = []
  for (const selector of alternatives) {
    const branch = yield* planSteps(indexes, { ...options, selector }, false)
    if (branch.index === undefined || branch.index === ALL_DOCS || !isNarrow(branch)) return undefined
    if (!isEmptyPlan(branch)) plans.push(branch)
  }
  return plans
}

/** What must hold with each alternative of the first `$or`; undefined where there is none. */
function alternativesOf(selector: Condition): readonly Condition[] | undefined {
  if (selector.kind === '$or') return selector.parts.length === 0 ? undefined : selector.parts
  if (selector.kind !== '$and') return undefined
  const choice = selector.parts.find((part) => part.kind === '$or' && part.parts.length > 0)
  if (choice?.kind !== '$or') return undefined
  const others = selector.parts.filter((part) => part !== choice)
  return choice.parts.map((part) => ({ kind: '$and', parts: [...others, part] }))
}

/** Whether it looks at less than all there is. */
function isNarrow({ ranges }: Plan): boolean {
  const [first] = ranges
  if (first === undefined) return false
  return first === EMPTY_RANGE || first.low !== undefined || first.high !== undefined
}

/** As `_explain` shows it. */
export function branchText(branch: Plan): string {
  const ranges = branch.ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  const [start, end] = shownKeys(ranges)
  return `{"index":${branch.index!.shown},"start_key":${start},"end_key":${end}}`
}
