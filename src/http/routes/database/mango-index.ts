import { DatabaseError, referred } from '../../../base/errors.ts'
import type { DocumentView } from '../../../database/api/database.ts'
import { checkDocumentId } from '../../../database/layout/document-id.ts'
import { EMPTY_DOCUMENT } from '../../../documents/document-edit.ts'
import { scanDocument } from '../../../json/documents.ts'
import { elementsOf, isArrayAt } from '../../../json/walk.ts'
import { stringText } from '../../../json/writer.ts'
import { readIndexName } from '../../../mango/find-options.ts'
import { bodyWith, bodyWithout, readWantedIndex } from '../../../mango/index-definition.ts'
import { indexesOfDesign, type MangoIndex } from '../../../mango/mango-index.ts'
import { designIdOf } from '../../../mango/planner.ts'
import { plain, QueryMembers } from '../../../mango/query-members.ts'
import { JsonSlice } from '../../../selector/json-slice.ts'
import { type Answer, jsonText, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { requestWriter } from '../../request/request-writer.ts'
import type { Resource } from '../resource.ts'
import { mangoIndexes, queryBody } from './find.ts'

/** `_index`: indexes of Mango, which are in design documents of the language `query`. */

const MOST_DELETED = 10_000

function handle(exchange: Exchange): Answer | Promise<Answer> {
  const { method } = exchange
  const { rest } = exchange.place
  if (rest.length === 0) {
    if (method === 'GET') return listIndexes(exchange)
    if (method === 'POST') return createIndex(exchange)
    throw notAllowed('GET,POST')
  }
  if (rest.length === 1 && rest[0] === '_bulk_delete') {
    if (method === 'POST') return deleteIndexes(exchange)
    throw notAllowed('POST')
  }
  const [design, type, name] = rest[0] === '_design' && rest.length === 4 ? rest.slice(1) : rest
  if (rest.length !== 3 && rest.length !== 4) throw new DatabaseError('missing')
  if (rest.length === 4 && rest[0] !== '_design') throw new DatabaseError('missing')
  if (method !== 'DELETE') throw notAllowed('DELETE')
  return deleteIndex(exchange, designIdOf(design!), type!, name!)
}

function notAllowed(allow: string): DatabaseError {
  return new DatabaseError('methodNotAllowed', `Only ${allow} allowed`, { headers: { allow } })
}

async function listIndexes(exchange: Exchange): Promise<Answer> {
  const { query } = exchange
  const indexes = await mangoIndexes(exchange)
  const limit = numberOf(query.get('limit'), indexes.length)
  const skip = numberOf(query.get('skip'), 0)
  if (limit < 1 || skip < 0) throw referred(new DatabaseError('invalidIndexList'))
  const shown = indexes.slice(skip, skip + limit).map((index) => index.shown)
  return jsonText(200, `{"total_rows":${indexes.length},"indexes":[${shown.join(',')}]}\n`)
}

/** Throws invalid_list_index_params. */
function numberOf(text: string | undefined, ifAbsent: number): number {
  if (text === undefined) return ifAbsent
  if (/^[+-]?\d{1,15}$/.test(text)) return Number(text)
  throw referred(new DatabaseError('invalidIndexList'))
}

async function createIndex(exchange: Exchange): Promise<Answer> {
  const wanted = readWantedIndex(await queryBody(exchange))
  const { designId, name } = wanted
  checkDocumentId(designId)
  const found = await designOf(exchange, designId)
  const before = found?.body()
  const body = bodyWith(before, wanted)
  const isThere = before?.equals(body) === true
  if (!isThere) await write(exchange, designId, body, found?.rev)
  const result = isThere ? 'exists' : 'created'
  return jsonText(200, `{"result":"${result}","id":${stringText(designId)},"name":${stringText(name)}}\n`)
}

async function deleteIndex(
  exchange: Exchange,
  designId: string,
  type: string,
  name: string,
): Promise<Answer> {
  const isThat = (index: MangoIndex): boolean => index.name === name && type === 'json'
  if (!(await remove(exchange, designId, isThat))) throw new DatabaseError('missing')
  return ok()
}

async function deleteIndexes(exchange: Exchange): Promise<Answer> {
  const members = new QueryMembers(await queryBody(exchange))
  const designs = readDesignNames(members.require('docids'))
  members.positive('w', 2)
  members.finish()
  const success: string[] = []
  const fail: string[] = []
  for (const name of designs) {
    const id = stringText(designIdOf(name))
    if (await remove(exchange, designIdOf(name), () => true)) success.unshift(`{"id":${id},"ok":true}`)
    else fail.unshift(`{"id":${id},"error":"not_found"}`)
  }
  return jsonText(200, `{"success":[${success.join(',')}],"fail":[${fail.join(',')}]}\n`)
}

function readDesignNames(slice: JsonSlice): string[] {
  const { text, at } = slice
  const elements = isArrayAt(text, at) ? elementsOf(text, at) : undefined
  if (elements === undefined) {
    const reason = `Bulk Delete requires an array of non-null docids. Docids: ${plain(slice)}`
    throw new DatabaseError('invalidBulkDocs', reason)
  }
  if (elements.length > MOST_DELETED) throw new DatabaseError('requestTooLarge')
  return elements.map((element) => {
    const name = new JsonSlice(text, element)
    const [design] = readIndexName(name)
    if (design === undefined)
      throw new DatabaseError('invalidIndexName', `Invalid index name: ${plain(name)}`)
    return design
  })
}

/** Whether there were such indexes. */
async function remove(
  exchange: Exchange,
  designId: string,
  isMeant: (index: MangoIndex) => boolean,
): Promise<boolean> {
  const view = await designOf(exchange, designId)
  if (view === undefined) return false
  const indexes = indexesOfDesign(view, exchange.database.properties.partitioned)
  const names = indexes.filter((index) => index.isOffered && isMeant(index)).map(({ name }) => name)
  if (names.length === 0) return false
  await write(exchange, designId, bodyWithout(view.body(), names), view.rev)
  return true
}

async function designOf({ database }: Exchange, designId: string): Promise<DocumentView | undefined> {
  await database.refresh()
  try {
    return database.get(designId)
  } catch (error) {
    if (error instanceof DatabaseError && error.status === 404) return undefined
    throw error
  }
}

/** Without a body the document is deleted. Throws errorSavingDesign, and what refuses the document. */
async function write(
  exchange: Exchange,
  id: string,
  body: Buffer | undefined,
  rev: string | undefined,
): Promise<void> {
  const scanned = body === undefined ? EMPTY_DOCUMENT : scanDocument(body)!
  if (scanned.body.length > exchange.limits.maxDocumentBytes) throw new DatabaseError('documentTooLarge', id)
  const edit = { id, rev, deleted: body === undefined, body: scanned.body, term: scanned.term }
  const [result] = await requestWriter(exchange).update([edit])
  if (!result!.ok) throw savingFailure(result!.refusal)
}

/** Who may not write is told that; for anything else there is one error, as in CouchDB. */
function savingFailure(refusal: DatabaseError): DatabaseError {
  if (refusal.status === 401 || refusal.status === 403) return refusal
  const reason =
    refusal.kind === 'conflict'
      ? 'Encountered a conflict while saving the design document.'
      : `Unknown error while saving the design document: ${refusal.error}`
  return referred(new DatabaseError('errorSavingDesign', reason, { cause: refusal }))
}

export const mangoIndexResources: Resource[] = [
  {
    route: 'db/_index',
    endpoint: 'owns-rest',
    body: 'query',
    allow: 'GET,POST',
    methods: Object.fromEntries(
      ['GET', 'POST', 'PUT', 'DELETE', 'COPY', 'PATCH', 'OPTIONS', 'TRACE'].map((method) => [method, handle]),
    ),
  },
]
