/** `_view/{name}`, by GET and POST, and `_view/{name}/queries`. */
import { DatabaseError } from '../../../base/errors.ts'
import { giveWay } from '../../../base/time-slice.ts'
import type { Design } from '../../../scripting/design.ts'
import { type Answer, jsonStream, type Pieces } from '../../answer/answer.ts'
import { HeldPieces } from '../../answer/held-pieces.ts'
import { lateListing, listing, type Page, pageListing } from '../../answer/view-listing.ts'
import type { Exchange } from '../../request/exchange.ts'
import { keysOfBody, queriesMember, queriesOfBody } from '../../request/view-body.ts'
import {
  bodyMembers,
  parseOneOfQueries,
  parseViewQuery,
  type RequestedView,
} from '../../request/view-query.ts'
import { handlerOf, type Methods, type Resource } from '../resource.ts'
import { ANY_METHOD, openDesign } from './design-call.ts'
import { type ViewPages, viewPages } from './view-pages.ts'
import { viewTarget } from './view-target.ts'

const QUERIES = 'queries'
const KEYS_REASON = '`keys` member must be an array.'
const NO_QUERIES_REASON = 'The `queries` parameter is no longer supported at this endpoint'

/** A GET is answered from the design document that was found. */
const VIEW: Methods = { allow: 'GET,POST,HEAD', methods: { POST: posted } }
const SEVERAL: Methods = { allow: 'POST', methods: { POST: queries } }

/** Behind a design document, which is found before anything else is said. */
function view(exchange: Exchange): Answer | Promise<Answer> {
  const { design } = openDesign(exchange)
  const { rest } = exchange.place
  const isSeveral = rest.length === 2 && rest[1] === QUERIES
  if (!isSeveral && rest.length !== 1) throw notAllowed(VIEW)
  if (isSeveral) return handlerOf(SEVERAL, exchange.method)(exchange)
  if (exchange.method === 'GET') return answered(exchange, parseViewQuery(exchange.query.pairs), design)
  return handlerOf(VIEW, exchange.method)(exchange)
}

function notAllowed({ allow }: Methods): DatabaseError {
  return new DatabaseError('methodNotAllowed', `Only ${allow} allowed`, { headers: { allow } })
}

async function posted(exchange: Exchange): Promise<Answer> {
  const asked = await postedView(exchange)
  return answered(exchange, asked, openDesign(exchange).design)
}

function answered(exchange: Exchange, asked: RequestedView, design: Design): Answer | Promise<Answer> {
  const target = viewTarget(exchange, design, exchange.id, exchange.place.rest[0]!)
  countReads(exchange, 1)
  const pages = viewPages(exchange, target, [asked])
  return pages instanceof Promise ? pages.then((later) => answer(later, false)) : answer(pages, false)
}

/** What a GET or a POST of one query asks for. Throws, or rejects with, badRequest, badContentType, queryParseError. */
export function requestedView(exchange: Exchange): RequestedView | Promise<RequestedView> {
  return exchange.method === 'POST' ? postedView(exchange) : parseViewQuery(exchange.query.pairs)
}

async function postedView(exchange: Exchange): Promise<RequestedView> {
  const { pairs } = exchange.query
  await exchange.jsonTypedBody()
  const body = await exchange.json.object()
  if (queriesMember(body) !== undefined) throw new DatabaseError('badRequest', NO_QUERIES_REASON)
  keysOfBody(body, KEYS_REASON)
  return parseViewQuery(pairs, await bodyMembers(exchange, body))
}

async function queries(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const all = queriesOfBody(await exchange.json.object())
  const { pairs } = exchange.query
  parseViewQuery(pairs)
  const { design } = openDesign(exchange)
  const target = viewTarget(exchange, design, exchange.id, exchange.place.rest[0]!)
  const asked: RequestedView[] = []
  for (const [i, each] of all.entries()) {
    asked.push(parseOneOfQueries(pairs, await bodyMembers(exchange, each, QUERIES, i)))
    await giveWay()
  }
  countReads(exchange, all.length)
  return answer(await viewPages(exchange, target, asked), true)
}

function countReads(exchange: Exchange, count: number): void {
  exchange.backend.metrics.count('couchdb.httpd.view_reads', count)
}

function piecesOf(pages: ViewPages['pages'], isLate: boolean, results: boolean): Pieces {
  if (isLate) {
    return lateListing(
      pages.map((page) => () => page),
      { results },
    )
  }
  const [only, ...more] = pages as readonly Page[]
  if (only !== undefined && more.length === 0 && !results) return pageListing(() => only)
  return listing(
    pages.map((page) => () => page as Page),
    { results },
  )
}

function answer({ pages, isLate, release }: ViewPages, results: boolean): Answer {
  return jsonStream(200, new HeldPieces(piecesOf(pages, isLate, results), release))
}

export const viewResource: Resource = {
  route: 'design/_view',
  endpoint: 'owns-rest',
  body: 'lookup',
  allow: VIEW.allow,
  methods: Object.fromEntries(ANY_METHOD.map((method) => [method, view])),
}
