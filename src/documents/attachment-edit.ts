import { DatabaseError } from '../base/errors.ts'
import { giveWay } from '../base/time-slice.ts'
import type { AttachmentView, DocumentEdit } from '../database/api/database.ts'
import type { ByteSource } from '../database/attachments/content.ts'
import type { AttachmentEdit } from '../database/layout/attachment-records.ts'
import type { AttachmentInput, FollowingInput } from './attachment-input.ts'
import type { ParsedDocument } from './document-edit.ts'
import type { Intake } from './intake.ts'

/** From what is said of attachments on their way in to what an edit has of them. */

type ContentInput = Pick<FollowingInput, 'name' | 'type' | 'revpos' | 'encoding' | 'length' | 'md5'>

type ContentEdit = Extract<AttachmentEdit, { kind: 'content' }>

/** The edit of a document that follows nothing: inline data is taken in. */
export async function withInlineAttachments(
  intake: Intake,
  document: ParsedDocument,
  edit: DocumentEdit,
): Promise<DocumentEdit> {
  if (document.attachments.length === 0) return edit
  const attachments: AttachmentEdit[] = []
  for (const input of document.attachments) {
    attachments.push(await takeInline(intake, input))
    await giveWay()
  }
  return { ...edit, attachments }
}

/** A stub, or inline data. Throws badRequest for one that follows. */
export async function takeInline(intake: Intake, input: AttachmentInput): Promise<AttachmentEdit> {
  if (input.kind === 'stub') return input
  if (input.kind === 'follows') {
    throw new DatabaseError('badRequest', `Nothing follows for the attachment ${input.name}`)
  }
  const { name, type, revpos, data } = input
  const rest = { encoding: 'identity', length: undefined, md5: undefined } as const
  // A bounded multiple of a body that has its room.
  intake.hold.add(data.length)
  return storeContent(intake, [data], { name, type, revpos, ...rest })
}

/** Bytes as they come. Throws attachmentTooLarge, digestMismatch, badRequest, and as the intake's hold does. */
export async function takeContent(
  intake: Intake,
  source: ByteSource,
  input: ContentInput,
): Promise<ContentEdit> {
  const edit = await storeContent(intake, source, input)
  const { stored } = edit.content
  // A short one waits in memory for the transaction.
  if ('bytes' in stored) await intake.hold.grow(stored.bytes.length)
  return edit
}

/** An attachment as another revision has it. */
export function storedEdit(info: AttachmentView): AttachmentEdit {
  return { kind: 'stored', info }
}

async function storeContent(intake: Intake, source: ByteSource, input: ContentInput): Promise<ContentEdit> {
  const { name, type, revpos, encoding, length, md5 } = input
  const content = await intake.database.takeAttachment(source, {
    name,
    encoding,
    length,
    md5,
    pack: intake.compression.packFor(type),
    maxBytes: intake.limits.maxAttachmentBytes,
  })
  return { kind: 'content', name, type, content, revpos }
}
