import { DatabaseError } from '../../../base/errors.ts'
import type { DocumentEdit, EditResult } from '../../../database/api/database.ts'
import { withInlineAttachments } from '../../../documents/attachment-edit.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import {
  asLocalDocument,
  EMPTY_DOCUMENT,
  interactiveEdit,
  isShortText,
  type ParsedDocument,
  readDocumentText,
  readShortDocument,
  replicatedEdit,
} from '../../../documents/document-edit.ts'
import { isLocalId, requireIdFor, validateDocumentId } from '../../../documents/document-id.ts'
import { MultipartDocument } from '../../../documents/multipart-document.ts'
import { pathOfRevision, revisionOfPath } from '../../../documents/revision.ts'
import { type Answer, json, writtenJson } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { revisionTag, revisionTagHeader } from '../../request/header-text.ts'
import { lastTrueOrFalse, revisionOfQuery } from '../../request/parameters.ts'
import { requestWriter } from '../../request/request-writer.ts'
import {
  headerRevision,
  onlyRevision,
  requireDesignRights,
  writeLocalDocument,
  writeOne,
  writeResults,
  writtenStatus,
} from '../../request/writes.ts'
import { parseReadParameters } from './document-read.ts'

/** What a write that is on its way holds beside its body. */
const OVERHEAD_BYTES = 1024

/** PUT of a document. Each promise costs a part of what a short write does, so nothing is awaited that is there already. */
export async function putDocument(exchange: Exchange): Promise<Answer> {
  parseReadParameters(exchange.query)
  const { id } = exchange
  validateDocumentId(id, exchange.limits.maxIdBytes)
  requireIdFor(exchange.database, id)
  const newEdits = editsAreNew(exchange)
  const contentType = exchange.header('content-type')
  if (contentType?.startsWith('multipart/related;')) return putMultipart(exchange, contentType, newEdits)
  const body = await exchange.body()
  const document = isShortText(body)
    ? readShortDocument(exchange, body)
    : await readDocumentText(exchange, body)
  const plain = editOf(exchange, document, newEdits)
  const edit =
    document.attachments.length === 0 ? plain : await withInlineAttachments(exchange, document, plain)
  if (isBatched(exchange)) return writeLater(exchange, edit, newEdits)
  const location = exchange.documentUri(id)
  return writtenAnswer(exchange, edit, newEdits, location, await writeResults(exchange, edit, newEdits))
}

/** The document in the first part, its attachments in the others. */
async function putMultipart(exchange: Exchange, contentType: string, newEdits: boolean): Promise<Answer> {
  const received = await MultipartDocument.open(exchange, exchange.bodyChunks(), contentType)
  try {
    const plain = editOf(exchange, received.document, newEdits)
    requireDesignRights(exchange, plain.id)
    const edit = { ...plain, attachments: await received.attachments() }
    const location = exchange.documentUri(edit.id)
    return writtenAnswer(exchange, edit, newEdits, location, await writeResults(exchange, edit, newEdits))
  } finally {
    await received.close()
  }
}

function editOf(exchange: Exchange, document: ParsedDocument, newEdits: boolean): DocumentEdit {
  document.revisions = editedRevisions(exchange, document)
  return newEdits ? interactiveEdit(document, exchange.id) : replicatedEdit(document, exchange.id)
}

function writtenAnswer(
  exchange: Exchange,
  { id, deleted }: DocumentEdit,
  newEdits: boolean,
  location: string,
  results: readonly EditResult[],
): Answer {
  const rev = onlyRevision(results)
  const usual = deleted ? 200 : 201
  const status = newEdits ? writtenStatus(exchange, usual) : usual
  return writtenJson(status, id, rev, { etag: revisionTag(rev), location })
}

/** DELETE of a document: a tombstone with an empty body. `batch=ok` is for documents that come; CouchDB ignores it here. */
export async function deleteDocument(exchange: Exchange): Promise<Answer> {
  const { id, database, query } = exchange
  if (!isUtf8(id)) throw new DatabaseError('missing')
  database.get(id)
  const rev = headerRevision(exchange, revisionOfQuery(query))
  const edit: DocumentEdit = { id, deleted: true, body: EMPTY_DOCUMENT.body, term: EMPTY_DOCUMENT.term, rev }
  const newRev = await writeOne(exchange, edit, true)
  return json(writtenStatus(exchange, 200), { ok: true, id, rev: newRev }, revisionTagHeader(newRev))
}

/** POST to a database: a document with an id of its own or a new one. */
export async function postDocument(exchange: Exchange): Promise<Answer> {
  const document = await readDocumentText(exchange, await exchange.jsonTypedBody())
  const id = document.id ?? exchange.uuids.next()
  if (isLocalId(id)) {
    const edit = interactiveEdit(asLocalDocument(document), id)
    const rev = await writeLocalDocument(exchange.database, edit)
    return json(writtenStatus(exchange, 201), { ok: true, id, rev }, { location: exchange.documentUri(id) })
  }
  requireIdFor(exchange.database, id)
  const edit = await withInlineAttachments(exchange, document, interactiveEdit(document, id))
  if (isBatched(exchange)) return writeLater(exchange, edit, true)
  const rev = await writeOne(exchange, edit, true)
  return json(writtenStatus(exchange, 201), { ok: true, id, rev }, { location: exchange.documentUri(id) })
}

export async function bodyDocument(exchange: Exchange): Promise<ParsedDocument> {
  return readDocumentText(exchange, await exchange.body())
}

/** What a user's channels are asked for is there as long as his request. */
function isBatched(exchange: Exchange): boolean {
  return exchange.query.get('batch') === 'ok' && !exchange.isChannelled
}

/** Whether the query does not say `new_edits=false`. */
function editsAreNew(exchange: Exchange): boolean {
  return lastTrueOrFalse(exchange.query, 'new_edits') ?? true
}

/** The body's revisions, or the query's or If-Match's one; where there are several they must agree. */
export function editedRevisions(exchange: Exchange, document: ParsedDocument): ParsedDocument['revisions'] {
  const fromQuery = revisionOfQuery(exchange.query)
  if (document.revisions === undefined) {
    const given = headerRevision(exchange, fromQuery)
    return given === undefined ? undefined : pathOfRevision(given)
  }
  const own = revisionOfPath(document.revisions)
  if (fromQuery !== undefined && fromQuery !== own) {
    throw new DatabaseError(
      'badRequest',
      'Document rev from request body and query string have different values',
    )
  }
  headerRevision(exchange, own)
  return document.revisions
}

/**
 * `batch=ok`: answered before the write is durable, as the client asked. What the write meets afterwards is
 * only logged. The database stays leased until it is done.
 */
async function writeLater(exchange: Exchange, edit: DocumentEdit, newEdits: boolean): Promise<Answer> {
  requireDesignRights(exchange, edit.id)
  const { databases, log } = exchange.backend
  const lease = await databases.lease(exchange.place.database!)
  const note = (error: unknown): void =>
    log.error('batch write failed', { requestId: exchange.requestId, error: String(error) })
  const write = requestWriter(exchange, exchange.seen(lease.database))
    .update([edit], { newEdits })
    .then((results) => {
      for (const result of results) if (!result.ok) note(result.refusal.message)
    }, note)
    .finally(() => lease.release())
  exchange.service.background(write)
  await exchange.service.batches.add(write, edit.body.length + OVERHEAD_BYTES)
  return json(202, { ok: true, id: edit.id })
}
