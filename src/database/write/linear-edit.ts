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
} from '../layout/linear-document.ts'
import type { Revision } from '../revisions/revision-id.ts'
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

const document = new LinearDocument()

/** Of the revision that is added: used again for each. */
const added: { -readonly [K in keyof NewRevision]: NewRevision[K] } = {
  deleted: false,
  size: 0,
  activeSize: 0,
}

function isPlain({ attachments, validates, fault, expiresAtMs, path }: ReadyEdit): boolean {
  return (
    attachments.length === 0 &&
    !validates &&
    fault === undefined &&
    expiresAtMs === undefined &&
    path.length > 0
  )
}

/** `value` is what the tree `id` has at `key`. Undefined: nothing was done, and the edit is the general merge's. */
export function writeLinearEdit(
  context: LinearContext,
  key: Uint8Array,
  value: Buffer | undefined,
  edit: ReadyEdit,
  isInteractive: boolean,
): LinearOutcome {
  if (!isPlain(edit)) return undefined
  if (value === undefined) return insert(context, key, edit, isInteractive)
  return isInteractive && document.read(value) ? update(context, key, edit) : undefined
}

function describe({ deleted, body }: ReadyEdit): NewRevision {
  added.deleted = deleted
  added.size = textBytesOf(body)
  added.activeSize = body.length
  return added
}

function insert(
  context: LinearContext,
  key: Uint8Array,
  edit: ReadyEdit,
  isInteractive: boolean,
): LinearOutcome {
  if (isInteractive && edit.parent !== undefined) return 'conflict'
  const seq = context.nextSeq()
  if (!beginNewDocument(edit.path, describe(edit), seq, context.revsLimit)) return undefined
  finish(context, key, edit, seq, undefined)
  return 'inserted'
}

function update(context: LinearContext, key: Uint8Array, edit: ReadyEdit): LinearOutcome {
  const { parent, path } = edit
  if (parent === undefined || !document.hasLeaf(parent)) return 'conflict'
  const seq = context.nextSeq()
  if (!document.beginUpdate(path[0]!, describe(edit), seq, context.revsLimit)) return undefined
  finish(context, key, edit, seq, document.seq)
  return 'updated'
}

/** Writes the document whose value was begun. */
function finish(
  context: LinearContext,
  key: Uint8Array,
  edit: ReadyEdit,
  seq: number,
  seqBefore: number | undefined,
): void {
  const { tx } = context
  const head: Revision = edit.path[0]!
  const reference = tx.append(edit.body)
  context.appended.add(reference, edit.body)
  const entry = linearChangeEntry(key, head, edit.deleted, reference)
  writeLinearDocument(tx, key, seqBefore, seq, finishedInfo(reference), entry)
  context.takeSeq()
}
