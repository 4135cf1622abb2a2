import type { Database } from '../../database/api/database.ts'
import type { ChangesReader } from '../../documents/changes-rows.ts'
import {
  type Answer,
  type AnswerPiece,
  bare,
  type Headers,
  jsonStream,
  type Pieces,
} from '../answer/answer.ts'
import { contentEtag } from '../answer/etag.ts'
import type { ChangesParameters } from '../request/changes-parameters.ts'
import type { Exchange } from '../request/exchange.ts'
import type { ChangeWaiter, Client } from './change-waiter.ts'
import {
  beatingNormalFeed,
  continuousFeed,
  eventFeed,
  idleOf,
  longpollFeed,
  normalFeed,
  type WaitForChange,
} from './changes-feed.ts'
import { Pulse } from './pulse.ts'

/** What a feed is made of. */
export interface Feed {
  database: Database
  reader: ChangesReader
  parameters: ChangesParameters
  /** Listens for changes on behalf of a client, from now on. */
  listen(client: Client): ChangeWaiter
}

/** Answers with the feed that the parameters ask for. Throws badRequest for a malformed `since`. */
export function feedAnswer(exchange: Exchange, feed: Feed): Answer {
  const { database, reader, parameters } = feed
  const { clock } = exchange.backend
  const pulse = new Pulse(idleOf(parameters, exchange.limits.feedTimeoutMs), () => clock.monotonic())
  if (parameters.feed === 'normal') {
    const etag = contentEtag(database.uuid, String(database.updateSeqNumber))
    if (exchange.matchesEtag(etag)) return bare(304, { etag })
    reader.open()
    const pieces =
      pulse.beats && parameters.filter !== '' ? beatingNormalFeed(reader, pulse) : normalFeed(reader)
    const end = () => {
      reader.close()
      return pieces.return(undefined)
    }
    return jsonStream(200, { next: () => pieces.next(), return: end } as Pieces, { etag })
  }
  reader.open()
  if (parameters.feed === 'longpoll') {
    return waiting(exchange, feed, (wait) => longpollFeed(reader, wait, pulse))
  }
  if (parameters.feed === 'continuous') {
    return waiting(exchange, feed, (wait) => continuousFeed(reader, wait, pulse))
  }
  const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }
  return waiting(exchange, feed, (wait) => eventFeed(reader, wait, pulse), headers)
}

/** Listens for changes from now on until the feed ends, the client goes, or the server stops. */
function waiting(
  exchange: Exchange,
  { reader, listen }: Feed,
  feed: (wait: WaitForChange) => AsyncGenerator<AnswerPiece>,
  headers: Headers = {},
): Answer {
  const { wait, stop: unlisten } = listen(exchange.response)
  const { metrics } = exchange.backend
  metrics.count('couchdb.httpd.clients_requesting_changes')
  let isOver = false
  const stop = (): void => {
    unlisten()
    if (!isOver) metrics.count('couchdb.httpd.clients_requesting_changes', -1)
    isOver = true
  }
  const pieces = feed(wait)
  const end = async (): Promise<IteratorResult<AnswerPiece>> => {
    stop()
    reader.close()
    return pieces.return(undefined)
  }
  const next = async (): Promise<IteratorResult<AnswerPiece>> => {
    const step = await pieces.next()
    if (step.done === true) stop()
    return step
  }
  return jsonStream(200, { next, return: end }, headers)
}
