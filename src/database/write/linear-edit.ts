/**
 * The short way of what is written most: one edit of a document whose revisions are one line, without attachments and an expiry.
 * It answers and stores what the general merge (`update.ts`) does, to which it leaves everything else.
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import { textBytesOf } from '../bodies/stored-text.ts'
import {
  beginNewDocument,
  finishedInfo,
  LinearDocument,
  linearChangeEntry,
  type NewRevision,
  placeId,
  type UsualId,
} from '../layout/linear-document.ts'
import { REVISION_ID_SIZE } from '../revisions/revision-id.ts'
import { writeLinearDocument } from './derived-trees.ts'
import type { ReadyEdit } from './edits.ts'
import type { AppendedBodies } from './turn-source.ts'

export interface LinearContext {
  readonly tx: Transaction
  readonly revsLimit: number
  nextSeq(): number
  takeSeq(): number
  readonly appended: AppendedBodies
}

/** How an edit went: written to a new document or to one that was there, in conflict, or not looked at. */
export type LinearOutcome = 'inserted' | 'updated' | 'conflict' | undefined

/** One interactive edit without attachments and an expiry; memory that is used again for the next one. */
export interface LinearEdit {
  readonly revision: { -readonly [K in keyof NewRevision]: NewRevision[K] }
  /** The revision that it extends; its generation is one below the new one's. */
  hasParent: boolean
  readonly parent: UsualId
  body: Uint8Array
}

const NOTHING = Buffer.alloc(0)

export function emptyLinearEdit(): LinearEdit {
  const id = (): UsualId => ({ bytes: NOTHING, at: 0 })
  return {
    revision: { pos: 0, id: id(), deleted: false, size: 0, activeSize: 0 },
    hasParent: false,
    parent: id(),
    body: NOTHING,
  }
}

const document = new LinearDocument()

/**
 * The first `bytes` bytes of `value` are what the tree `id` has at `key`; fewer than 0 for none. Undefined: nothing was done, and
 * the edit is the general merge's.
 */
export function writeLinear(
  context: LinearContext,
  key: Uint8Array,
  value: Buffer,
  bytes: number,
  edit: LinearEdit,
): LinearOutcome {
  const { revision, body, hasParent } = edit
  const isNew = bytes < 0
  if (isNew && hasParent) return 'conflict'
  if (!isNew && !document.read(value, bytes)) return undefined
  if (!isNew && !(hasParent && document.hasLeaf(revision.pos - 1, edit.parent))) return 'conflict'
  revision.size = textBytesOf(body)
  revision.activeSize = body.length
  const seq = context.nextSeq()
  if (isNew) beginNewDocument(revision, seq)
  else if (!document.beginUpdate(revision, seq, context.revsLimit)) return undefined
  const { tx } = context
  const reference = tx.append(body)
  context.appended.add(reference, body)
  const seqBefore = isNew ? undefined : document.seq
  const entry = linearChangeEntry(key, revision, reference)
  writeLinearDocument(tx, key, seqBefore, seq, finishedInfo(reference), entry)
  context.takeSeq()
  return isNew ? 'inserted' : 'updated'
}

const single = emptyLinearEdit()
single.revision.id.bytes = Buffer.alloc(REVISION_ID_SIZE)
single.parent.bytes = Buffer.alloc(REVISION_ID_SIZE)

/** As `writeLinear`, of an edit of any kind; `value` is all that the tree has, undefined for nothing. */
export function writeLinearEdit(
  context: LinearContext,
  key: Uint8Array,
  value: Buffer | undefined,
  edit: ReadyEdit,
  isInteractive: boolean,
): LinearOutcome {
  const { attachments, validates, fault, expiresAtMs, path, parent, deleted } = edit
  if (attachments.length > 0 || validates || fault !== undefined || expiresAtMs !== undefined)
    return undefined
  const head = path[0]
  const isOne = isInteractive ? head !== undefined : path.length === 1 && value === undefined
  if (!isOne || !placeId(head!, single.revision.id.bytes)) return undefined
  single.hasParent = parent !== undefined
  if (parent !== undefined && !placeId(parent, single.parent.bytes)) return undefined
  single.revision.pos = head!.pos
  single.revision.deleted = deleted
  single.body = edit.body
  return writeLinear(context, key, value ?? NOTHING, value?.length ?? -1, single)
}
