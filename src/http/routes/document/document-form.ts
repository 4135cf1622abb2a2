import { DatabaseError } from '../../../base/errors.ts'
import type { DocumentEdit } from '../../../database/api/database.ts'
import { type AttachmentEdit, DEFAULT_CONTENT_TYPE } from '../../../database/layout/attachment-records.ts'
import { storedEdit, takeContent, withInlineAttachments } from '../../../documents/attachment-edit.ts'
import { checkAttachmentName } from '../../../documents/attachment-input.ts'
import { interactiveEdit, readDocumentText } from '../../../documents/document-edit.ts'
import { validateDocumentId } from '../../../documents/document-id.ts'
import {
  boundaryOf,
  MultipartReader,
  parameterOf,
  type ReceivedPart,
  wholeBody,
} from '../../../documents/multipart-reader.ts'
import { readRevision } from '../../../documents/revision.ts'
import { scanDocument } from '../../../json/documents.ts'
import { type Answer, json } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { revisionTagHeader } from '../../request/header-text.ts'
import { requireDesignRights, writeOne, writtenStatus } from '../../request/writes.ts'
import { editedRevisions } from './document-write.ts'

/** What a form gave: its fields `_doc` or `_rev`, and the files of its fields `_attachments`. */
interface Form {
  document: Buffer | undefined
  rev: string | undefined
  files: AttachmentEdit[]
}

const FIELD_BYTES = 1024

/**
 * POST to a document: the upload of a web form, which must come from a page of this server. The files come
 * first in the document, in their order; the others of the revision `_rev`, or of `_doc`, stay behind them.
 */
export async function postToDocument(exchange: Exchange): Promise<Answer> {
  requireOwnPage(exchange)
  const { id } = exchange
  validateDocumentId(id, exchange.limits.maxIdBytes)
  requireContentType(exchange.header('content-type'), 'multipart/form-data')
  requireDesignRights(exchange, id)
  const form = await readForm(exchange)
  const base =
    form.document === undefined ? revisionEdit(exchange, form) : await documentEdit(exchange, form.document)
  const names = new Set(form.files.map(nameOf))
  const others = (base.attachments ?? []).filter((each) => !names.has(nameOf(each)))
  const rev = await writeOne(exchange, { ...base, attachments: [...form.files, ...others] }, true)
  return json(writtenStatus(exchange, 201), { ok: true, id, rev }, revisionTagHeader(rev))
}

function requireOwnPage(exchange: Exchange): void {
  const referer = exchange.header('referer')
  if (referer === undefined) throw new DatabaseError('badRequest', 'Referer header required.')
  const host = hostOf(exchange.absoluteUri('/'))
  if (host === undefined || hostOf(referer) !== host) {
    throw new DatabaseError('badRequest', 'Referer header must match host.')
  }
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined
}

async function readForm(exchange: Exchange): Promise<Form> {
  const { maxJsonBytes } = exchange.limits
  const boundary = boundaryOf(exchange.header('content-type') ?? '')
  const reader = new MultipartReader(exchange.bodyChunks(), boundary)
  const form: Form = { document: undefined, rev: undefined, files: [] }
  try {
    for (let part = await reader.nextPart(); part !== undefined; part = await reader.nextPart()) {
      const field = parameterOf(part, 'name')
      if (field === '_attachments') form.files.push(await takeFile(exchange, part))
      else if (field === '_doc') form.document = await wholeBody(part, maxJsonBytes, exchange.hold)
      else if (field === '_rev') form.rev = (await wholeBody(part, FIELD_BYTES, exchange.hold)).toString()
    }
  } finally {
    await reader.close()
  }
  return form
}

function takeFile(exchange: Exchange, part: ReceivedPart): Promise<AttachmentEdit> {
  const name = parameterOf(part, 'filename') ?? ''
  checkAttachmentName(name)
  const type = part.headers.get('content-type') ?? DEFAULT_CONTENT_TYPE
  const input = { name, type, revpos: 0, encoding: 'identity', length: undefined, md5: undefined } as const
  return takeContent(exchange, part.body, input)
}

function revisionEdit(exchange: Exchange, form: Form): DocumentEdit {
  const { id, database } = exchange
  const rev = readRevision(form.rev)
  const [found] = database.openRevs(id, [rev])
  if (found === undefined || !('ok' in found)) throw new DatabaseError('conflict')
  const view = found.ok
  const scanned = scanDocument(view.body())
  if (scanned === null) throw new Error('a stored body is no object')
  const { body, term } = scanned
  const expiry = view.expiresAtMs === undefined ? undefined : { atMs: view.expiresAtMs }
  const attachments = view.attachments().map(storedEdit)
  return { id, deleted: view.deleted, body, term, rev, attachments, expiry }
}

async function documentEdit(exchange: Exchange, text: Buffer): Promise<DocumentEdit> {
  const document = await readDocumentText(exchange, text)
  document.revisions = editedRevisions(exchange, document)
  return withInlineAttachments(exchange, document, interactiveEdit(document, exchange.id))
}

function nameOf(attachment: AttachmentEdit): string {
  return attachment.kind === 'stored' ? attachment.info.name : attachment.name
}
