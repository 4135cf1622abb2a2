import { ChangesReader } from '../../../documents/changes-rows.ts'
import type { Answer } from '../../answer/answer.ts'
import { watchDatabase } from '../../feeds/database-watch.ts'
import { feedAnswer } from '../../feeds/feed-answer.ts'
import { requestedFilter } from '../../feeds/requested-filter.ts'
import { requireContentType } from '../../request/body.ts'
import { parseChangesParameters, requireKnownFeed } from '../../request/changes-parameters.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** `_changes` with all its feeds. */
async function post(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const empty = (await exchange.body()).length === 0
  return empty ? changes(exchange, {}, true) : changes(exchange, await exchange.jsonObject())
}

function get(exchange: Exchange): Answer {
  return changes(exchange, undefined)
}

function changes(exchange: Exchange, body: Record<string, unknown> | undefined, isEmpty = false): Answer {
  const parameters = parseChangesParameters(exchange.query, exchange.header('last-event-id'))
  const filter = requestedFilter(exchange, parameters, body, isEmpty)
  requireKnownFeed(parameters)
  const { database } = exchange
  const reader = new ChangesReader(() => exchange.database, parameters, filter)
  return feedAnswer(exchange, {
    database,
    reader,
    parameters,
    listen: (client) => watchDatabase(exchange, client),
  })
}

export const changesResources: Resource[] = [
  {
    route: 'db/_changes',
    endpoint: 'owns-rest',
    body: 'filter',
    allow: 'GET,POST,HEAD',
    methods: { GET: get, POST: post },
  },
]
