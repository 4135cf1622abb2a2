/**
 * What a view is asked for, and whether that makes sense: CouchDB's checks (couch_mrview_util's `validate_args`) in its
 * order and words.
 */
import { DatabaseError } from '../base/errors.ts'
import type { Freshness } from '../indexes/api.ts'
import type { View } from './design-views.ts'

/** Keys are texts of JSON. */
export interface ViewQuery {
  startKey?: string | undefined
  endKey?: string | undefined
  /** Null: what was given is no array. */
  keys?: readonly string[] | null | undefined
  /** Among the rows of `startKey`, of `endKey`, and of each of `keys`. */
  startId?: string | undefined
  endId?: string | undefined
  inclusiveEnd: boolean
  descending: boolean
  skip: number
  limit: number | undefined
  includeDocs: boolean
  conflicts?: boolean | undefined
  reduce?: boolean | undefined
  group?: boolean | undefined
  groupLevel?: number | undefined
  freshness: Freshness
  partition?: string | undefined
}

/** How an answer's rows come about. */
export type Shape =
  | { readonly kind: 'rows' }
  /** `level` elements of keys that are arrays make a group; 0: all rows are one, infinite: those of one key. */
  | { readonly kind: 'groups'; readonly level: number; readonly reduce: string }

/** `most` rows may be asked for. Throws query_parse_error. */
export function requireLimit(limit: number | undefined, most: number): void {
  if ((limit ?? 0) > most) refuse(`Limit is too large, must not exceed ${most}`)
}

/** `most` rows may be asked for. Throws query_parse_error. */
export function shapeOf(view: View, query: ViewQuery, isPartitioned: boolean, most: number): Shape {
  requireLimit(query.limit, most)
  const { keys, reduce: wished } = query
  const level = groupLevel(query)
  const reduce = wished === false ? undefined : view.reduce
  if (reduce === undefined && wished === true) refuse('Reduce is invalid for map-only views.')
  if (reduce !== undefined && level !== Number.POSITIVE_INFINITY && Array.isArray(keys)) {
    refuse('Multi-key fetches for reduce views must use `group=true`')
  }
  if (keys === null) refuse('`keys` must be an array of strings.')
  if ((keys?.length ?? 0) > 0 && (query.startKey !== undefined || query.endKey !== undefined)) {
    refuse('`keys` is incompatible with `key`, `start_key` and `end_key`')
  }
  if (reduce === undefined && level !== 0) refuse('Invalid use of grouping on a map view.')
  if (reduce !== undefined && query.includeDocs) refuse('`include_docs` is invalid for reduce')
  if (reduce !== undefined && query.conflicts !== undefined) {
    refuse('`conflicts` is invalid for reduce views.')
  }
  checkPartitioning(query, isPartitioned)
  return reduce === undefined ? { kind: 'rows' } : { kind: 'groups', level, reduce }
}

function groupLevel({ group, groupLevel: level }: ViewQuery): number {
  if (group === false && level !== undefined && level > 0) {
    refuse("Can't specify group=false and group_level>0 at the same time")
  }
  return level ?? (group === true ? Number.POSITIVE_INFINITY : 0)
}

function checkPartitioning({ partition }: ViewQuery, isPartitioned: boolean): void {
  if (isPartitioned && partition === undefined) {
    refuse('`partition` parameter is mandatory for queries to this view.')
  }
  if (!isPartitioned && partition !== undefined) {
    refuse('`partition` parameter is not supported in this design doc')
  }
}

function refuse(reason: string): never {
  throw new DatabaseError('queryParseError', reason)
}
