import { DatabaseError } from '../../../base/errors.ts'
import type { DocumentEdit, DocumentView } from '../../../database/api/database.ts'
import { type AttachmentEdit, DEFAULT_CONTENT_TYPE } from '../../../database/layout/attachment-records.ts'
import { storedEdit, takeContent } from '../../../documents/attachment-edit.ts'
import { checkAttachmentName } from '../../../documents/attachment-input.ts'
import { EMPTY_DOCUMENT } from '../../../documents/document-edit.ts'
import { requireIdFor, validateDocumentId } from '../../../documents/document-id.ts'
import { scanDocument } from '../../../json/documents.ts'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { fromHeader } from '../../request/header-text.ts'
import { revisionOfQuery } from '../../request/parameters.ts'
import { encodeComponent } from '../../request/path.ts'
import { headerRevision, requireDesignRights, writeOne, writtenStatus } from '../../request/writes.ts'

/** PUT of an attachment: it comes first in the document, the others stay as they are behind it. */
export async function putAttachment(exchange: Exchange): Promise<Answer> {
  const { id, database } = exchange
  const name = attachmentName(exchange)
  const type = fromHeader(exchange.header('content-type') ?? DEFAULT_CONTENT_TYPE)
  const encoding = contentEncoding(exchange)
  const rev = editedRevision(exchange)
  validateDocumentId(id, exchange.limits.maxIdBytes)
  requireIdFor(database, id)
  requireDesignRights(exchange, id)
  const base = rev === undefined ? undefined : revisionView(exchange, rev)
  // What will be refused is refused before its bytes are taken in.
  if (rev !== undefined && base === undefined) throw new DatabaseError('missingRevision')
  if (rev === undefined && database.lookup(id)?.deleted === false) throw new DatabaseError('conflict')
  const input = { name, type, revpos: 0, encoding, length: undefined, md5: undefined }
  const content = await takeContent(exchange, exchange.bodyChunks(), input)
  const newRev = await writeOne(exchange, editOf(exchange, rev, base, name, [content]), true)
  const location = `${exchange.documentUri(id)}/${encodeComponent(name)}`
  return json(writtenStatus(exchange, 201), { ok: true, id, rev: newRev }, { location })
}

/** DELETE of an attachment. */
export async function deleteAttachment(exchange: Exchange): Promise<Answer> {
  const { id, database } = exchange
  const name = attachmentName(exchange)
  const rev = editedRevision(exchange)
  const base = rev === undefined ? database.get(id) : revisionView(exchange, rev)
  if (base === undefined) throw new DatabaseError('missingRevision')
  if (!base.attachments().some((each) => each.name === name)) {
    throw new DatabaseError('missing', 'Document is missing attachment')
  }
  if (rev === undefined) throw new DatabaseError('conflict')
  const newRev = await writeOne(exchange, editOf(exchange, rev, base, name, []), true)
  return json(writtenStatus(exchange, 200), { ok: true, id, rev: newRev })
}

function attachmentName(exchange: Exchange): string {
  const name = exchange.place.rest.join('/')
  checkAttachmentName(name)
  return name
}

function editedRevision(exchange: Exchange): string | undefined {
  return headerRevision(exchange, revisionOfQuery(exchange.query))
}

function contentEncoding(exchange: Exchange): 'identity' | 'gzip' {
  const encoding = exchange.header('content-encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === 'gzip') return encoding
  throw new DatabaseError('badContentType', 'Only gzip and identity content-encodings are supported')
}

function revisionView(exchange: Exchange, rev: string): DocumentView | undefined {
  const [found] = exchange.database.openRevs(exchange.id, [rev])
  return found !== undefined && 'ok' in found ? found.ok : undefined
}

/** The document of `base`, or a new one, with `first` and the attachments that `base` has under other names. */
function editOf(
  exchange: Exchange,
  rev: string | undefined,
  base: DocumentView | undefined,
  name: string,
  first: readonly AttachmentEdit[],
): DocumentEdit {
  const scanned = base === undefined ? EMPTY_DOCUMENT : scanDocument(base.body())
  if (scanned === null) throw new Error('a stored body is no object')
  const others = (base?.attachments() ?? []).filter((each) => each.name !== name)
  return {
    id: exchange.id,
    deleted: base?.deleted === true,
    body: scanned.body,
    term: scanned.term,
    rev,
    attachments: [...first, ...others.map(storedEdit)],
    // The request has no place for `_exp`, and the document's own content stays.
    expiry: base?.expiresAtMs === undefined ? undefined : { atMs: base.expiresAtMs },
  }
}
