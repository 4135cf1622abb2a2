/**
 * The short way of most edits: the only one that its request has for a document of which nothing is stored. What is written is
 * what the general merge (`update.ts`) would write; there is nothing to merge with.
 */
import type { EditResult } from '../api/database.ts'
import { textBytesOf } from '../bodies/stored-text.ts'
import { encodeStoredBody } from '../layout/stored-body.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { RevisionTree } from '../revisions/revision-tree.ts'
import { stateOf, writeDocument } from './derived-trees.ts'
import type { DocumentEdits, ReadyEdit } from './edits.ts'
import type { UpdateContext } from './update-context.ts'

/**
 * The edit that `writeNew` takes, of a document that is not stored. Undefined: it has several, or one that is refused, has
 * attachments, or tells more of its history than is kept.
 */
export function onlyEdit(
  { edits }: DocumentEdits,
  newEdits: boolean,
  revsLimit: number,
): ReadyEdit | undefined {
  const edit = edits[0]
  if (edit === undefined || edits.length > 1 || edit.fault !== undefined || edit.attachments.length > 0) {
    return undefined
  }
  const { length } = edit.path
  // An interactive edit of a revision that is not there is a conflict.
  const isTaken = newEdits ? length === 1 && edit.parent === undefined : length <= revsLimit
  return isTaken ? edit : undefined
}

/** Writes it, as the next change of the update sequence. */
export function writeNew(context: UpdateContext, { id, key }: DocumentEdits, edit: ReadyEdit): EditResult {
  const { tx, appended } = context
  const { body, path, deleted, expiresAtMs } = edit
  const seq = context.takeSeq()
  const reference = tx.append(body)
  appended.push({ reference, body })
  const value = {
    deleted,
    seq,
    body: encodeStoredBody(reference, edit.validates),
    size: textBytesOf(body),
    activeSize: body.length,
    attachments: null,
  }
  writeDocument(tx, key, undefined, stateOf(RevisionTree.ofPath(path, value, seq), expiresAtMs))
  return { ok: true, id, rev: formatRevision(path[0]!) }
}
