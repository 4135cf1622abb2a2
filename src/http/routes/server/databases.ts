import { DatabaseError } from '../../../base/errors.ts'
import type { Piece } from '../../../documents/piece.ts'
import { type Answer, bare, type Headers, jsonStream } from '../../answer/answer.ts'
import { contentEtag } from '../../answer/etag.ts'
import type { Exchange } from '../../request/exchange.ts'
import { idRange, parseViewParameters } from '../../request/view-parameters.ts'
import { databaseInfo } from '../database/database.ts'
import { type Resource, withNothingBelow } from '../resource.ts'

/** `_all_dbs` and `_dbs_info`. */
async function selectedNames(exchange: Exchange): Promise<string[]> {
  const parameters = parseViewParameters(exchange.query)
  const { startKey, endKey, empty } = idRange(parameters)
  if (empty) return []
  const { inclusiveEnd, descending, skip, limit } = parameters
  return exchange.backend.databases.list({ startKey, endKey, inclusiveEnd, descending, skip, limit })
}

/** Answers 304 where the client has what would be sent. */
function tagged(exchange: Exchange, names: string[], answer: (headers: Headers) => Answer): Answer {
  const etag = contentEtag(...names)
  return exchange.matchesEtag(etag) ? bare(304, { etag }) : answer({ etag })
}

async function allDbs(exchange: Exchange): Promise<Answer> {
  const names = await selectedNames(exchange)
  return tagged(exchange, names, (headers) => jsonStream(200, nameTexts(names), headers))
}

function* nameTexts(names: string[]): Generator<Piece> {
  let separator = '['
  for (const name of names) {
    yield `${separator}${JSON.stringify(name)}`
    separator = ','
  }
  yield separator === '[' ? '[]\n' : ']\n'
}

async function allInfos(exchange: Exchange): Promise<Answer> {
  const names = await selectedNames(exchange)
  // What the databases hold changes without their names: no 304 here.
  return jsonStream(200, infoTexts(exchange, names, false), { etag: contentEtag(exchange.requestId) })
}

async function someInfos(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const { keys } = await exchange.json.object()
  if (keys === undefined) throw new DatabaseError('badRequest', '`keys` member must exist.')
  if (!Array.isArray(keys)) throw new DatabaseError('badRequest', '`keys` member must be an array.')
  if (keys.length > exchange.limits.maxDatabasesInfo) {
    throw new DatabaseError('badRequest', 'too_many_keys')
  }
  return jsonStream(200, infoTexts(exchange, keys, true))
}

/** Databases are opened one at a time; one that is gone is `not_found`, or left out. */
async function* infoTexts(
  exchange: Exchange,
  names: readonly unknown[],
  tellMissing: boolean,
): AsyncGenerator<Piece> {
  let separator = '['
  for (const name of names) {
    const text = await infoText(exchange, name)
    if (text === undefined && !tellMissing) continue
    yield `${separator}${text ?? JSON.stringify({ key: name, error: 'not_found' })}`
    separator = ','
  }
  yield separator === '[' ? '[]\n' : ']\n'
}

async function infoText(exchange: Exchange, name: unknown): Promise<string | undefined> {
  if (typeof name !== 'string') return undefined
  const { databases } = exchange.backend
  try {
    const lease = await databases.lease(name)
    try {
      return JSON.stringify({ key: name, info: databaseInfo(lease.database, databases.shardsOf(name) ?? 1) })
    } finally {
      lease.release()
    }
  } catch (error) {
    if (error instanceof DatabaseError && error.kind === 'noDatabase') return undefined
    throw error
  }
}

export const databasesResources: Resource[] = [
  withNothingBelow({
    route: '_all_dbs',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: allDbs },
  }),
  withNothingBelow({
    route: '_dbs_info',
    endpoint: 'owns-rest',
    body: 'names',
    allow: 'GET,HEAD,POST',
    methods: { GET: allInfos, POST: someInfos },
  }),
]
