import { DatabaseError } from '../../base/errors.ts'
import type { ChangesWish } from '../../documents/changes-rows.ts'
import { parseJsonParameter, type Query } from './query.ts'

/** The parameters of `_changes`, the query string's alone; the last of a name counts. */
export interface ChangesParameters extends ChangesWish {
  feed: 'normal' | 'longpoll' | 'continuous' | 'eventsource'
  /** Milliseconds between signs of life; undefined for none, in which case the feed ends when it is idle. */
  heartbeatMs: number | true | undefined
  timeoutMs: number | undefined
  filter: string
}

const FEEDS = new Set(['normal', 'longpoll', 'continuous', 'eventsource'])

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
    const limit = parseInteger(value, 'limit')
    draft.limit = limit < 0 ? undefined : limit
  },
  descending: (draft, value) => {
    if (value === 'true') draft.descending = true
  },
  style: (draft, value) => {
    if (value !== 'main_only' && value !== 'all_docs') throw badRequest('Invalid `style` parameter')
    draft.style = value
  },
  include_docs: (draft, value) => {
    if (value === 'true') draft.includeDocs = true
  },
  conflicts: (draft, value) => {
    if (value === 'true') draft.conflicts = true
  },
  attachments: (draft, value) => {
    if (value === 'true') draft.attachments.data = 'inline'
  },
  att_encoding_info: (draft, value) => {
    if (value === 'true') draft.attachments.encodingInfo = true
  },
  seq_interval: (draft, value) => {
    if (!/^\+?[0-9]+$/.test(value) || Number(value) === 0) throw badRequest('invalid_seq_interval')
    draft.seqInterval = Number(value)
  },
  heartbeat: (draft, value) => {
    draft.heartbeatMs = value === 'true' ? true : parseHeartbeat(value)
  },
  timeout: (draft, value) => {
    draft.timeoutMs = Math.max(0, parseInteger(value, 'timeout'))
  },
  active_only: (draft, value) => {
    if (value === 'true') draft.activeOnly = true
  },
  filter: (draft, value) => {
    draft.filter = value
  },
}

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
  if (FEEDS.has(parameters.feed)) return
  throw badRequest('Supported `feed` types: normal, continuous, live, longpoll, eventsource')
}

/** The ids of the `_doc_ids` filter: a member of the body, or a parameter of a GET. Throws badRequest. */
export function parseDocumentIds(query: Query, body: Record<string, unknown> | undefined): Set<string> {
  const text = query.get('doc_ids')
  const value = body === undefined ? (text === undefined ? null : parseJsonParameter(text)) : body['doc_ids']
  if (!Array.isArray(value) || !value.every((id) => typeof id === 'string')) {
    throw badRequest('`doc_ids` filter parameter is not a list of doc ids.')
  }
  return new Set(value)
}

/** Some clients send a sequence as the JSON string that they received. */
function unquoted(since: string): string {
  return /^"([0-9]+-[^"]*)"$/.exec(since)?.[1] ?? since
}

function parseHeartbeat(value: string): number {
  if (!/^[+-]?[0-9]+$/.test(value)) {
    throw badRequest('Invalid heartbeat value. Expecting a positive integer value (in milliseconds).')
  }
  if (Number(value) > 0) return Number(value)
  throw badRequest('The heartbeat value should be a positive integer (in milliseconds).')
}

function parseInteger(value: string, name: string): number {
  if (/^[+-]?[0-9]+$/.test(value)) return Number(value)
  throw badRequest(`Invalid value for \`${name}\`: an integer is expected`)
}

function badRequest(reason: string): DatabaseError {
  return new DatabaseError('badRequest', reason)
}
