import type { ChangeRow } from '../../../database/api/database.ts'
import { ChangesReader } from '../../../documents/changes-rows.ts'
import type { Piece } from '../../../documents/piece.ts'
import { stringText } from '../../../json/writer.ts'
import { eventOf } from '../../../server/database-events.ts'
import type { Answer } from '../../answer/answer.ts'
import { type ChangeWaiter, type Client, changeWaiter } from '../../feeds/change-waiter.ts'
import { feedAnswer } from '../../feeds/feed-answer.ts'
import { withRights } from '../../feeds/feed-rights.ts'
import type { ChangesParameters } from '../../request/changes-parameters.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue, readNatural, readOneOf } from '../../request/parameters.ts'
import type { Query } from '../../request/query.ts'
import type { Resource } from '../resource.ts'

/** `_db_updates`: the events of all databases, with the feeds of `_changes`. */
async function dbUpdates(exchange: Exchange): Promise<Answer> {
  const parameters = parseParameters(exchange.query, exchange.header('last-event-id'))
  const { events } = exchange.backend
  await events.flush()
  const { database } = events
  const reader = new ChangesReader(() => database, parameters, undefined, eventText)
  const { stopping } = exchange.service
  const listen = (client: Client): ChangeWaiter => {
    const waiter = changeWaiter((onChange) => database.onChange(onChange), client, [stopping])
    return withRights(exchange, waiter)
  }
  return feedAnswer(exchange, { database, reader, parameters, listen })
}

function eventText(row: ChangeRow): Piece[] {
  const { type, name } = eventOf(row.id)
  return [`{"db_name":${stringText(name)},"type":"${type}","seq":${stringText(row.seq)}}`]
}

const FEEDS = ['normal', 'continuous', 'longpoll', 'eventsource'] as const

/** Numbers are looked at before the feed, as CouchDB does. Throws badRequest. */
function parseParameters(query: Query, lastEventId: string | undefined): ChangesParameters {
  const number = (name: string): number | undefined => {
    const text = query.last(name)
    return text === undefined ? undefined : readNatural(text, 'invalid_integer')
  }
  const limit = number('limit')
  const timeoutMs = number('timeout')
  const beat = query.last('heartbeat')
  const heartbeatMs = isTrue(beat) ? true : beat === 'false' ? undefined : number('heartbeat')
  const reason = 'Supported `feed` types: normal, continuous, longpoll, eventsource'
  const feed = readOneOf(query.last('feed') ?? 'normal', FEEDS, reason)
  return {
    feed,
    since: (feed === 'eventsource' ? lastEventId : undefined) ?? query.last('since') ?? '0',
    limit,
    descending: isTrue(query.last('descending')),
    style: 'main_only',
    includeDocs: false,
    conflicts: false,
    attachments: {},
    seqInterval: undefined,
    heartbeatMs: heartbeatMs === 0 ? 1 : heartbeatMs,
    timeoutMs,
    filter: '',
    activeOnly: false,
  }
}

export const dbUpdatesResources: Resource[] = [
  {
    route: '_db_updates',
    endpoint: 'alone',
    allow: 'GET',
    methods: { GET: dbUpdates },
  },
]
