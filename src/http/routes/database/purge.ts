import { DatabaseError } from '../../../base/errors.ts'
import type { Steps } from '../../../base/time-slice.ts'
import type { PurgeRequest } from '../../../database/api/database.ts'
import { parseRevision } from '../../../database/revisions/revision-id.ts'
import { PAUSE, type Piece } from '../../../documents/piece.ts'
import { revisionSteps } from '../../../documents/revision.ts'
import { compareRaw } from '../../../json/collation.ts'
import { stringsText, stringText } from '../../../json/writer.ts'
import { type Answer, json, jsonStream, jsonText, ok } from '../../answer/answer.ts'
import { exactNumberOfBody } from '../../request/exact-members.ts'
import type { Exchange } from '../../request/exchange.ts'
import { writtenStatus } from '../../request/writes.ts'
import type { Resource } from '../resource.ts'

/** Revisions, and documents, that are purged in one turn of the writer: between two of them others have theirs. */
const REVISIONS_AT_ONCE = 1000
const DOCUMENTS_AT_ONCE = 250

async function purge(exchange: Exchange): Promise<Answer> {
  await exchange.openDatabase()
  exchange.backend.metrics.count('couchdb.httpd.purge_requests')
  await exchange.jsonTypedBody()
  const requests = await exchange.inTurns(requestSteps(await exchange.jsonObject()))
  const count = requests.reduce((sum, { revisions }) => sum + revisions.length, 0)
  if (count > exchange.limits.maxPurgedRevisions) {
    throw new DatabaseError('badRequest', 'Exceeded maximum number of revisions.')
  }
  const purged = new Map<string, string[]>()
  for (const part of inParts(requests)) {
    for (const { id, revs } of await exchange.database.purge(part)) {
      purged.set(id, [...(purged.get(id) ?? []), ...revs])
    }
  }
  const members = Array.from(purged, ([id, revs]) => `${stringText(id)}:${stringsText(revs)}`)
  return jsonText(writtenStatus(exchange, 201), `{"purge_seq":null,"purged":{${members.join(',')}}}\n`)
}

/** A document with more revisions than fit into a part comes in several. */
function* inParts(requests: readonly PurgeRequest[]): Generator<PurgeRequest[]> {
  let part: PurgeRequest[] = []
  let room = REVISIONS_AT_ONCE
  for (const { id, revisions } of requests) {
    let start = 0
    do {
      if (room === 0 || part.length === DOCUMENTS_AT_ONCE) {
        yield part
        part = []
        room = REVISIONS_AT_ONCE
      }
      const taken = revisions.slice(start, start + room)
      part.push({ id, revisions: taken })
      start += taken.length
      room -= taken.length
    } while (start < revisions.length)
  }
  if (part.length > 0) yield part
}

function* requestSteps(object: Record<string, unknown>): Steps<PurgeRequest[]> {
  const requests: PurgeRequest[] = []
  for (const id in object) {
    const revs = object[id]
    if (!Array.isArray(revs)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
    requests.push({ id, revisions: yield* revisionSteps(revs) })
    yield
  }
  return requests
}

function purgedInfos(exchange: Exchange): Answer {
  return jsonStream(200, infoTexts(exchange))
}

/** How many are read in one go. */
const RUN = 256

/**
 * In the order of ids, then of revisions, and what was asked for twice once, as CouchDB answers. So all are held,
 * which are `_purged_infos_limit` at most.
 */
function* infoTexts(exchange: Exchange): Generator<Piece> {
  const infos: { text: string; key: unknown[] }[] = []
  for (const { id, revs } of exchange.database.purgedInfos()) {
    const text = `{"id":${stringText(id)},"revs":${stringsText(revs)}}`
    const key = revs.map(parseRevision).map(({ pos, id }) => [pos, id])
    infos.push({ text, key: [id, key] })
    if (infos.length % RUN === 0) yield PAUSE
  }
  infos.sort((a, b) => compareRaw(a.key, b.key))
  yield '{"purged_infos":['
  let before: string | undefined
  for (const { text } of infos) {
    if (text === before) continue
    yield before === undefined ? text : `,${text}`
    before = text
  }
  yield ']}\n'
}

function getLimit(exchange: Exchange): Answer {
  return json(200, exchange.database.purgedInfosLimit())
}

async function putLimit(exchange: Exchange): Promise<Answer> {
  await exchange.openDatabase()
  const limit = await exactNumberOfBody(exchange, await exchange.jsonBody())
  await exchange.database.setPurgedInfosLimit(typeof limit === 'number' ? limit : 0)
  return ok()
}

export const purgeResources: Resource[] = [
  {
    route: 'db/_purge',
    endpoint: 'alone',
    body: 'names',
    allow: 'POST',
    methods: { POST: purge },
  },
  {
    route: 'db/_purged_infos',
    endpoint: 'alone',
    allow: 'GET',
    methods: { GET: purgedInfos },
  },
  {
    route: 'db/_purged_infos_limit',
    endpoint: 'alone',
    allow: 'GET,PUT',
    methods: { GET: getLimit, PUT: putLimit },
  },
]
