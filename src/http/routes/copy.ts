import { DatabaseError } from '../../base/errors.ts'
import { scanDocument } from '../../base/json/documents.ts'
import { type Answer, json } from '../answer.ts'
import { isLocalId, validateDocumentId } from '../document-id.ts'
import type { Exchange } from '../exchange.ts'
import { revisionTagHeader } from '../header-text.ts'
import { decodeComponent, isUtf8 } from '../path.ts'
import { readRevision } from '../revision.ts'
import { headerRevision, writeOne } from '../writes.ts'
import { storedEdit } from './attachment-write.ts'

/** COPY of a document to `Destination: id[?rev=R]`, relative only. */
export async function copyDocument(exchange: Exchange): Promise<Answer> {
  const text = exchange.query.get('rev')
  const source = headerRevision(exchange, text === undefined ? undefined : readRevision(text))
  const target = parseDestination(exchange.header('destination'))
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  const view = exchange.database.get(exchange.id, source === undefined ? {} : { rev: source })
  validateDocumentId(target.id)
  if (isLocalId(target.id)) {
    throw new DatabaseError('notImplemented', 'copies to local documents are not implemented')
  }
  const scanned = scanDocument(view.body())
  if (scanned === null) throw new Error('a stored body is no object')
  const { body, term } = scanned
  const attachments = view.attachments().map(storedEdit)
  const edit = { id: target.id, deleted: view.deleted, body, term, rev: target.rev, attachments }
  const rev = await writeOne(exchange, edit, true)
  return json(
    201,
    { ok: true, id: target.id, rev },
    { ...revisionTagHeader(rev), location: exchange.documentUri(target.id) },
  )
}

/** Throws badRequest. */
function parseDestination(header: string | undefined): { id: string; rev: string | undefined } {
  if (header === undefined) throw new DatabaseError('badRequest', 'Destination header is mandatory for COPY.')
  if (/^https?:\/\//.test(header)) {
    throw new DatabaseError('badRequest', 'Destination URL must be relative.')
  }
  const question = header.indexOf('?')
  if (question < 0) return { id: decodeComponent(header), rev: undefined }
  const parameter = header.slice(question + 1)
  const rev = readRevision(decodeComponent(parameter.slice(parameter.indexOf('=') + 1)))
  return { id: decodeComponent(header.slice(0, question)), rev }
}
