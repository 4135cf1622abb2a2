/**
 * From the attachments of an edit to those of a revision, inside the transaction that stores it. As in
 * CouchDB a stub stands for the attachment of that name of the revision that the edit extends; its own type
 * and lengths are not looked at.
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import { nameContent } from '../attachments/content.ts'
import type { AttachmentInfo, PlacedAttachment } from '../layout/attachment-records.ts'
import type { HashedAttachment } from '../revisions/revision-id.ts'
import { requirePresent } from './moved-content.ts'

/** An attachment whose bytes are known; new content is not in the transaction yet. */
export type ResolvedAttachment = Exclude<PlacedAttachment, { kind: 'stub' }>

export function hasStubs(attachments: readonly PlacedAttachment[]): boolean {
  return attachments.some(({ kind }) => kind === 'stub')
}

/** Throws missing_stub where the parent (its attachments) has none of that name, or one of another revpos. */
export function resolveStubs(
  documentId: string,
  attachments: readonly PlacedAttachment[],
  parent: readonly AttachmentInfo[],
): ResolvedAttachment[] {
  const byName = new Map(parent.map((info) => [info.name, info]))
  return attachments.map((attachment) => {
    if (attachment.kind !== 'stub') return attachment
    const { name, revpos } = attachment
    const info = byName.get(name)
    if (info === undefined || (revpos !== undefined && revpos !== info.revpos)) {
      throw new DatabaseError('missingStub', `Invalid attachment stub in ${documentId} for ${name}`)
    }
    return { kind: 'stored', info }
  })
}

/** What of them goes into the revision id. */
export function hashedAttachments(attachments: readonly ResolvedAttachment[]): HashedAttachment[] {
  return attachments.map((attachment) =>
    attachment.kind === 'stored'
      ? attachment.info
      : { name: attachment.name, type: attachment.type, md5: attachment.content.md5 },
  )
}

/** Their bytes as a client sees them: what `attachmentSizes` will say of them. */
export function externalBytesOf(attachments: readonly ResolvedAttachment[]): number {
  let bytes = 0
  for (const each of attachments) bytes += each.kind === 'stored' ? each.info.length : each.content.length
  return bytes
}

/**
 * Names the new content in the transaction, of the file of `salt`. Throws MovedContent. New content is of `revpos`, or of
 * its own where that is undefined.
 */
export function storeAttachments(
  tx: Transaction,
  salt: bigint,
  attachments: readonly ResolvedAttachment[],
  revpos: number | undefined,
): AttachmentInfo[] {
  return attachments.map((attachment) => {
    requirePresent(attachment, salt)
    if (attachment.kind === 'stored') return attachment.info
    const { name, type, content } = attachment
    const { md5, length, encodedLength, encoding } = content
    return {
      name,
      type,
      md5,
      length,
      encodedLength,
      encoding,
      revpos: revpos ?? attachment.revpos,
      reference: nameContent(tx, content),
    }
  })
}
