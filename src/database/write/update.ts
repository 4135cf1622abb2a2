/**
 * One transaction of edits, inside the writer's turn. What an interactive edit may do, as in CouchDB:
 * - Its revision must be a leaf of the document as it was before the transaction; without a revision there
 *   must have been no document, or a deleted one.
 * - A document that is deleted (no live leaf) takes only an edit without a revision that is no deletion: it
 *   extends the winning tombstone. A tombstone beside a live leaf can be extended by its revision.
 * - So two edits of one document in one request never build on each other, and the first one wins.
 * - An edit whose own revision is stored already, without its history, joins it to its parent.
 * - A design document of a wrong shape is refused where it would be stored, replicated ones too.
 * What an edit says of the document's expiry: see `expiry.ts`.
 * Replicated edits add their path and their body, also that of an ancestor of what is there, which is kept until a
 * compaction. A revision whose body is there already adds what its path knows more of the history. A stub stands for an
 * attachment of the nearest ancestor that has a body; one that cannot be resolved ends the whole request, of either kind.
 * A document takes one new place in the update sequence, however many edits of a part it had (see `partsOf`), and none
 * when its tree, cut to the limit of revisions, stays as it was.
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError, type ErrorKind } from '../../base/errors.ts'
import type { EditResult } from '../api/database.ts'
import { textBytesOf } from '../bodies/stored-text.ts'
import {
  type AttachmentInfo,
  attachmentSizes,
  decodeAttachments,
  encodeAttachments,
} from '../layout/attachment-records.ts'
import { decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { TREES } from '../layout/layout.ts'
import { encodeStoredBody } from '../layout/stored-body.ts'
import { formatRevision, nextRevision, type Revision } from '../revisions/revision-id.ts'
import { type RevisionNode, RevisionTree } from '../revisions/revision-tree.ts'
import { encodeTree } from '../revisions/revision-tree-codec.ts'
import {
  externalBytesOf,
  hashedAttachments,
  hasStubs,
  type ResolvedAttachment,
  resolveStubs,
  storeAttachments,
} from './attachment-merge.ts'
import { StoredState, stateOf, writeDocument } from './derived-trees.ts'
import type { DocumentEdits, LocalEdit, ReadyEdit, ReadyEdits } from './edits.ts'
import { type LinearOutcome, writeLinearEdit } from './linear-edit.ts'
import { removeLocalDocument, writeLocalDocument } from './local-documents.ts'
import type { AppendedBodies } from './turn-source.ts'

export interface UpdateContext {
  tx: Transaction
  /** Of the file that the transaction is written to. */
  salt: bigint
  revsLimit: number
  /** The next number of the update sequence. */
  nextSeq(): number
  /** Takes it. */
  takeSeq(): number
  /** Gets the bodies that are appended. */
  appended: AppendedBodies
  /** Whether the partition of the document may not grow; undefined where partitions have no bound. */
  isFull?: ((id: string) => boolean) | undefined
}

export interface UpdateOutcome {
  /** In the order of the request. */
  results: EditResult[]
  /** A design document was written. */
  design: boolean
  /** Documents that were changed, those of them that were not there before, and local ones. Undefined: nothing was. */
  counts?: { written: number; inserted: number; local: number } | undefined
  /** The earliest time at which a document that was written expires; undefined for never. */
  expiresAtMs?: number | undefined
}

function failure(id: string, rev: string | undefined, kind: ErrorKind, reason?: string): EditResult {
  return { ok: false, id, rev, refusal: new DatabaseError(kind, reason) }
}

/** Whether the document is in a partition that may not grow. */
function mayOverflow({ isFull }: UpdateContext, { id, design }: DocumentEdits): boolean {
  return isFull !== undefined && !design && isFull(id)
}

/** The edits of one document on their way into its tree. */
class DocumentMerge {
  readonly #context: UpdateContext
  readonly #document: DocumentEdits
  readonly #tree: RevisionTree
  /** Undefined for a new document. */
  readonly #before: StoredState | undefined
  /** The revisions that the request gave it. */
  readonly #made = new Set<RevisionNode>()
  readonly #liveBefore: boolean
  /** When the document will expire. */
  #expiresAtMs: number | undefined
  /** Where the document will stand in the update sequence, if it changes. */
  readonly #seq: number
  /** An edit was taken, also one that is there already: the document is cut to the limit of today, as in CouchDB. */
  #touched = false
  /** The tree took something, which stemming may take away again. */
  #merged = false

