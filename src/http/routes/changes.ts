import type { Answer } from '../answer.ts'
import { requireContentType } from '../body.ts'
import { changesFilter } from '../changes-filter.ts'
import { parseChangesParameters, requireKnownFeed } from '../changes-parameters.ts'
import { ChangesReader } from '../changes-rows.ts'
import { watchDatabase } from '../database-watch.ts'
import type { Exchange } from '../exchange.ts'
import { feedAnswer } from '../feed-answer.ts'
import type { Resource } from '../resource.ts'

/** `_changes` with all its feeds. */
async function post(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.request, 'application/json')
  const empty = (await exchange.body()).length === 0
  return changes(exchange, empty ? {} : await exchange.jsonObject())
}

function get(exchange: Exchange): Answer {
  return changes(exchange, undefined)
}

function changes(exchange: Exchange, body: Record<string, unknown> | undefined): Answer {
  const parameters = parseChangesParameters(exchange.query, exchange.header('last-event-id'))
  const filter = changesFilter(exchange, parameters, body)
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
    access: 'member',
    body: 'filter',
    allow: 'GET,POST,HEAD',
    methods: { GET: get, POST: post },
  },
]
