import type { AttachmentView, DocumentView } from '../database/api/database.ts'
import { memberText, stringText } from '../json/writer.ts'
import type { AttachmentWish } from './attachment-wish.ts'
import type { Piece } from './piece.ts'

/** The attachments whose data goes with the document; the others are stubs. */
export function sentAttachments(view: DocumentView, wish: AttachmentWish): readonly AttachmentView[] {
  if (wish.data === undefined) return []
  const known = wish.since === undefined ? 0 : knownGeneration(view, wish.since)
  return view.attachments().filter(({ revpos }) => wish.since === undefined || revpos > known)
}

/** `since` are revisions in the one text that the database knows them by. */
function knownGeneration(view: DocumentView, since: readonly string[]): number {
  const wanted = new Set(since)
  const { start, ids } = view.revisions()
  const at = ids.findIndex((id, index) => wanted.has(`${start - index}-${id}`))
  return at < 0 ? 0 : start - at
}

/** The member `_attachments` with its comma, in pieces; none without attachments. */
export function attachmentPieces(view: DocumentView, wish: AttachmentWish): Piece[] {
  const attachments = view.attachments()
  if (attachments.length === 0) return []
  const sent = new Set(sentAttachments(view, wish))
  const pieces: Piece[] = []
  let text = ',"_attachments":'
  let separator = '{'
  for (const attachment of attachments) {
    const { name, type, revpos, md5, length } = attachment
    text += `${separator}${stringText(name)}:{"content_type":${stringText(type)},"revpos":${revpos}`
    text += `,"digest":"md5-${md5.toString('base64')}"`
    separator = ','
    if (wish.data === 'inline' && sent.has(attachment)) {
      pieces.push(`${text},"data":"`, { [Symbol.asyncIterator]: () => base64Pieces(attachment) })
      text = '"'
    } else {
      text += `,"length":${length},"${sent.has(attachment) ? 'follows' : 'stub'}":true`
    }
    text += encodingMembers(attachment, wish)
    text += '}'
  }
  pieces.push(`${text}}`)
  return pieces
}

function encodingMembers(attachment: AttachmentView, wish: AttachmentWish): string {
  const { encoding, encodedLength } = attachment
  if (!wish.encodingInfo || encoding === 'identity') return ''
  return memberText('encoding', `"${encoding}"`) + memberText('encoded_length', String(encodedLength))
}

/** Base64 of the plain bytes, as they are read. */
async function* base64Pieces(attachment: AttachmentView): AsyncGenerator<string> {
  let rest: Uint8Array = Buffer.alloc(0)
  for await (const chunk of attachment.plainBytes()) {
    const bytes =
      rest.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([rest, chunk])
    const whole = bytes.length - (bytes.length % 3)
    yield bytes.toString('base64', 0, whole)
    rest = bytes.subarray(whole)
  }
  if (rest.length > 0) yield Buffer.from(rest).toString('base64')
}
