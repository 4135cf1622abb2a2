/** Documents as peers write and read them: JSON, and `multipart/related` with the attachments behind it. */
import { isUtf8 } from 'node:buffer'
import { DatabaseError } from '../../base/errors.ts'
import { runInTurns } from '../../base/time-slice.ts'
import { formatRevisionId } from '../../database/revisions/revision-id.ts'
import { readDocument } from '../../database/write/document-members.ts'
import { isHeaderText } from '../../documents/characters.ts'
import { revisionOfPath } from '../../documents/revision.ts'
import { JsonSyntaxError, SHORT_TEXT_BYTES, scanDocument, scanDocumentSteps } from '../../json/documents.ts'
import { objectMembers } from '../../json/members.ts'
import { memberText, stringsText, stringText } from '../../json/writer.ts'
import type { TransferredAttachment, TransferredDocument } from '../endpoint.ts'

export type AttachmentBytes = (name: string, encodedLength: number) => () => AsyncIterable<Uint8Array>

/**
 * The document of a text. `follow` makes the bytes of those of its attachments that follow it. Throws DatabaseError for what no
 * document is, and for one without an id or revisions.
 */
export async function readTransferred(text: Buffer, follow: AttachmentBytes): Promise<TransferredDocument> {
  const scanned = await scan(text)
  const { id, revisions, deleted, body, attachments } = readDocument(scanned)
  if (id === null || revisions === null) {
    throw new DatabaseError('documentValidation', 'A document came without its id or its revisions.')
  }
  const path = { start: revisions.start, ids: revisions.ids.map(formatRevisionId) }
  return {
    id,
    rev: revisionOfPath(path),
    deleted,
    body,
    revisions: path,
    attachments: attachments === null ? [] : readAttachments(attachments, follow),
  }
}

async function scan(text: Buffer) {
  if (!isUtf8(text)) throw new DatabaseError('invalidJson')
  try {
    return text.length <= SHORT_TEXT_BYTES ? scanDocument(text) : await runInTurns(scanDocumentSteps(text))
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new DatabaseError('invalidJson')
    throw error
  }
}

function readAttachments(text: Buffer, follow: AttachmentBytes): TransferredAttachment[] {
  const attachments: TransferredAttachment[] = []
  for (const [name, value] of objectMembers(text)) {
    const members: unknown = JSON.parse(value.toString())
    if (typeof members !== 'object' || members === null) throw invalid(name)
    const said = members as Record<string, unknown>
    const { content_type: type, revpos, digest, data } = said
    const isGzip = said['encoding'] === 'gzip'
    const inline = typeof data === 'string' ? Buffer.from(data, 'base64') : undefined
    const length = inline?.length ?? count(said['length'])
    const encodedLength = inline?.length ?? (isGzip ? count(said['encoded_length'], length) : length)
    const md5 =
      typeof digest === 'string' && digest.startsWith('md5-')
        ? Buffer.from(digest.slice(4), 'base64')
        : undefined
    attachments.push({
      name,
      type: typeof type === 'string' ? type : 'application/octet-stream',
      revpos: count(revpos, 0),
      // Inline data is plain, whatever it is stored as.
      encoding: isGzip && inline === undefined ? 'gzip' : 'identity',
      length,
      encodedLength,
      md5: md5?.length === 16 && (inline === undefined || !isGzip) ? md5 : undefined,
      bytes:
        inline !== undefined
          ? () => once(inline)
          : said['follows'] === true
            ? follow(name, encodedLength)
            : undefined,
    })
  }
  return attachments

  function invalid(name: string): DatabaseError {
    return new DatabaseError('badRequest', `Invalid attachment data for ${name}`)
  }

  function count(value: unknown, absent?: number): number {
    if (value === undefined && absent !== undefined) return absent
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    // Of a stub nothing has to be said.
    if (value === undefined) return 0
    throw new DatabaseError('badRequest', 'Invalid attachment length or revpos')
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/**
 * The text up to its attachments, and behind them: `inline` says which of them go in base64 between the two; the others that
 * have bytes follow.
 */
export function documentHead(document: TransferredDocument): string {
  const { id, rev, deleted, revisions } = document
  return (
    `{"_id":${stringText(id)},"_rev":${stringText(rev)}${deleted ? ',"_deleted":true' : ''}` +
    memberText('_revisions', `{"start":${revisions.start},"ids":${stringsText(revisions.ids)}}`)
  )
}

/** `data` is the base64 of those that go inline, by name. */
export function attachmentsText(
  attachments: readonly TransferredAttachment[],
  data: ReadonlyMap<string, string>,
): string {
  if (attachments.length === 0) return ''
  const texts = attachments.map((attachment) => {
    const { name, type, revpos, md5, length, encoding, encodedLength, bytes } = attachment
    let text = `${stringText(name)}:{"content_type":${stringText(type)},"revpos":${revpos}`
    const inline = data.get(name)
    if (md5 !== undefined && inline === undefined) text += `,"digest":"md5-${md5.toString('base64')}"`
    if (inline !== undefined) return `${text},"data":"${inline}"}`
    if (bytes === undefined) return `${text}${length > 0 ? `,"length":${length}` : ''},"stub":true}`
    if (encoding === 'gzip') text += `,"encoding":"gzip","encoded_length":${encodedLength}`
    return `${text},"length":${length},"follows":true}`
  })
  return `,"_attachments":{${texts.join(',')}}`
}

/** The document's text in pieces. */
export function documentTexts(document: TransferredDocument, attachments: string): (string | Uint8Array)[] {
  const { body } = document
  const comma = body.length > 2 ? ',' : ''
  return [documentHead(document) + attachments + comma, body.subarray(1)]
}

/** A `multipart/related` body, and how long it will be. */
export function relatedBody(
  document: TransferredDocument,
  boundary: string,
): { bytes: number; stream: () => AsyncGenerator<Buffer> } {
  const sent = document.attachments.filter(({ bytes }) => bytes !== undefined)
  const json = documentTexts(document, attachmentsText(document.attachments, new Map()))
  const first = `--${boundary}\r\nContent-Type: application/json\r\n\r\n`
  const heads = sent.map((attachment) => `\r\n--${boundary}${partHead(attachment)}\r\n\r\n`)
  const last = `\r\n--${boundary}--`
  let bytes = Buffer.byteLength(first) + Buffer.byteLength(last)
  for (const text of [...json, ...heads]) bytes += Buffer.byteLength(text)
  for (const { encodedLength } of sent) bytes += encodedLength
  const stream = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.concat([first, ...json].map((text) => (typeof text === 'string' ? Buffer.from(text) : text)))
    for (const [at, attachment] of sent.entries()) {
      yield Buffer.from(heads[at]!)
      for await (const chunk of attachment.bytes!()) yield asBuffer(chunk)
    }
    yield Buffer.from(last)
  }
  return { bytes, stream }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
}

function partHead({ name, type, encoding, encodedLength }: TransferredAttachment): string {
  const filename = isHeaderText(name) ? `; filename="${name.replace(/["\\]/g, '\\$&')}"` : ''
  const coding = encoding === 'gzip' ? '\r\nContent-Encoding: gzip' : ''
  return (
    `\r\nContent-Disposition: attachment${filename}` +
    `\r\nContent-Type: ${isHeaderText(type) ? type : 'application/octet-stream'}` +
    `\r\nContent-Length: ${encodedLength}${coding}`
  )
}
