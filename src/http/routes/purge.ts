import { DatabaseError } from '../../base/errors.ts'
import { stringsText, stringText } from '../../base/json/writer.ts'
import type { Steps } from '../../base/time-slice.ts'
import type { PurgedRevisions } from '../../database/api.ts'
import { requireDatabaseAdmin } from '../access.ts'
import { type Answer, json, jsonStream, jsonText, ok, type Piece } from '../answer.ts'
import type { Exchange } from '../exchange.ts'
import type { Resource } from '../resource.ts'
import { revisionSteps } from '../revision.ts'

/** `_purge` and what is remembered of it. The bounds of one request are CouchDB's defaults. */
const MAX_DOCUMENTS = 100
const MAX_REVISIONS = 1000

async function purge(exchange: Exchange): Promise<Answer> {
  await exchange.openDatabase()
  await exchange.jsonTypedBody()
  const requests = await exchange.inTurns(requestSteps(await exchange.jsonObject()))
  if (requests.length > MAX_DOCUMENTS) {
    throw new DatabaseError('badRequest', 'Exceeded maximum number of documents.')
  }
  if (requests.reduce((count, { revs }) => count + revs.length, 0) > MAX_REVISIONS) {
    throw new DatabaseError('badRequest', 'Exceeded maximum number of revisions.')
  }
  const purged = await exchange.database.purge(requests)
  const members = purged.map(({ id, revs }) => `${stringText(id)}:${stringsText(revs)}`)
  return jsonText(201, `{"purge_seq":null,"purged":{${members.join(',')}}}\n`)
}

function* requestSteps(object: Record<string, unknown>): Steps<PurgedRevisions[]> {
  const requests: PurgedRevisions[] = []
  for (const id in object) {
    const revs = object[id]
    if (!Array.isArray(revs)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
    requests.push({ id, revs: yield* revisionSteps(revs) })
    yield
  }
  return requests
}

function purgedInfos(exchange: Exchange): Answer {
  return jsonStream(200, infoTexts(exchange))
}

function* infoTexts(exchange: Exchange): Generator<Piece> {
  yield '{"purged_infos":['
  let comma = ''
  for (const { id, revs } of exchange.database.purgedInfos()) {
    yield `${comma}{"id":${stringText(id)},"revs":${stringsText(revs)}}`
    comma = ','
  }
  yield ']}\n'
}

function getLimit(exchange: Exchange): Answer {
  return json(200, exchange.database.purgedInfosLimit())
}

async function putLimit(exchange: Exchange): Promise<Answer> {
  requireDatabaseAdmin(exchange)
  const limit = await exchange.jsonBody()
  await exchange.database.setPurgedInfosLimit(typeof limit === 'number' ? limit : 0)
  return ok()
}

export const purgeResources: Resource[] = [
  { route: 'db/_purge', access: 'server-admin', body: 'names', allow: 'POST', methods: { POST: purge } },
  { route: 'db/_purged_infos', access: 'member', allow: 'GET', methods: { GET: purgedInfos } },
  {
    route: 'db/_purged_infos_limit',
    access: 'member',
    allow: 'PUT,GET',
    methods: { GET: getLimit, PUT: putLimit },
  },
]
