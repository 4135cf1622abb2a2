import { DatabaseError } from '../../../base/errors.ts'
import type { DocumentEdit } from '../../../database/api/database.ts'
import { storedEdit } from '../../../documents/attachment-edit.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import { isLocalId, validateDocumentId } from '../../../documents/document-id.ts'
import { readRevision } from '../../../documents/revision.ts'
import { scanDocumentSteps } from '../../../json/documents.ts'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { revisionTagHeader } from '../../request/header-text.ts'
import { revisionOfQuery } from '../../request/parameters.ts'
import { decodeComponent } from '../../request/path.ts'
import { headerRevision, writeLocalDocument, writeOne } from '../../request/writes.ts'

/** What a copy takes over. A local document has no attachments, and drops those that it is given. */
type Copied = Pick<DocumentEdit, 'deleted' | 'body' | 'term' | 'attachments'>

/** COPY of a document to `Destination: id[?rev=R]`, relative only. Either may be a local document. */
export async function copyDocument(exchange: Exchange): Promise<Answer> {
  const source = headerRevision(exchange, revisionOfQuery(exchange.query))
  const target = parseDestination(exchange.header('destination'))
  if (!isUtf8(exchange.id)) throw new DatabaseError('missing')
  const copied = await readCopied(exchange, source)
  validateDocumentId(target.id, exchange.limits.maxIdBytes)
  const edit = { ...copied, id: target.id, rev: target.rev }
  const rev = isLocalId(target.id)
    ? await writeLocalDocument(exchange.database, edit)
    : await writeOne(exchange, edit, true)
  return json(
    201,
    { ok: true, id: target.id, rev },
    { ...revisionTagHeader(rev), location: exchange.documentUri(target.id) },
  )
}

/** Throws missing, deleted. A local document has no revisions that could be named. */
async function readCopied(exchange: Exchange, rev: string | undefined): Promise<Copied> {
  const { database, id } = exchange
  if (isLocalId(id)) {
    const local = rev === undefined ? database.getLocal(id.slice('_local/'.length)) : undefined
    if (local === undefined) throw new DatabaseError('missing')
    return { deleted: false, ...(await contentOf(exchange, local.body)) }
  }
  const view = database.get(id, rev === undefined ? {} : { rev })
  const { deleted } = view
  const attachments = view.attachments().map(storedEdit)
  return { deleted, ...(await contentOf(exchange, view.body())), attachments }
}

async function contentOf(exchange: Exchange, text: Buffer): Promise<Pick<DocumentEdit, 'body' | 'term'>> {
  const scanned = await exchange.inTurns(scanDocumentSteps(text))
  if (scanned === null) throw new Error('a stored body is no object')
  return { body: scanned.body, term: scanned.term }
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
