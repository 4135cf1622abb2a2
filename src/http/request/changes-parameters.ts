import { DatabaseError } from '../../base/errors.ts'
import type { ChangesWish } from '../../documents/changes-rows.ts'
import { isTrue, readInteger, readJson, readOneOf, readPositive } from './parameters.ts'
import type { Query } from './query.ts'

/** The parameters of `_changes`, the query string's alone; the last of a name counts. */
export interface ChangesParameters extends ChangesWish {
  feed: 'normal' | 'longpoll' | 'continuous' | 'eventsource'
  /** Milliseconds between signs of life; undefined for none, in which case the feed ends when it is idle. */
  heartbeatMs: number | true | undefined
  timeoutMs: number | undefined
  filter: string
}

const FEEDS = ['normal', 'longpoll', 'continuous', 'eventsource'] as const
const BAD_LIMIT = 'Invalid value for `limit`: an integer is expected'
const BAD_TIMEOUT = 'Invalid value for `timeout`: an integer is expected'
const STYLES = ['main_only', 'all_docs'] as const

type Draft = Omit<ChangesParameters, 'feed'> & { feed: string }

const SETTERS: Record<string, (draft: Draft, value: string) => void> = {
  feed: (draft, value) => {
    draft.feed = value === 'live' ? 'continuous' : value
  },
  since: (draft, value) => {
    draft.since = unquoted(value)
  },
  'last-event-id': (draft, value) => {
    draft.since = value
  },
  limit: (draft, value) => {
    // A negative limit is none.
    const limit = readInteger(value, BAD_LIMIT)
    draft.limit = limit < 0 ? undefined : limit
  },
  descending: (draft, value) => {
    if (isTrue(value)) draft.descending = true
  },
  style: (draft, value) => {
    draft.style = readOneOf(value, STYLES, 'Invalid `style` parameter')
  },
  include_docs: (draft, value) => {
    if (isTrue(value)) draft.includeDocs = true
  },
  conflicts: (draft, value) => {
    if (isTrue(value)) draft.conflicts = true
  },
  attachments: (draft, value) => {
    if (isTrue(value)) draft.attachments.data = 'inline'
  },
  att_encoding_info: (draft, value) => {
    if (isTrue(value)) draft.attachments.encodingInfo = true
  },
  seq_interval: (draft, value) => {
    draft.seqInterval = readPositive(value, 'invalid_seq_interval')
  },
  heartbeat: (draft, value) => {
    draft.heartbeatMs = isTrue(value) ? true : readHeartbeat(value)
  },
  timeout: (draft, value) => {
    draft.timeoutMs = Math.max(0, readInteger(value, BAD_TIMEOUT))
  },
  active_only: (draft, value) => {
    if (isTrue(value)) draft.activeOnly = true
  },
  filter: (draft, value) => {
    draft.filter = value
  },
}

/** What the query string may say, in lower case. */
export const CHANGES_PARAMETERS: readonly string[] = Object.keys(SETTERS)

/** Throws badRequest. `lastEventId` is the header that a reconnecting event source sends. */
export function parseChangesParameters(query: Query, lastEventId: string | undefined): ChangesParameters {
  const draft: Draft = {
    feed: 'normal',
    since: '0',
    limit: undefined,
    descending: false,
    style: 'main_only',
    includeDocs: false,
    conflicts: false,
    attachments: {},
    seqInterval: undefined,
    heartbeatMs: undefined,
    timeoutMs: undefined,
    filter: '',
    activeOnly: false,
  }
  for (const [name, value] of query.pairs) {
    const key = name.toLowerCase()
    if (Object.hasOwn(SETTERS, key)) SETTERS[key]!(draft, value)
  }
  if (draft.feed === 'eventsource' && lastEventId !== undefined) draft.since = lastEventId
  return draft as ChangesParameters
}

/** CouchDB looks at the filter before the feed, so this is a step of its own. Throws badRequest. */
export function requireKnownFeed(parameters: ChangesParameters): void {
  readOneOf(parameters.feed, FEEDS, 'Supported `feed` types: normal, continuous, live, longpoll, eventsource')
}

/** The ids of the `_doc_ids` filter: a member of the body, or a parameter of a GET. Throws badRequest. */
export function parseDocumentIds(query: Query, body: Record<string, unknown> | undefined): Set<string> {
  const text = query.get('doc_ids')
  const value = body === undefined ? (text === undefined ? null : readJson(text)) : body['doc_ids']
  if (!Array.isArray(value) || !value.every((id) => typeof id === 'string')) {
    throw new DatabaseError('badRequest', '`doc_ids` filter parameter is not a list of doc ids.')
  }
  return new Set(value)
}

/** Some clients send a sequence as the JSON string that they received. */
function unquoted(since: string): string {
  return /^"([0-9]+-[^"]*)"$/.exec(since)?.[1] ?? since
}

function readHeartbeat(value: string): number {
  const ms = readInteger(
    value,
    'Invalid heartbeat value. Expecting a positive integer value (in milliseconds).',
  )
  if (ms > 0) return ms
  throw new DatabaseError('badRequest', 'The heartbeat value should be a positive integer (in milliseconds).')
}
