/**
 * One transaction of edits, inside the writer's turn. What an interactive edit may do, as in CouchDB:
 * - Its revision must be a leaf of the document as it was before the transaction; without a revision there
 *   must have been no document, or a deleted one.
 * - A document that is deleted (no live leaf) takes only an edit without a revision that is no deletion: it
 *   extends the winning tombstone. A tombstone beside a live leaf can be extended by its revision.
 * - So two edits of one document in one request never build on each other, and the first one wins.
 * Replicated edits add their path. One whose revision is known already, or is an ancestor of another, adds
 * nothing. A document takes one new place in the update sequence, however many edits it had, and none when
 * nothing was added.
 */
import type { Reference, Transaction } from '../../native-free-btree/index.ts'
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import type { EditResult } from './api.ts'
import { encodeChangeEntry } from './change-entry.ts'
import { type DocumentInfo, decodeInfo, encodeInfo } from './document-info.ts'
import { DocumentRevisions } from './document-revisions.ts'
import type { DocumentEdits, LocalEdit, ReadyEdit, ReadyEdits } from './edits.ts'
import { seqKey, TREES } from './layout.ts'
import { removeLocalDocument, writeLocalDocument } from './local-documents.ts'
import { formatRevision, nextRevision, type Revision } from './revision-id.ts'

export interface UpdateContext {
  tx: Transaction
  revsLimit: number
  /** Length of the body behind a reference. */
  bytesOf(reference: Reference): number
  /** Takes the next number of the update sequence. */
  takeSeq(): number
}

export interface UpdateOutcome {
  /** In the order of the request. */
  results: EditResult[]
  /** A design document was written. */
  design: boolean
}

/** A name for a revision within this file. */
function keyOf(revision: Revision): string {
  return `${revision.pos}-${revision.id}`
}

function failure(id: string, rev: string | undefined, kind: ErrorKind, reason?: string): EditResult {
  const error = new DatabaseError(kind, reason)
  return { ok: false, id, rev, error: error.error, reason: error.reason, status: error.status }
}

/** The edits of one document on their way into its tree. */
class DocumentMerge {
  readonly #context: UpdateContext
  readonly #document: DocumentEdits
  readonly #before: DocumentInfo | undefined
  readonly #revisions: DocumentRevisions
  /** The leaves before the transaction. */
  readonly #extensible: Set<string>
  #added = false

  constructor(context: UpdateContext, document: DocumentEdits) {
    const value = context.tx.get(TREES.id, document.key)
    this.#context = context
    this.#document = document
    this.#before = value === undefined ? undefined : decodeInfo(value)
    this.#revisions = this.#before?.revisions() ?? new DocumentRevisions()
    this.#extensible = new Set(this.#revisions.leaves().map((leaf) => keyOf(leaf.revision)))
  }

  #add(edit: ReadyEdit, path: readonly Revision[]): EditResult {
    const reference = this.#context.tx.append(edit.body)
    this.#revisions.add(path, { deleted: edit.deleted, validates: edit.validates, reference })
    this.#added = true
    return { ok: true, id: this.#document.id, rev: formatRevision(path[0]!) }
  }

  /** The path of an edit that is allowed; undefined is a conflict. */
  #allowedPath(edit: ReadyEdit): readonly Revision[] | undefined {
    const { parent } = edit
    const allowedBefore =
      parent === undefined
        ? this.#before === undefined || this.#before.deleted
        : this.#extensible.has(keyOf(parent))
    if (!allowedBefore) return undefined
    const winner = this.#revisions.leaves()[0]
    if (winner === undefined) return edit.path
    if (winner.deleted) {
      if (parent !== undefined || edit.deleted) return undefined
      return [nextRevision(false, winner.revision, edit.term, []), winner.revision]
    }
    if (parent === undefined || this.#revisions.find(parent)?.leaf !== true) return undefined
    return edit.path
  }

  interactive(edit: ReadyEdit): EditResult {
    const path = this.#allowedPath(edit)
    if (path === undefined || this.#revisions.find(path[0]!) !== undefined) {
      const rev = edit.parent && formatRevision(edit.parent)
      return failure(this.#document.id, rev, 'conflict')
    }
    return this.#add(edit, path)
  }

  /** `ancestors` are those of all edits of the document in the request. */
  replicated(edit: ReadyEdit, ancestors: ReadonlySet<string>): EditResult {
    const revision = edit.path[0]!
    const rev = formatRevision(revision)
    if (ancestors.has(keyOf(revision)) || this.#revisions.find(revision) !== undefined) {
      return { ok: true, id: this.#document.id, rev }
    }
    return this.#add(edit, edit.path)
  }

  /** Writes what was added. Returns whether anything was. */
  write(): boolean {
    if (!this.#added) return false
    const { tx, revsLimit, bytesOf } = this.#context
    const { id, key } = this.#document
    this.#revisions.stem(revsLimit)
    const seq = this.#context.takeSeq()
    const leaves = this.#revisions.leaves()
    if (this.#before) tx.delete(TREES.seq, seqKey(this.#before.seq))
    tx.put(TREES.seq, seqKey(seq), encodeChangeEntry({ id, leaves, reference: leaves[0]!.stored.reference }))
    tx.put(TREES.id, key, encodeInfo(seq, this.#revisions, bytesOf))
    return true
  }
}

function ancestorsOf(edits: readonly ReadyEdit[]): Set<string> {
  const ancestors = new Set<string>()
  if (edits.length === 1) return ancestors
  for (const edit of edits) for (const revision of edit.path.slice(1)) ancestors.add(keyOf(revision))
  return ancestors
}

function applyLocal(tx: Transaction, edit: LocalEdit): EditResult {
  if (edit.number === undefined) return failure(edit.id, edit.rev, 'badRequest', 'Invalid rev format')
  const rev = edit.deleted
    ? removeLocalDocument(tx, edit.key)
    : writeLocalDocument(tx, edit.key, edit.body, edit.number)
  return { ok: true, id: edit.id, rev }
}

/** Merges all edits; to be called inside a transaction. */
export function applyEdits(context: UpdateContext, ready: ReadyEdits): UpdateOutcome {
  const results: EditResult[] = []
  let design = false
  for (const document of ready.documents) {
    const merge = new DocumentMerge(context, document)
    const ancestors = ready.newEdits ? undefined : ancestorsOf(document.edits)
    for (const edit of document.edits) {
      results[edit.place] =
        ancestors === undefined ? merge.interactive(edit) : merge.replicated(edit, ancestors)
    }
    if (merge.write() && document.design) design = true
  }
  for (const edit of ready.local) results[edit.place] = applyLocal(context.tx, edit)
  return { results, design }
}
