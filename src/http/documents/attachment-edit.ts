import { DatabaseError } from '../../base/errors.ts'
import { giveWay } from '../../base/time-slice.ts'
import type { DocumentEdit } from '../../database/api/database.ts'
import type { ByteSource } from '../../database/attachments/content.ts'
import type { AttachmentEdit } from '../../database/layout/attachment-records.ts'
import type { Exchange } from '../request/exchange.ts'
import type { AttachmentInput, FollowingInput } from './attachment-input.ts'
import type { ParsedDocument } from './document-edit.ts'

/** From what a request says of attachments to what its edit has. */

type ContentInput = Pick<FollowingInput, 'name' | 'type' | 'revpos' | 'encoding' | 'length' | 'md5'>

type ContentEdit = Extract<AttachmentEdit, { kind: 'content' }>

/** The edit of a document that follows nothing: inline data is taken in. */
export async function withInlineAttachments(
  exchange: Exchange,
  document: ParsedDocument,
  edit: DocumentEdit,
): Promise<DocumentEdit> {
  if (document.attachments.length === 0) return edit
  const attachments: AttachmentEdit[] = []
  for (const input of document.attachments) {
    attachments.push(await takeInline(exchange, input))
    await giveWay()
  }
  return { ...edit, attachments }
}

/** A stub, or inline data. Throws badRequest for one that follows. */
export async function takeInline(exchange: Exchange, input: AttachmentInput): Promise<AttachmentEdit> {
  if (input.kind === 'stub') return input
  if (input.kind === 'follows') {
    throw new DatabaseError('badRequest', `Nothing follows for the attachment ${input.name}`)
  }
  const { name, type, revpos, data } = input
  const rest = { encoding: 'identity', length: undefined, md5: undefined } as const
  // A bounded multiple of a body that has its room.
  exchange.hold.add(data.length)
  return storeContent(exchange, [data], { name, type, revpos, ...rest })
}

/** Bytes as they come. Throws attachmentTooLarge, digestMismatch, badRequest, and as the request's hold does. */
export async function takeContent(
  exchange: Exchange,
  source: ByteSource,
  input: ContentInput,
): Promise<ContentEdit> {
  const edit = await storeContent(exchange, source, input)
  const { stored } = edit.content
  // A short one waits in memory for the transaction.
  if ('bytes' in stored) await exchange.hold.grow(stored.bytes.length)
  return edit
}

async function storeContent(
  exchange: Exchange,
  source: ByteSource,
  input: ContentInput,
): Promise<ContentEdit> {
  const { name, type, revpos, encoding, length, md5 } = input
  const { limits, compression } = exchange.service
  const content = await exchange.database.takeAttachment(source, {
    name,
    encoding,
    length,
    md5,
    pack: compression.packFor(type),
    maxBytes: limits.maxAttachmentBytes,
  })
  return { kind: 'content', name, type, content, revpos }
}