  /** `value` is what the tree `id` has of the document. */
  constructor(context: UpdateContext, document: DocumentEdits, value: Buffer | undefined) {
    this.#context = context
    this.#document = document
    this.#seq = context.nextSeq()
    this.#tree = value === undefined ? new RevisionTree() : decodeInfoTree(value)
    this.#liveBefore = this.#tree.isLive
    this.#before = value && new StoredState(value, this.#tree.updateSeq, expiryOfInfo(value))
    this.#expiresAtMs = this.#before?.expiresAtMs
  }

  /** `revpos` is that of new content; undefined keeps the one that it came with. */
  #add(
    edit: ReadyEdit,
    path: readonly Revision[],
    resolved: readonly ResolvedAttachment[],
    revpos: number | undefined,
  ): EditResult {
    const head = path[0]!
    const reference = this.#context.tx.append(edit.body)
    this.#context.appended.add(reference, edit.body)
    const attachments = storeAttachments(this.#context.tx, this.#context.salt, resolved, revpos)
    const sizes = attachmentSizes(attachments)
    const merged = this.#tree.merge(
      { start: head.pos, ids: path.map((revision) => revision.id) },
      {
        deleted: edit.deleted,
        seq: this.#seq,
        body: encodeStoredBody(reference, edit.validates),
        size: textBytesOf(edit.body) + sizes.external,
        activeSize: edit.body.length + sizes.active,
        attachments: encodeAttachments(attachments),
      },
    )
    this.#touched = true
    this.#merged ||= merged.changed
    if (merged.kind !== 'internal_node') {
      this.#made.add(merged.head)
      if (!edit.deleted) this.#expiresAtMs = edit.expiresAtMs
    }
    return { ok: true, id: this.#document.id, rev: formatRevision(head) }
  }

  #attachmentsOf(revision: Revision | undefined): readonly AttachmentInfo[] {
    const node = revision === undefined ? null : this.#tree.find(revision.pos, revision.id)
    return decodeAttachments(node?.value?.attachments ?? null)
  }

  /** The path of an edit that is allowed; undefined is a conflict. */
  #allowedPath(edit: ReadyEdit, attachments: readonly ResolvedAttachment[]): readonly Revision[] | undefined {
    const { parent } = edit
    if (this.#tree.nodes.length === 0) return this.#pathOf(edit, attachments)
    if (!this.#tree.isLive) {
      if (parent !== undefined || edit.deleted) return undefined
      const winner = this.#tree.winner()!
      return [nextRevision(false, winner, edit.term, hashedAttachments(attachments)), winner]
    }
    if (parent === undefined || this.#tree.find(parent.pos, parent.id)?.children !== 0) return undefined
    return this.#pathOf(edit, attachments)
  }

  #pathOf(edit: ReadyEdit, attachments: readonly ResolvedAttachment[]): readonly Revision[] {
    if (edit.path.length > 0) return edit.path
    const { deleted, parent, term } = edit
    const revision = nextRevision(deleted, parent ?? null, term, hashedAttachments(attachments))
    return parent === undefined ? [revision] : [revision, parent]
  }

  #refusal({ fault }: ReadyEdit, revision: Revision | undefined): EditResult | undefined {
    if (fault === undefined) return undefined
    return failure(this.#document.id, revision && formatRevision(revision), 'invalidDesignDocument', fault)
  }

  /** Whether it is a leaf, and was one before the request. */
  #isOldLeaf({ pos, id }: Revision): boolean {
    const node = this.#tree.find(pos, id)
    return node?.children === 0 && !this.#made.has(node)
  }

  interactive(edit: ReadyEdit): EditResult {
    const { parent, attachments } = edit
    const conflict = (): EditResult =>
      failure(this.#document.id, parent && formatRevision(parent), 'conflict')
    const allowedBefore = parent === undefined ? !this.#liveBefore : this.#isOldLeaf(parent)
    if (!allowedBefore) return conflict()
    const resolved = resolveStubs(
      this.#document.id,
      attachments,
      attachments.length === 0 ? [] : this.#attachmentsOf(parent),
    )
    const path = this.#allowedPath(edit, resolved)
    if (path === undefined) return conflict()
    const refusal = this.#refusal(edit, parent) ?? this.#overflow(edit, path, resolved)
    return refusal ?? this.#add(edit, path, resolved, path[0]!.pos)
  }

  /** What a full partition still takes makes nothing in it longer. */
  #overflow(
    edit: ReadyEdit,
    [, parent]: readonly Revision[],
    attachments: readonly ResolvedAttachment[],
  ): EditResult | undefined {
    const { id } = this.#document
    if (!mayOverflow(this.#context, this.#document)) return undefined
    const before = parent === undefined ? 0 : (this.#tree.find(parent.pos, parent.id)?.value?.size ?? 0)
    const after = textBytesOf(edit.body) + externalBytesOf(attachments)
    if (after <= before) return undefined
    const reason = `Partition limit exceeded due to update on '${id}'`
    return failure(id, edit.parent && formatRevision(edit.parent), 'partitionOverflow', reason)
  }

  /** A revision that is there keeps its body; what the path knows of its history is joined to the tree. */
  replicated(edit: ReadyEdit): EditResult {
    const revision = edit.path[0]!
    if (this.#tree.find(revision.pos, revision.id)?.value != null) {
      const path = { start: revision.pos, ids: edit.path.map(({ id }) => id) }
      this.#merged = this.#tree.merge(path, null).changed || this.#merged
      this.#touched = true
      return { ok: true, id: this.#document.id, rev: formatRevision(revision) }
    }
    const refusal = this.#refusal(edit, revision)
    if (refusal !== undefined) return refusal
    if (edit.checkedWithoutAncestor && this.#hasOldAncestor(edit)) {
      return failure(this.#document.id, formatRevision(revision), 'checkOutdated')
    }
    const { attachments } = edit
    if (!hasStubs(attachments))
      return this.#add(edit, edit.path, resolveStubs('', attachments, []), undefined)
    const resolved = resolveStubs(
      this.#document.id,
      attachments,
      this.#attachmentsOf(this.#storedAncestor(edit)),
    )
    return this.#add(edit, edit.path, resolved, undefined)
  }

  /** Whether an ancestor of the edit was stored before the request. */
  #hasOldAncestor(edit: ReadyEdit): boolean {
    const ancestor = this.#storedAncestor(edit)
    return ancestor !== undefined && !this.#made.has(ancestor)
  }

  /** The nearest ancestor of the edit that has a body, whether its path goes so far or the tree knows it. */
  #storedAncestor({ path }: ReadyEdit): RevisionNode | undefined {
    let node: RevisionNode | null = null
    for (let i = 1; i < path.length && node === null; i++) node = this.#tree.find(path[i]!.pos, path[i]!.id)
    while (node !== null && node.value === null) node = node.parent
    return node ?? undefined
  }

  /** Undefined for never; known when the document is written. */
  get expiresAtMs(): number | undefined {
    return this.#expiresAtMs
  }

  /** There was none of its id. */
  get isNew(): boolean {
    return this.#before === undefined
  }

  /** A new leaf is a change, unless a later edit of the request put it into a history that is cut off above it. */
  #hasNewLeaf(): boolean {
    for (const { children } of this.#made) if (children === 0) return true
    return false
  }

  #isAsBefore(): boolean {
    return this.#before !== undefined && encodeTree(this.#tree).equals(encodeTree(this.#before.tree))
  }

  /** Writes what was added. Returns whether anything was. */
  write(): boolean {
    const { tx, revsLimit } = this.#context
    if (!this.#touched) return false
    const isCut = this.#tree.stem(revsLimit)
    if (!this.#hasNewLeaf() && ((!this.#merged && !isCut) || this.#isAsBefore())) return false
    this.#context.takeSeq()
    this.#tree.updateSeq = this.#seq
    const after = stateOf(this.#tree, this.#expiresAtMs)
    this.#expiresAtMs = after.expiresAtMs
    writeDocument(tx, this.#document.key, this.#before, after)
    return true
  }
}

function applyLocal(tx: Transaction, edit: LocalEdit): EditResult {
  if (edit.number === undefined) return failure(edit.id, edit.rev, 'badRequest', 'Invalid rev format')
  const rev = edit.deleted
    ? removeLocalDocument(tx, edit.key)
    : writeLocalDocument(tx, edit.key, edit.body, edit.number)
  return { ok: true, id: edit.id, rev }
}

function linearResult(id: string, { path, parent }: ReadyEdit, outcome: LinearOutcome): EditResult {
  if (outcome === 'conflict') return failure(id, parent && formatRevision(parent), 'conflict')
  return { ok: true, id, rev: formatRevision(path[0]!) }
}

/**
 * Merges all edits; to be called inside a transaction. Their results are put into their places in `results`. What `shortWay`
 * leaves is merged in general, with the same outcome.
 */
export function applyEdits(
  context: UpdateContext,
  ready: ReadyEdits,
  results: EditResult[] = [],
  shortWay = writeLinearEdit,
): UpdateOutcome {
  let design = false
  let expiresAtMs: number | undefined
  let written = 0
  let inserted = 0
  for (const document of ready.documents) {
    const { key, edits } = document
    const value = context.tx.get(TREES.id, key)
    // The general merge alone knows what an edit makes longer.
    if (edits.length === 1 && !(ready.newEdits && mayOverflow(context, document))) {
      const edit = edits[0]!
      const outcome = shortWay(context, key, value, edit, ready.newEdits)
      if (outcome !== undefined) {
        results[edit.place] = linearResult(document.id, edit, outcome)
        if (outcome === 'conflict') continue
        written += 1
        if (outcome === 'inserted') inserted += 1
        if (document.design) design = true
        continue
      }
    }
    const merge = new DocumentMerge(context, document, value)
    for (const edit of edits) {
      results[edit.place] = ready.newEdits ? merge.interactive(edit) : merge.replicated(edit)
    }
    if (!merge.write()) continue
    written += 1
    if (merge.isNew) inserted += 1
    if (document.design) design = true
    if (merge.expiresAtMs !== undefined) expiresAtMs = Math.min(expiresAtMs ?? Infinity, merge.expiresAtMs)
  }
  for (const edit of ready.local) results[edit.place] = applyLocal(context.tx, edit)
  for (const { place, id, rev, refusal } of ready.refused) results[place] = { ok: false, id, rev, refusal }
  const counts = { written, inserted, local: ready.local.length }
  return { results, design, counts, expiresAtMs }
}

/** Refuses all edits that were checked against what is no more; local documents, which are not checked, with them. */
export function refuseOutdated(ready: ReadyEdits, results: EditResult[]): UpdateOutcome {
  for (const { id, edits } of ready.documents) {
    for (const { place, parent } of edits) {
      results[place] = failure(id, parent && formatRevision(parent), 'checkOutdated')
    }
  }
  for (const { id, rev, place } of ready.local) results[place] = failure(id, rev, 'checkOutdated')
  for (const { place, id, rev, refusal } of ready.refused) results[place] = { ok: false, id, rev, refusal }
  return { results, design: false }
}

/** Ends the transaction of a request that is written as a whole or not at all. */
class AllRefused extends Error {
  readonly results: EditResult[]

  constructor(results: EditResult[]) {
    super('a document of the request was refused')
    this.results = results
  }
}

/** Throws inside the transaction, which undoes it, unless every edit was taken; see `refusedOutcome`. */
export function requireAll(results: readonly EditResult[]): void {
  if (results.every((result) => result.ok)) return
  const refused = results.map((result) => (result.ok ? failure(result.id, undefined, 'notWritten') : result))
  throw new AllRefused(refused)
}

/** What a request that `requireAll` ended is answered with, put into `results`; any other error is thrown on. */
export function refusedOutcome(error: unknown, results: EditResult[]): UpdateOutcome {
  if (!(error instanceof AllRefused)) throw error
  error.results.forEach((result, place) => {
    results[place] = result
  })
  return { results, design: false }
}
