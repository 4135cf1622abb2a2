import { type Answer, bare, type Headers, jsonStream, type Piece } from '../answer.ts'
import { requireContentType } from '../body.ts'
import { changeWaiter } from '../change-waiter.ts'
import {
  continuousFeed,
  eventFeed,
  idleOf,
  longpollFeed,
  normalFeed,
  type WaitForChange,
} from '../changes-feed.ts'
import { changesFilter } from '../changes-filter.ts'
import { parseChangesParameters, requireKnownFeed } from '../changes-parameters.ts'
import { ChangesReader } from '../changes-rows.ts'
import { contentEtag } from '../etag.ts'
import type { Exchange } from '../exchange.ts'
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
  const reader = new ChangesReader(database, parameters, filter)
  if (parameters.feed === 'normal') {
    const etag = contentEtag(database.uuid, String(database.updateSeqNumber))
    if (exchange.matchesEtag(etag)) return bare(304, { etag })
    reader.open()
    const pieces = normalFeed(reader)
    const end = (): IteratorResult<Piece> => {
      reader.close()
      return pieces.return(undefined)
    }
    return jsonStream(200, { next: () => pieces.next(), return: end }, { etag })
  }
  reader.open()
  const idle = idleOf(parameters, exchange.service.limits.feedTimeoutMs)
  if (parameters.feed === 'longpoll') {
    return waiting(exchange, reader, (wait) => longpollFeed(reader, wait, idle))
  }
  if (parameters.feed === 'continuous') {
    return waiting(exchange, reader, (wait) => continuousFeed(reader, wait, idle))
  }
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }
  return waiting(exchange, reader, (wait) => eventFeed(reader, wait, idle), headers)
}

/** Listens for changes from now on until the feed ends, the client goes, or the server stops. */
function waiting(
  exchange: Exchange,
  reader: ChangesReader,
  feed: (wait: WaitForChange) => AsyncGenerator<Piece>,
  headers: Headers = {},
): Answer {
  const { wait, stop } = changeWaiter(exchange.database, exchange.response, [
    exchange.lease.signal,
    exchange.service.stopping,
  ])
  const pieces = feed(wait)
  const end = async (): Promise<IteratorResult<Piece>> => {
    stop()
    reader.close()
    return pieces.return(undefined)
  }
  const next = async (): Promise<IteratorResult<Piece>> => {
    const step = await pieces.next()
    if (step.done === true) stop()
    return step
  }
  return jsonStream(200, { next, return: end }, headers)
}

export const changesResources: Resource[] = [
  { route: 'db/_changes', access: 'member', allow: 'GET,POST,HEAD', methods: { GET: get, POST: post } },
]
