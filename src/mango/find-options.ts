/** What a query asks for: the body of `_find` and `_explain`, checked in CouchDB's order. */
import { DatabaseError, referred } from '../base/errors.ts'
import { checkPartition } from '../database/layout/partition.ts'
import { elementsOf, isArrayAt, isStringAt, stringAt } from '../json/walk.ts'
import { type Condition, normalize } from '../selector/condition.ts'
import { readFields } from '../selector/fields.ts'
import type { JsonSlice } from '../selector/json-slice.ts'
import { type Aggregate, readAggregate } from './aggregate.ts'
import { plain, type QueryMembers, selecting } from './query-members.ts'
import { readSort, type SortFields } from './sort.ts'

export interface FindOptions {
  readonly selector: Condition
  /** A design document's name or id, and a name in it; empty where the planner chooses. */
  readonly useIndex: readonly string[]
  /** As the client was given it; undefined for none. */
  readonly bookmark: string | undefined
  readonly limit: number
  readonly skip: number
  readonly sort: SortFields
  /** Empty for all. */
  readonly fields: readonly string[]
  /** '' for none. */
  readonly partition: string
  readonly r: number
  readonly conflicts: boolean
  readonly stale: boolean
  readonly update: boolean
  readonly stable: boolean
  readonly executionStats: boolean
  readonly allowFallback: boolean
  /** Only the number of documents is wanted. Beyond CouchDB, as what follows. */
  readonly count: boolean
  readonly aggregate: Aggregate | undefined
}

export interface FindDefaults {
  readonly limit: number
  /** The partition of the path; '' for none. */
  readonly partition: string
}

/** `body` is an object. Throws DatabaseErrors. */
export function readFindOptions(members: QueryMembers, defaults: FindDefaults): FindOptions {
  const selector = members.require('selector')
  const options: FindOptions = {
    selector: selecting(() => normalize(selector.text.subarray(selector.at, selector.end))),
    useIndex: readIndexName(members.take('use_index')),
    bookmark: readBookmark(members.take('bookmark')),
    limit: members.count('limit', defaults.limit),
    skip: members.count('skip', 0),
    sort: readSortMember(members.take('sort')),
    fields: readFieldsMember(members.take('fields')),
    partition: readPartition(members.take('partition'), defaults.partition),
    r: members.positive('r', 1),
    conflicts: members.flag('conflicts', false),
    stale: readStale(members.take('stale')),
    update: members.flag('update', true),
    stable: members.flag('stable', false),
    executionStats: members.flag('execution_stats', false),
    allowFallback: members.flag('allow_fallback', true),
    count: members.flag('count', false),
    aggregate: readAggregateMember(members.take('aggregate')),
  }
  members.finish()
  requireSense(options)
  return options
}

function readAggregateMember(slice: JsonSlice | undefined): Aggregate | undefined {
  return slice === undefined ? undefined : readAggregate(slice)
}

/** What is about documents means nothing where none are asked for. Throws invalid_aggregate. */
function requireSense({ count, aggregate, skip, sort, fields, bookmark }: FindOptions): void {
  if (!count && aggregate === undefined) return
  const asked = count ? 'count' : 'aggregate'
  const other = count && aggregate !== undefined ? 'aggregate' : undefined
  const meaningless =
    other ??
    (skip > 0 ? 'skip' : undefined) ??
    (sort.length > 0 ? 'sort' : undefined) ??
    (fields.length > 0 ? 'fields' : undefined) ??
    (bookmark === undefined ? undefined : 'bookmark')
  if (meaningless === undefined) return
  throw new DatabaseError('invalidAggregate', `\`${meaningless}\` means nothing beside \`${asked}\`.`)
}

/** The name of a design document, `ddoc/name`, a list of one or two, or null. Throws invalid_index_name. */
export function readIndexName(slice: JsonSlice | undefined): readonly string[] {
  if (slice === undefined) return []
  const { text, at } = slice
  const given = slice.toString()
  if (given === 'null') return []
  if (isStringAt(text, at)) {
    const parts = stringAt(text, at).split('/')
    const names = parts.length > 1 && parts[0] === '_design' ? parts.slice(1) : parts
    if (names.length <= 2) return names
  }
  if (isArrayAt(text, at)) {
    const elements = elementsOf(text, at)
    if (elements.length <= 2 && elements.every((each) => isStringAt(text, each))) {
      return elements.map((each) => stringAt(text, each))
    }
  }
  throw new DatabaseError('invalidIndexName', `Invalid index name: ${plain(slice)}`)
}

function readBookmark(slice: JsonSlice | undefined): string | undefined {
  if (slice === undefined) return undefined
  const { text, at } = slice
  const given = slice.toString()
  if (given === 'null' || given === '""') return undefined
  if (isStringAt(text, at)) return stringAt(text, at)
  throw new DatabaseError('invalidBookmark', `Invalid bookmark value: ${given}`)
}

function readSortMember(slice: JsonSlice | undefined): SortFields {
  return slice === undefined ? [] : readSort(slice)
}

function readFieldsMember(slice: JsonSlice | undefined): readonly string[] {
  return slice === undefined ? [] : selecting(() => readFields(slice))
}

/** Throws illegal_partition. */
function readPartition(slice: JsonSlice | undefined, ifAbsent: string): string {
  if (slice === undefined) return ifAbsent
  const { text, at } = slice
  if (!isStringAt(text, at)) throw new DatabaseError('illegalPartition', 'Partition must be a string')
  const partition = stringAt(text, at)
  if (partition !== '') checkPartition(partition)
  return partition
}

function readStale(slice: JsonSlice | undefined): boolean {
  const given = slice?.toString()
  if (given === undefined || given === 'false' || given === '"false"') return false
  if (given === '"ok"') return true
  const shown = `{invalid_ok_or_false_value,${plain(slice!)}}`
  throw referred(new DatabaseError('invalidQueryOption', `Unknown Error: mango_opts :: ${shown}`))
}
