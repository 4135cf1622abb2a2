import { DatabaseError } from '../../base/errors.ts'
import type { AttachmentWish } from '../../documents/attachment-wish.ts'
import { keyText } from './exact-keys.ts'
import {
  type Raw,
  readViewBoolean,
  readViewCount,
  readViewKey,
  readViewKeys,
  readViewText,
  requireViewOneOf,
} from './parameters.ts'
import type { Query } from './query.ts'

/**
 * The parameters that `_all_docs`, `_design_docs`, `_local_docs`, `_all_dbs` and `_dbs_info` share with the
 * views. Later ones of a name override earlier ones, and unknown ones are ignored, as CouchDB does.
 */
export interface ViewParameters extends CommonParameters {
  startKey?: unknown
  endKey?: unknown
  keys?: unknown[] | undefined
}

/** What means the same wherever it is said. */
export interface CommonParameters {
  inclusiveEnd: boolean
  descending: boolean
  skip: number
  limit: number | undefined
  includeDocs: boolean
  /** Undefined where nothing is said of it. */
  conflicts?: boolean | undefined
  attachments: AttachmentWish
  updateSeq: boolean
  /** Of a partitioned database. */
  partition?: string | undefined
}

interface Draft extends ViewParameters {
  reduce?: boolean
  grouped?: boolean
}

type SetterOf<Parameters> = (draft: Parameters, raw: Raw) => void

/** What a parameter of some name makes of a draft; of a name that means nothing there is none. */
export type Setters<Parameters> = ReadonlyMap<string, SetterOf<Parameters>>

export function settersOf<Parameters>(
  setters: Readonly<Record<string, SetterOf<Parameters>>>,
): Setters<Parameters> {
  return new Map(Object.entries(setters))
}

type Setter = SetterOf<Draft>

export const COMMON_SETTERS: Readonly<Record<string, SetterOf<CommonParameters>>> = {
  limit: (draft, raw) => {
    draft.limit = readViewCount(raw)
  },
  skip: (draft, raw) => {
    draft.skip = readViewCount(raw)
  },
  descending: (draft, raw) => {
    draft.descending = readViewBoolean(raw)
  },
  inclusive_end: (draft, raw) => {
    draft.inclusiveEnd = readViewBoolean(raw)
  },
  include_docs: (draft, raw) => {
    draft.includeDocs = readViewBoolean(raw)
  },
  attachments: (draft, raw) => {
    draft.attachments.data = readViewBoolean(raw) ? 'inline' : undefined
  },
  att_encoding_info: (draft, raw) => {
    draft.attachments.encodingInfo = readViewBoolean(raw)
  },
  update_seq: (draft, raw) => {
    draft.updateSeq = readViewBoolean(raw)
  },
  conflicts: (draft, raw) => {
    draft.conflicts = readViewBoolean(raw)
  },
  sorted: (_draft, raw) => void readViewBoolean(raw),
  partition: (draft, raw) => {
    draft.partition = readViewText(raw)
  },
}

/** What holds where nothing is said. */
export function commonDefaults(): CommonParameters {
  return {
    inclusiveEnd: true,
    descending: false,
    skip: 0,
    limit: undefined,
    includeDocs: false,
    attachments: {},
    updateSeq: false,
  }
}

function startKey(draft: Draft, raw: Raw): void {
  draft.startKey = readViewKey(raw)
}

function endKey(draft: Draft, raw: Raw): void {
  draft.endKey = readViewKey(raw)
}

export const STALE_VALUES: readonly unknown[] = ['ok', 'update_after']
export const STABLE_VALUES: readonly unknown[] = ['true', 'false', true, false]
export const UPDATE_VALUES: readonly unknown[] = ['true', 'false', 'lazy', true, false]

function oneOf(name: string, values: readonly unknown[]): Setter {
  return (_draft, raw) => requireViewOneOf(raw, name, values)
}

