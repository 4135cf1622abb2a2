/** Attachments as the gateway knows them: by the SHA-1 of their bytes, which are stored as they came. */
import { createHash } from 'node:crypto'
import type { AttachmentView, OwnedDatabase } from '../../database/api/database.ts'
import type { ByteSource } from '../../database/attachments/content.ts'
import {
  type AttachmentContent,
  type AttachmentEdit,
  DEFAULT_CONTENT_TYPE,
} from '../../database/layout/attachment-records.ts'
import { stringText } from '../../json/writer.ts'
import type { AttachmentNote, AttachmentPacking, RecordedRevision } from './revision-record.ts'

/** Of a document on its way in: bytes that were taken in, or the one of that name of the revision before. */
export type GivenAttachment =
  | {
      kind: 'content'
      name: string
      type: string | undefined
      packing: AttachmentPacking | undefined
      digest: string
      content: AttachmentContent
    }
  | {
      kind: 'stub'
      name: string
      digest: string | undefined
      /** Why it is none, as its client has written it. */
      fault: string | undefined
    }

/** An attachment of a revision, stored or about to be. */
export interface NotedAttachment extends AttachmentNote {
  readonly name: string
  readonly type: string
  readonly length: number
  readonly revpos: number
}

export const NO_DIGEST = ''

/** Takes in the bytes. `md5` is that of the bytes, as other clients name content by it. */
export async function takeBytes(
  database: Pick<OwnedDatabase, 'takeAttachment'>,
  name: string,
  source: ByteSource,
  maxBytes: number,
): Promise<{ content: AttachmentContent; digest: string; md5: string }> {
  const sha1 = createHash('sha1')
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      sha1.update(chunk)
      yield chunk
    }
  }
  const content = await database.takeAttachment(hashed(), { name, encoding: 'identity', maxBytes })
  return { content, digest: `sha1-${sha1.digest('base64')}`, md5: `md5-${content.md5.toString('base64')}` }
}

/** The attachments of a stored revision. */
export function notedAttachments({ view, record }: RecordedRevision): StoredNote[] {
  return view.attachments().map((info) => {
    const note = record.attachments.get(info.name)
    const { name, type, length, revpos } = info
    return {
      name,
      type,
      length,
      revpos,
      digest: note?.digest ?? NO_DIGEST,
      isUntyped: note?.isUntyped ?? false,
      packing: note?.packing,
      view: info,
    }
  })
}

/** How an attachment is told: a stub, its bytes in base64, or a part that follows. */
export type Telling = { as: 'stub' } | { as: 'follows' } | { as: 'data'; base64: string }

export function attachmentText(attachment: NotedAttachment, telling: Telling): string {
  const type = attachment.isUntyped ? '' : `"content_type":${stringText(attachment.type)},`
  const data = telling.as === 'data' ? `"data":"${telling.base64}",` : ''
  const end = telling.as === 'data' ? '' : `,"${telling.as}":true`
  const { digest, revpos } = attachment
  return `{${type}${data}"digest":${stringText(digest)},${lengthsText(attachment)}"revpos":${revpos}${end}}`
}

function lengthsText({ length, packing }: NotedAttachment): string {
  if (packing === undefined) return `"length":${length},`
  const plain = packing.length === undefined ? '' : `"length":${packing.length},`
  return `"encoded_length":${length},"encoding":${stringText(packing.encoding)},${plain}`
}

/** The member `_attachments`, behind others; '' for none. */
export function attachmentsMember(
  attachments: readonly NotedAttachment[],
  telling: (attachment: NotedAttachment) => Telling = () => ({ as: 'stub' }),
): string {
  if (attachments.length === 0) return ''
  const each = attachments.map((one) => `${stringText(one.name)}:${attachmentText(one, telling(one))}`)
  return `,"_attachments":{${each.join(',')}}`
}

/** What is stored for a given attachment. */
export interface ResolvedAttachment {
  readonly noted: NotedAttachment
  readonly edit: Exclude<AttachmentEdit, { kind: 'stub' }>
}

export type StoredNote = NotedAttachment & { view: AttachmentView }

/** The attachments of a new revision, or what is wrong with them. `known` are those that stubs may stand for. */
export function resolveAttachments(
  given: readonly GivenAttachment[],
  known: ReadonlyMap<string, StoredNote>,
  revpos: number,
): (ResolvedAttachment | { fault: string })[] {
  return given.map((each) => {
    const { name, digest } = each
    if (each.kind === 'content') {
      const { content } = each
      const type = each.type ?? DEFAULT_CONTENT_TYPE
      return {
        noted: {
          name,
          type,
          length: content.length,
          revpos,
          digest: each.digest,
          isUntyped: each.type === undefined,
          packing: each.packing,
        },
        edit: { kind: 'content', name, type, content, revpos },
      }
    }
    if (each.fault !== undefined) return { fault: each.fault }
    const found = known.get(name)
    if (found === undefined) {
      const what = digest === undefined ? 'Missing digest in' : 'Unknown'
      return { fault: `${what} stub attachment ${JSON.stringify(name)}` }
    }
    return { noted: found, edit: { kind: 'stored', info: found.view } }
  })
}
