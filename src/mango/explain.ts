/** The answer of `_explain`: which index a query would use, and why no other one. */
import type { Steps } from '../base/time-slice.ts'
import { stringsText, stringText } from '../json/writer.ts'
import { conditionText } from '../selector/condition.ts'
import { branchText } from './branches.ts'
import { EMPTY_RANGE, type FieldRange, fieldsOf, indexableFields } from './field-ranges.ts'
import type { FindOptions } from './find-options.ts'
import { shownIds, shownKeys } from './key-range.ts'
import { ALL_DOCS, type MangoIndex } from './mango-index.ts'
import { type Candidate, covers, isEmptyPlan, type Plan } from './planner.ts'
import { sortText } from './sort.ts'

/** JSON. */
export function* explainSteps(
  database: { readonly name: string; readonly properties: { readonly partitioned: boolean } },
  options: FindOptions,
  plan: Plan,
  branches: readonly Plan[] | undefined,
): Steps<string> {
  const { index } = plan
  const candidates: string[] = []
  for (const each of yield* plan.candidateSteps()) {
    candidates.push(candidateText(each, options.fields))
    yield
  }
  const { limit, skip, fields } = options
  return `${[
    `{"dbname":${stringText(database.name)}`,
    `"index":${index?.shown ?? 'null'}`,
    `"partitioned":${database.properties.partitioned}`,
    `"selector":${conditionText(options.selector)}`,
    `"opts":${optionsText(options)}`,
    `"limit":${limit}`,
    `"skip":${skip}`,
    `"fields":${stringsText(fields)}`,
    `"index_candidates":[${candidates.join(',')}]`,
    `"selector_hints":[${hintsText(options)}]`,
    ...(index === undefined ? [] : planTexts(index, options, plan)),
    ...(branches === undefined ? [] : [`"branches":[${branches.map(branchText).join(',')}]`]),
  ].join(',')}}`
}

function optionsText(options: FindOptions): string {
  const { useIndex, bookmark, limit, skip, sort, fields, partition, r } = options
  return [
    `{"use_index":${stringsText(useIndex)}`,
    `"bookmark":${stringText(bookmark ?? 'nil')}`,
    `"limit":${limit}`,
    `"skip":${skip}`,
    `"sort":${sortText(sort)}`,
    `"fields":${stringsText(fields)}`,
    `"partition":${stringText(partition)}`,
    `"r":${r}`,
    `"conflicts":${options.conflicts}`,
    `"stale":${options.stale ? '"ok"' : 'false'}`,
    `"update":${options.update}`,
    `"stable":${options.stable}`,
    `"execution_stats":${options.executionStats}`,
    `"allow_fallback":${options.allowFallback}}`,
  ].join(',')
}

function candidateText({ index, isUsable, reason, ranking }: Candidate, fields: readonly string[]): string {
  const covering = index === ALL_DOCS ? 'null' : covers(index, fields)
  const analysis = `{"usable":${isUsable},"reasons":[{"name":"${reason}"}],"ranking":${ranking},"covering":${covering}}`
  return `{"index":${index.shown},"analysis":${analysis}}`
}

function hintsText({ selector }: FindOptions): string {
  const indexable = new Set(indexableFields(selector).map((field) => field.split(':')[0]!))
  const others = fieldsOf(selector).filter((field) => !indexable.has(field))
  return `{"type":"json","indexable_fields":${stringsText([...indexable])},"unindexable_fields":${stringsText(others.sort())}}`
}

function planTexts(index: MangoIndex, options: FindOptions, plan: Plan): string[] {
  const { partition, r, stale, stable, update, conflicts } = options
  const isCovering = isCovered(index, options)
  const [start, end] = keyTexts(index, plan)
  const isReverse = isDescending(options)
  const mrargs = [
    `{"include_docs":${r === 1 && !isCovering}`,
    '"view_type":"map"',
    '"reduce":false',
    `"partition":${partition === '' ? 'null' : stringText(partition)}`,
    `"start_key":${isReverse ? end : start}`,
    `"end_key":${isReverse ? start : end}`,
    `"direction":"${isReverse ? 'rev' : 'fwd'}"`,
    `"stable":${stable || stale}`,
    `"update":${update && !stale}`,
    `"conflicts":${conflicts ? 'true' : '"undefined"'}}`,
  ]
  return [`"mrargs":${mrargs.join(',')}`, `"covering":${isCovering}`]
}

/** Whether the keys of the index have all that the selector and the answer need. */
export function isCovered(index: MangoIndex, { fields, selector }: FindOptions): boolean {
  if (index === ALL_DOCS || fields.length === 0) return false
  const needed = [...fields, ...fieldsOf(selector)]
  if (!covers(index, needed)) return false
  // What else begins with an underscore is no part of a document's body.
  return needed.every((field) => field === '_id' || !field.startsWith('_'))
}

export function isDescending({ sort }: FindOptions): boolean {
  return sort[0]?.[1] === 'desc'
}

function keyTexts(index: MangoIndex, plan: Plan): [start: string, end: string] {
  if (isEmptyPlan(plan)) return ['null', 'null']
  const ranges = plan.ranges.filter((range): range is FieldRange => range !== EMPTY_RANGE)
  return index === ALL_DOCS ? shownIds(ranges[0]!) : shownKeys(ranges)
}
