/** What is asked of `_changes`: in the query, in a body, or in the first message of a WebSocket. */

import { parseSequence, type SequenceId } from '../../channels/sequence-id.ts'
import { isObject } from '../config.ts'
import { badRequest } from '../errors.ts'

export type FeedType = 'normal' | 'longpoll' | 'continuous' | 'websocket'

export interface ChangesOptions {
  feed: FeedType
  since: SequenceId
  /** Undefined for all. */
  limit: number | undefined
  allLeaves: boolean
  activeOnly: boolean
  includeDocs: boolean
  /** Undefined: all that the reader has. */
  channels: readonly string[] | undefined
  /** Only these documents, where that is asked for. */
  ids: readonly string[] | undefined
  /** Undefined: none. */
  heartbeatMs: number | undefined
  /** How long a feed waits at most for what it tells next. 0: for ever. */
  timeoutMs: number
  compresses: boolean
}

const CHANNEL_FILTER = 'sync_gateway/bychannel'
const IDS_FILTER = '_doc_ids'
const LEAST_HEARTBEAT_MS = 25_000
const DEFAULT_TIMEOUT_MS = 300_000
const MOST_TIMEOUT_MS = 900_000
const FEEDS: readonly string[] = ['normal', 'longpoll', 'continuous', 'websocket']
const NAMES = [
  'feed',
  'since',
  'limit',
  'style',
  'active_only',
  'include_docs',
  'filter',
  'channels',
  'heartbeat',
  'timeout',
]

/** Options as texts, and what a body has beside. */
interface GivenOptions {
  texts: Map<string, string>
  ids: unknown
}

/** Throws 400. `mostHeartbeatSeconds` 0: none is too long. */
export function optionsOfRequest(
  query: URLSearchParams,
  body: unknown,
  mostHeartbeatSeconds: number,
): ChangesOptions {
  const given =
    body === undefined ? { texts: new Map<string, string>(), ids: undefined } : optionsOfBody(body)
  for (const name of NAMES) {
    const text = query.get(name)
    if (text !== null) given.texts.set(name, text)
  }
  const filter = given.texts.get('filter') ?? ''
  const feed = given.texts.get('feed') || 'normal'
  if (!FEEDS.includes(feed)) throw badRequest('Unknown feed type')
  const options = { ...commonOptions(given.texts, mostHeartbeatSeconds), feed: feed as FeedType }
  if (filter === CHANNEL_FILTER) {
    const names = given.texts.get('channels') ?? ''
    if (names === '') throw badRequest(`Missing 'channels' filter parameter`)
    const channels = names.split(',')
    if (channels.includes('')) throw badRequest('Illegal channel name ""')
    return { ...options, channels }
  }
  if (filter === IDS_FILTER) {
    if (feed !== 'normal') throw badRequest(`Filter '_doc_ids' is only valid for feed=normal replications`)
    return { ...options, ids: idsOf(query.get('doc_ids'), given.ids) }
  }
  if (filter !== '') throw badRequest('Unknown filter; try sync_gateway/bychannel or _doc_ids')
  return options
}

/** Of a WebSocket's first message; `defaults` are the request's. Throws 400. */
export function optionsOfMessage(
  text: string,
  defaults: ChangesOptions,
  mostHeartbeatSeconds: number,
): ChangesOptions {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw badRequest('Bad JSON')
  }
  const { texts } = optionsOfBody(body)
  const channels = listOf(texts.get('channels'))
  return {
    ...commonOptions(texts, mostHeartbeatSeconds),
    feed: 'websocket',
    channels: channels.length === 0 ? defaults.channels : channels,
    compresses: texts.get('accept_encoding') === 'gzip',
  }
}

function commonOptions(texts: ReadonlyMap<string, string>, mostHeartbeatSeconds: number): ChangesOptions {
  const heartbeat = numberOf(texts.get('heartbeat')) ?? 0
  const timeout = numberOf(texts.get('timeout')) ?? DEFAULT_TIMEOUT_MS
  const most = mostHeartbeatSeconds > 0 ? mostHeartbeatSeconds * 1000 : Number.MAX_SAFE_INTEGER
  const heartbeatMs =
    heartbeat === 0 ? undefined : Math.min(Math.max(heartbeat, LEAST_HEARTBEAT_MS), most, MOST_TIMEOUT_MS)
  return {
    feed: 'normal',
    since: parseSequence(texts.get('since')),
    limit: numberOf(texts.get('limit')) || undefined,
    allLeaves: texts.get('style') === 'all_docs',
    activeOnly: texts.get('active_only') === 'true',
    includeDocs: texts.get('include_docs') === 'true',
    channels: undefined,
    ids: undefined,
    heartbeatMs,
    // Who asks for signs of life waits for as long as they come.
    timeoutMs: heartbeatMs === undefined ? Math.min(timeout, MOST_TIMEOUT_MS) : 0,
    compresses: false,
  }
}

const TEXTS = new Set(['feed', 'style', 'filter', 'channels', 'accept_encoding'])
const NUMBERS = new Set(['limit', 'heartbeat', 'timeout'])
const FLAGS = new Set(['active_only', 'include_docs'])

/** Throws 400 for members of a wrong type. */
function optionsOfBody(body: unknown): GivenOptions {
  if (!isObject(body)) throw badRequest('Bad JSON')
  const texts = new Map<string, string>()
  for (const [name, value] of Object.entries(body)) {
    if (value === null) continue
    const type = typeof value
    const isRight =
      name === 'since'
        ? type === 'string' || type === 'number'
        : TEXTS.has(name)
          ? type === 'string'
          : NUMBERS.has(name)
            ? type === 'number'
            : !FLAGS.has(name) || type === 'boolean'
    if (!isRight) throw badRequest(`Bad JSON: ${name}`)
    if (type !== 'object') texts.set(name, String(value))
  }
  return { texts, ids: body['doc_ids'] }
}

/** Undefined for what is no number, and for negative ones. */
function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function listOf(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').filter((each) => each !== '')
}

function idsOf(text: string | null, list: unknown): string[] {
  if (text === null && list !== undefined && list !== null) {
    if (!Array.isArray(list) || list.some((id) => typeof id !== 'string'))
      throw badRequest('Bad JSON: doc_ids')
    if (list.length === 0) throw badRequest('Empty doc_ids list')
    return list as string[]
  }
  const given = text === null || text.trim() === 'null' ? '' : text
  const ids = parsedList(given) ?? given.split(',').filter((id) => id !== '')
  if (ids.length === 0) throw badRequest(`Missing 'doc_ids' filter parameter`)
  return ids
}

function parsedList(text: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text)
    return Array.isArray(list) && list.every((id) => typeof id === 'string') ? list : undefined
  } catch {
    return undefined
  }
}
