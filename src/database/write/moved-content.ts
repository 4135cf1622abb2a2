/**
 * References that an edit brings: content that was taken in before its transaction, and attachments of other
 * revisions. A compaction may give the store another file in between. So each carries the file that it belongs
 * to; before the transaction what belongs to a replaced file is appended to the present one, and inside it, where
 * the file cannot change, a reference of another file ends it with `MovedContent`, to be done again.
 */
import type { Reference, ValueSource } from '../../../native-free-btree/index.ts'
import type { DocumentEdit } from '../api/database.ts'
import type {
  AttachmentContent,
  AttachmentEdit,
  PlacedAttachment,
  ReferenceFile,
} from '../layout/attachment-records.ts'

/** Ends a transaction that would have named bytes of a file that is no longer the store's. */
export class MovedContent extends Error {
  /** Of the file that is the store's now. */
  readonly salt: bigint

  constructor(salt: bigint) {
    super('a compaction has replaced the file that an attachment was stored in')
    this.salt = salt
  }
}

/** An edit of which the references may have been brought to a file that only the writer has open. */
export interface PlacedEdit extends Omit<DocumentEdit, 'attachments'> {
  attachments?: readonly PlacedAttachment[] | undefined
  /** It was checked as a replicated edit of which no ancestor is stored. */
  checkedWithoutAncestor?: boolean | undefined
}

/** Appends a copy of what a reference leads to, and resolves with the copy's reference and its file. */
export type AppendCopy = (
  source: AsyncIterable<Uint8Array>,
) => Promise<{ reference: Reference; source: ReferenceFile }>

interface Placed<File> {
  readonly reference: Reference
  /** Undefined: read inside the transaction. */
  readonly source?: File | undefined
}

/** What keeps the files of content open that no document names yet. */
const holds = new WeakMap<object, () => void>()
/** Content that was given up without an update: its request broke off, or was refused. */
const givenUp = new FinalizationRegistry<() => void>((release) => release())

/** The file of the content stays open, however long its document takes to come, until `releaseContent`. */
export function holdContent({ stored }: AttachmentContent): void {
  if (!('source' in stored)) return
  const release = stored.source.hold()
  holds.set(stored, release)
  givenUp.register(stored, release)
}

/** The update that names the content has ended. */
export function releaseContent(edits: readonly DocumentEdit[]): void {
  for (const { attachments } of edits) {
    for (const each of attachments ?? []) if (each.kind === 'content') holds.get(each.content.stored)?.()
  }
}

function placeOf<File extends ReferenceFile>(attachment: AttachmentEdit<File>): Placed<File> | undefined {
  if (attachment.kind === 'stored') return attachment.info
  if (attachment.kind === 'content' && 'reference' in attachment.content.stored) {
    return attachment.content.stored
  }
  return undefined
}

/** Inside a transaction of the file of this salt. Throws MovedContent. */
export function requirePresent(attachment: PlacedAttachment, salt: bigint): void {
  const file = placeOf(attachment)?.source
  if (file !== undefined && file.salt !== salt) throw new MovedContent(salt)
}

/** `salt` is that of the present file; undefined: as the references' files know. */
function isMoved(attachment: AttachmentEdit, salt: bigint | undefined): boolean {
  const file: ValueSource | undefined = placeOf(attachment)?.source
  if (file === undefined) return false
  return salt === undefined ? !file.isCurrent : file.salt !== salt
}

async function brought(
  attachment: AttachmentEdit,
  salt: bigint | undefined,
  append: AppendCopy,
): Promise<PlacedAttachment> {
  const place = placeOf(attachment)
  if (place?.source === undefined || !isMoved(attachment, salt)) return attachment
  const present = await append(place.source.readStream(place.reference))
  if (attachment.kind === 'stored') return { kind: 'stored', info: { ...attachment.info, ...present } }
  if (attachment.kind === 'stub') return attachment
  return { ...attachment, content: { ...attachment.content, stored: present } }
}

export function hasMovedContent(edits: readonly DocumentEdit[], salt: bigint | undefined): boolean {
  return edits.some(({ attachments }) => attachments?.some((each) => isMoved(each, salt)))
}

/**
 * The edits with references to the present file alone, as far as one can know before the transaction. What is brought is
 * read from the file that it was named from, so that the same edits can be brought again.
 */
export async function withPresentContent(
  edits: readonly DocumentEdit[],
  salt: bigint | undefined,
  append: AppendCopy,
): Promise<readonly PlacedEdit[]> {
  const present: PlacedEdit[] = []
  for (const edit of edits) {
    const attachments: PlacedAttachment[] = []
    for (const each of edit.attachments ?? []) attachments.push(await brought(each, salt, append))
    present.push({ ...edit, attachments })
  }
  return present
}
