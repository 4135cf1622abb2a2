/**
 * `/_scheduler`: `jobs`, the replications that are to run, and `docs`, the documents of a `_replicator` database with the state
 * of each. Both are asked for in parts while they are sent, so that neither is ever held whole.
 */
import { DatabaseError } from '../../../base/errors.ts'
import type { Piece } from '../../../documents/piece.ts'
import {
  isReplicatorDatabase,
  REPLICATOR_DATABASE,
} from '../../../replicator/documents/replicator-document.ts'
import {
  type DocumentsWish,
  REPLICATION_STATES,
  type ReplicationInfo,
} from '../../../server/replicator-service.ts'
import { type Answer, json, jsonStream } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { idRange, parseViewParameters } from '../../request/view-parameters.ts'
import type { Resource } from '../resource.ts'

const DEFAULT_LIMIT = 100
const PART = 200

function scheduler(exchange: Exchange): Answer | Promise<Answer> {
  const [list, ...path] = exchange.place.rest
  if (list === 'jobs' && path.length === 0) return jobs(exchange)
  if (list === 'jobs' && path.length === 1) return job(exchange, path[0]!)
  if (list !== 'docs') return json(404, { error: 'not found' })
  const { database, id } = documentPlace(path)
  return id === undefined ? documents(exchange, database) : document(exchange, database, id)
}

/** The slashes of a database's name need not be escaped. Throws badRequest. */
function documentPlace(path: readonly string[]): { database: string; id?: string | undefined } {
  const [first, second, ...more] = path
  if (first === undefined) return { database: REPLICATOR_DATABASE }
  if (isReplicatorDatabase(first) && more.length === 0) return { database: first, id: second }
  const end = path.indexOf(REPLICATOR_DATABASE)
  if (end < 0 || end < path.length - 2) throw new DatabaseError('badRequest', 'Invalid path')
  return { database: path.slice(0, end + 1).join('/'), id: path[end + 1] }
}

async function jobs(exchange: Exchange): Promise<Answer> {
  const { query, backend } = exchange
  const limit = count(query.get('limit'), 'limit', DEFAULT_LIMIT)
  const skip = count(query.get('skip'), 'skip', 0)
  const first = await backend.replicator.jobs(skip, Math.min(limit, PART))
  return jsonStream(200, jobTexts(exchange, skip, limit, first))
}

type Jobs = Awaited<ReturnType<Exchange['backend']['replicator']['jobs']>>

async function* jobTexts(
  exchange: Exchange,
  skip: number,
  limit: number,
  first: Jobs,
): AsyncGenerator<Piece> {
  yield `{"total_rows":${first.total},"offset":${Math.min(skip, first.total)},"jobs":[`
  let part = first
  let sent = 0
  for (;;) {
    for (const each of part.jobs) {
      yield `${sent === 0 ? '' : ','}${JSON.stringify(each)}`
      sent += 1
    }
    if (part.jobs.length < PART || sent >= limit) break
    part = await exchange.backend.replicator.jobs(skip + sent, Math.min(limit - sent, PART))
  }
  yield ']}\n'
}

/** Throws queryParseError. */
function count(text: string | undefined, name: string, absent: number): number {
  if (text === undefined) return absent
  if (!/^[+-]?\d+$/.test(text)) throw new DatabaseError('queryParseError', `${name} must be an integer`)
  const value = Number(text)
  if (value < 0) throw new DatabaseError('queryParseError', `${name} not in range of [0,infinity]`)
  return value
}

async function job(exchange: Exchange, id: string): Promise<Answer> {
  // A plus sign is a space to those who decode queries.
  const found = await exchange.backend.replicator.job(id.replaceAll(' ', '+'))
  if (found === undefined) throw new DatabaseError('missing')
  return json(200, found)
}

async function document(exchange: Exchange, database: string, id: string): Promise<Answer> {
  const found = await exchange.backend.replicator.document(database, id)
  if (found === undefined) throw new DatabaseError('missing')
  return json(200, found)
}

async function documents(exchange: Exchange, database: string): Promise<Answer> {
  const { query, backend } = exchange
  const parameters = parseViewParameters(query)
  const states = statesOf(query.get('states'))
  const { startKey, endKey, empty } = idRange(parameters)
  const { inclusiveEnd, descending, skip, limit = Number.POSITIVE_INFINITY } = parameters
  const range = empty
    ? { startKey: '\u0000', endKey: '\u0000', inclusiveEnd: false }
    : { startKey, endKey, inclusiveEnd }
  const wish: DocumentsWish = { ...range, database, descending, states, after: undefined, limit: PART }
  const first = await backend.replicator.documents(limit === 0 ? { ...wish, limit: 0 } : wish)
  return jsonStream(200, documentTexts(exchange, wish, { skip, limit, first }))
}

type Documents = Awaited<ReturnType<Exchange['backend']['replicator']['documents']>>

async function* documentTexts(
  exchange: Exchange,
  wish: DocumentsWish,
  { skip, limit, first }: { skip: number; limit: number; first: Documents },
): AsyncGenerator<Piece> {
  yield `{"total_rows":${first.total},"offset":${Math.min(skip, first.total)},"docs":[`
  let part = first
  let seen = 0
  let sent = 0
  for (;;) {
    for (const each of part.documents) {
      seen += 1
      if (seen <= skip || sent >= limit) continue
      yield `${sent === 0 ? '' : ','}${text(each)}`
      sent += 1
    }
    if (part.next === undefined || sent >= limit) break
    part = await exchange.backend.replicator.documents({ ...wish, after: part.next })
  }
  yield ']}\n'
}

function text(info: ReplicationInfo): string {
  return JSON.stringify(info)
}

/** Undefined: all. Throws queryParseError. */
function statesOf(given: string | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined
  const states = given
    .split(',')
    .map((state) => state.toLowerCase())
    .filter((state) => state !== '')
  const known: readonly string[] = REPLICATION_STATES
  if (!states.every((state) => known.includes(state))) {
    throw new DatabaseError('queryParseError', `States must be one or more of [${known.join(',')}]`)
  }
  return states.length === 0 ? undefined : states
}

export const schedulerResources: Resource[] = [
  {
    route: '_scheduler',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: scheduler },
  },
]
