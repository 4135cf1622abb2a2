/**
 * References that an edit brings: content that was taken in before its transaction, and attachments of other
 * revisions. A compaction may give the store another file in between. So each carries the source that it belongs
 * to; before the transaction what belongs to a replaced file is appended to the present one, and inside it, where
 * the file cannot change, a reference of another file ends it with `MovedContent`, to be done again.
 */
import type { Reference, Store, ValueSource } from '../../../native-free-btree/index.ts'
import type { DocumentEdit } from '../api/database.ts'
import type { AttachmentContent, AttachmentEdit } from '../layout/attachment-records.ts'

/** Ends a transaction that would have named bytes of a file that is no longer the store's. */
export class MovedContent extends Error {
  constructor() {
    super('a compaction has replaced the file that an attachment was stored in')
  }
}

interface Placed {
  readonly reference: Reference
  /** Undefined: read inside the transaction. */
  readonly source?: ValueSource | undefined
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

function placeOf(attachment: AttachmentEdit): Placed | undefined {
  if (attachment.kind === 'stored') return attachment.info
  if (attachment.kind === 'content' && 'reference' in attachment.content.stored) {
    return attachment.content.stored
  }
  return undefined
}

function isMoved(attachment: AttachmentEdit): boolean {
  return placeOf(attachment)?.source?.isCurrent === false
}

/** Inside a transaction. Throws MovedContent. */
export function requirePresent(attachment: AttachmentEdit): void {
  if (isMoved(attachment)) throw new MovedContent()
}

async function brought(store: Store, attachment: AttachmentEdit): Promise<AttachmentEdit> {
  const place = placeOf(attachment)
  if (place?.source?.isCurrent !== false) return attachment
  const reference = await store.appendStream(place.source.readStream(place.reference))
  // Nothing is awaited between the two: `values` is the source of the reference.
  const present = { reference, source: store.values }
  if (attachment.kind === 'stored') return { kind: 'stored', info: { ...attachment.info, ...present } }
  if (attachment.kind === 'stub') return attachment
  return { ...attachment, content: { ...attachment.content, stored: present } }
}

export function hasMovedContent(edits: readonly DocumentEdit[]): boolean {
  return edits.some(({ attachments }) => attachments?.some(isMoved))
}

/** The edits with references to the present file alone, as far as one can know before the transaction. */
export async function withPresentContent(
  store: Store,
  edits: readonly DocumentEdit[],
): Promise<DocumentEdit[]> {
  const present: DocumentEdit[] = []
  for (const edit of edits) {
    const attachments: AttachmentEdit[] = []
    for (const each of edit.attachments ?? []) attachments.push(await brought(store, each))
    present.push({ ...edit, attachments })
  }
  return present
}