const SETTERS = settersOf<Draft>({
  ...COMMON_SETTERS,
  reduce: (draft, raw) => {
    draft.reduce = readViewBoolean(raw)
  },
  key: (draft, raw) => {
    const value = readViewKey(raw)
    draft.startKey = value
    draft.endKey = value
  },
  keys: (draft, raw) => {
    const value = readViewKeys(raw)
    if (value.length !== 1) {
      draft.keys = value
      return
    }
    // As in CouchDB: one key is a range, unless the route takes keys.
    draft.startKey = value[0]
    draft.endKey = value[0]
  },
  startkey: startKey,
  start_key: startKey,
  endkey: endKey,
  end_key: endKey,
  stale: oneOf('stale', STALE_VALUES),
  stable: oneOf('stable', STABLE_VALUES),
  update: oneOf('update', UPDATE_VALUES),
  group: (draft, raw) => {
    draft.grouped = readViewBoolean(raw) || draft.grouped === true
  },
  group_level: (draft, raw) => {
    draft.grouped = readViewCount(raw) > 0 || draft.grouped === true
  },
})

/** What the query string may say. */
export const LISTING_PARAMETERS: readonly string[] = [...SETTERS.keys()]

/** What a route says of its parameters. */
export interface ViewParameterOptions {
  order?: 'body-first' | 'body-last'
  /** The parameter `partition` makes sense. */
  partitions?: boolean
  /** The keys that the route takes, which a member or parameter `keys` of several replaces. */
  keys?: unknown[] | undefined
}

/**
 * From a JSON body, where there is one, then from the query string, the later one winning; `body-last` is the
 * other way round (each of several queries refines what the query string says). Throws queryParseError.
 */
export function parseViewParameters(
  query: Query,
  body?: Record<string, unknown>,
  options: ViewParameterOptions = {},
): ViewParameters {
  const draft: Draft = commonDefaults()
  if (body !== undefined && options.order !== 'body-last') takeBody(draft, body, options)
  draft.keys = options.keys
  for (const [name, value] of query.pairs) SETTERS.get(name)?.(draft, { text: value })
  if (body !== undefined && options.order === 'body-last') takeBody(draft, body, options)
  if (draft.partition !== undefined && options.partitions !== true) {
    throw new DatabaseError('queryParseError', '`partition` parameter is not supported on this db.')
  }
  if (draft.reduce === true) {
    throw new DatabaseError('queryParseError', 'Reduce is invalid for map-only views.')
  }
  if (draft.grouped === true) {
    throw new DatabaseError('queryParseError', 'Invalid use of grouping on a map view.')
  }
  if (!isCompatible(draft)) {
    throw new DatabaseError('queryParseError', '`keys` is incompatible with `key`, `start_key` and `end_key`')
  }
  return draft
}

function takeBody(draft: Draft, body: Record<string, unknown>, { keys }: ViewParameterOptions): void {
  draft.keys = keys
  for (const [name, value] of Object.entries(body)) {
    if (value !== undefined) SETTERS.get(name)?.(draft, { json: value })
  }
}

/** Keys come without a range, or are the one key that the range is. */
function isCompatible({ keys, startKey, endKey }: ViewParameters): boolean {
  if (keys === undefined || keys.length === 0) return true
  if (startKey === undefined && endKey === undefined) return true
  const [only, ...more] = keys
  const isOnly = (key: unknown): boolean => key !== undefined && keyText(key) === keyText(only)
  return more.length === 0 && isOnly(startKey) && isOnly(endKey)
}

/** The range of ids: every JSON value that is no string sorts before all strings, as in CouchDB. */
export interface IdRange {
  startKey: string | undefined
  endKey: string | undefined
  /** No id can be in it. */
  empty: boolean
}

export function idRange(parameters: ViewParameters): IdRange {
  const { startKey: start, endKey: end, descending } = parameters
  const startBefore = start !== undefined && typeof start !== 'string'
  const endBefore = end !== undefined && typeof end !== 'string'
  return {
    startKey: typeof start === 'string' ? start : undefined,
    endKey: typeof end === 'string' ? end : undefined,
    empty: descending ? startBefore : endBefore,
  }
}
