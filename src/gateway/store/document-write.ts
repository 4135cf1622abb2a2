/**
 * One write of a document. The revision before it is looked up, the sync function is asked, which takes a moment, and in its
 * turn the write is checked again: if what the function was shown is no longer so, it is asked anew.
 */

import type { RandomBytes } from '../../base/random.ts'
import { type DocumentState, EMPTY_STATE, nextState, type SyncOutput } from '../../channels/document-state.ts'
import { indexEdits, type StateAt } from '../../channels/index-entries.ts'
import type { SyncFunction, SyncUser } from '../../channels/sync-function.ts'
import type { DocumentEdit, DocumentView, OwnedDatabase } from '../../database/api/database.ts'
import {
  formatRevision,
  formatRevisionId,
  MAX_GENERATION,
  MAX_REVISION_ID_BYTES,
  parseRevision,
  parseRevisionId,
  REVISION_ID_SIZE,
  type Revision,
} from '../../database/revisions/revision-id.ts'
import { documentText } from '../../json/writer.ts'
import { badRequest, GatewayError } from '../errors.ts'
import {
  attachmentsMember,
  type GivenAttachment,
  notedAttachments,
  type ResolvedAttachment,
  resolveAttachments,
  type StoredNote,
} from './attachments.ts'
import { type DocumentLeaves, leavesOf, normalRevision, winsAgainst } from './document-leaves.ts'
import { type RecordedRevision, type RevisionRecord, stateAt, withRecord } from './revision-record.ts'
import type { WritePlace } from './write-order.ts'
import type { CheckedWrite, WriteQueue } from './write-queue.ts'

/** A document as a client gives it. */
export interface GivenDocument {
  id: string
  deleted: boolean
  /** Canonical JSON, without members that begin with `_`. */
  body: Uint8Array
  term: Uint8Array
  /** An edit: the revision that it is of. */
  rev: string | undefined
  /** A revision of another replica: newest first, `N-id`. Then `rev` counts for nothing. */
  history: readonly string[] | undefined
  attachments: readonly GivenAttachment[]
  /** Unix time in seconds. */
  expiry: number | undefined
}

/** Where documents are written to. */
export interface WriteTarget {
  readonly random: RandomBytes
  readonly database: OwnedDatabase
  readonly queue: WriteQueue
  readonly sync: SyncFunction
  recorded(view: DocumentView): RecordedRevision
  /** The document went from one state to another. */
  moved(id: string, before: StateAt | undefined, after: StateAt): void
}

/** Who writes, as he is at each call. */
export interface Writer {
  /** Called in the write's turn. Throws for one who may write no more: he is gone, or is signed in no more. */
  requireStill(): void
  /** As the sync function may require him to be; null for an administrator. */
  asked(): SyncUser | null
  mayRead(revision: RecordedRevision): boolean
}

/** What a new revision is made of, as the document is now. */
interface Basis {
  readonly leaves: DocumentLeaves | undefined
  readonly parent: RecordedRevision | undefined
  readonly revision: Revision
  readonly path: readonly Revision[]
  readonly attachments: readonly ResolvedAttachment[]
}

const MOST_ATTEMPTS = 20

class Outdated extends Error {}

/** Resolves with the revision. Rejects with 400, 409, and what the sync function refuses it with. `place` is of one among several. */
export async function writeDocument(
  target: WriteTarget,
  given: GivenDocument,
  writer: Writer,
  signal?: AbortSignal,
  place?: WritePlace,
): Promise<string> {
  const newId = unguessableId(target.random)
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const basis = basisOf(target, given, writer, newId)
    if (typeof basis === 'string') return basis
    const { sync } = target
    const asking = sync.asksForUser ? writer.asked() : null
    const isAskedStill = (): boolean =>
      !sync.asksForUser || JSON.stringify(writer.asked()) === JSON.stringify(asking)
    const { document, before } = shownTexts(given, basis)
    const said = await saidOf(sync.run({ document, before, user: asking }, signal))
    await place?.turn()
    if (asking !== null && sync.asksForRights) await place?.granted()
    if (!isAskedStill()) continue
    if ('refusal' in said) throw said.refusal
    const { output } = said
    try {
      const writing = target.queue.write({
        id: given.id,
        check: () => {
          writer.requireStill()
          if (target.sync !== sync) throw new Outdated()
          const again = basisAgain(target, given, writer, basis, newId)
          if (typeof again === 'string') return undefined
          if (formatRevision(again.revision) !== formatRevision(basis.revision)) throw new Outdated()
          if (again.parent?.view.rev !== basis.parent?.view.rev) throw new Outdated()
          if (!isAskedStill()) throw new Outdated()
          return checkedWrite(target, given, again, output)
        },
      })
      place?.queued(hasGrants(output) || hasGrants(basis.leaves?.latest.record.state))
      await writing
      return formatRevision(basis.revision)
    } catch (error) {
      if (!(error instanceof Outdated)) throw error
    }
  }
  throw new GatewayError(503, 'The document changes too often')
}

async function saidOf(running: Promise<SyncOutput>): Promise<{ output: SyncOutput } | { refusal: unknown }> {
  try {
    return { output: await running }
  } catch (refusal) {
    return { refusal }
  }
}

function hasGrants(of: Pick<SyncOutput | DocumentState, 'access' | 'roles'> | undefined): boolean {
  return of !== undefined && (of.access.size > 0 || of.roles.size > 0)
}

/**
 * The id of a revision that the gateway makes. No hash of what the revision holds, as CouchDB's ids are: who may not read it is told
 * its id, as Sync Gateway does, and could try what it is the hash of.
 */
function unguessableId(random: RandomBytes): string {
  const bytes = Buffer.allocUnsafe(REVISION_ID_SIZE)
  random(bytes)
  return bytes.toString('latin1')
}

/** A document that was not there and still is not has the same basis as before. */
function basisAgain(
  target: WriteTarget,
  given: GivenDocument,
  writer: Writer,
  before: Basis,
  newId: string,
): Basis | string {
  const isStillNew = before.leaves === undefined && target.database.lookup(given.id) === undefined
  return isStillNew ? before : basisOf(target, given, writer, newId)
}

/** A text: the revision, which is there already. */
function basisOf(target: WriteTarget, given: GivenDocument, writer: Writer, newId: string): Basis | string {
  return given.history === undefined
    ? editBasis(target, given, writer, newId)
    : replicatedBasis(target, given, writer, given.history)
}

function editBasis(target: WriteTarget, given: GivenDocument, writer: Writer, newId: string): Basis {
  const leaves = leavesOf(target.database, given.id, target.recorded)
  let parent: RecordedRevision | undefined
  if (given.rev === undefined || given.rev === '') {
    if (leaves !== undefined && !leaves.winner.view.deleted) throw new GatewayError(409, 'Document exists')
    parent = leaves?.winner
  } else {
    const rev = normalRevision(given.rev)
    if (rev === undefined) throw badRequest('Invalid revision ID')
    parent = leaves?.leaves.find((leaf) => leaf.view.rev === rev)
    if (parent === undefined) throw new GatewayError(409, 'Document revision conflict')
  }
  const before = parent === undefined ? 0 : parseRevision(parent.view.rev).pos
  const revision = { pos: before + 1, id: newId }
  const attachments = resolved(given, attachmentsOf(parent, writer), revision.pos)
  return { leaves, parent, revision, path: [revision, ...pathOf(parent?.view)], attachments }
}

function replicatedBasis(
  target: WriteTarget,
  given: GivenDocument,
  writer: Writer,
  history: readonly string[],
): Basis | string {
  const path = history.map((rev) => {
    if (normalRevision(rev) === undefined) throw badRequest('Invalid revision ID')
    const revision = parseRevision(rev)
    const isStorable = revision.pos <= MAX_GENERATION && revision.id.length <= MAX_REVISION_ID_BYTES
    if (!isStorable) throw badRequest('Invalid revision ID')
    return revision
  })
  const leaves = leavesOf(target.database, given.id, target.recorded)
  const known = path.findIndex((revision) => isStored(target.database, given.id, revision))
  const revision = path[0]!
  if (known === 0) return formatRevision(revision)
  const parent = known < 0 ? undefined : availableRevision(target, given.id, formatRevision(path[known]!))
  const isLost = known >= 0 && parent === undefined
  const before = isLost ? attachmentsSince(leaves, path, given, writer) : attachmentsOf(parent, writer)
  return { leaves, parent, revision, path, attachments: resolved(given, before, revision.pos) }
}

function isStored(database: OwnedDatabase, id: string, revision: Revision): boolean {
  const steps = database.missingRevs(id, [revision])
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value.missing.length === 0
}

/** Undefined where its body is not kept any more. */
function availableRevision(target: WriteTarget, id: string, rev: string): RecordedRevision | undefined {
  const [found] = target.database.openRevs(id, [rev])
  return found !== undefined && 'ok' in found ? target.recorded(found.ok) : undefined
}

function pathOf(view: DocumentView | undefined): Revision[] {
  if (view === undefined) return []
  const { start, ids } = view.revisions()
  return ids.map((id, at) => ({ pos: start - at, id: parseRevisionId(id)! }))
}

/** A stub stands for bytes that the writer may read: else he would get them by a revision of his own, in his own channels. */
function attachmentsOf(parent: RecordedRevision | undefined, writer: Writer): Map<string, StoredNote> {
  if (parent === undefined || !writer.mayRead(parent)) return new Map()
  return new Map(notedAttachments(parent).map((each) => [each.name, each]))
}

/**
 * Of a revision that branches off from one whose body a compaction has taken away: what a leaf has had since before their ways parted,
 * that one had, too.
 */
function attachmentsSince(
  leaves: DocumentLeaves | undefined,
  path: readonly Revision[],
  given: GivenDocument,
  writer: Writer,
): Map<string, StoredNote> {
  const digests = new Map(given.attachments.map(({ name, digest }) => [name, digest]))
  const found = new Map<string, StoredNote>()
  if (!given.attachments.some(({ kind }) => kind === 'stub')) return found
  for (const leaf of leaves?.leaves ?? []) {
    if (!writer.mayRead(leaf)) continue
    const own = new Set(pathOf(leaf.view).map(formatRevision))
    const parting = path.find((revision) => own.has(formatRevision(revision)))?.pos ?? 0
    for (const [name, each] of attachmentsOf(leaf, writer)) {
      const isMeant = [undefined, each.digest].includes(digests.get(name))
      if (each.revpos <= parting && isMeant) found.set(name, each)
    }
  }
  return found
}

function resolved(
  given: GivenDocument,
  known: ReadonlyMap<string, StoredNote>,
  revpos: number,
): ResolvedAttachment[] {
  return resolveAttachments(given.attachments, known, revpos).map((each) => {
    if ('fault' in each) throw badRequest(each.fault)
    return each
  })
}

/** The documents as the sync function sees them. */
function shownTexts(given: GivenDocument, basis: Basis): { document: Buffer; before: Buffer | undefined } {
  const { parent, revision, attachments } = basis
  const members =
    (given.deleted ? ',"_deleted":true' : '') + attachmentsMember(attachments.map(({ noted }) => noted))
  const document = documentText(given.id, formatRevision(revision), given.body, members)
  return { document, before: parent && shownBefore(parent) }
}

/** A revision as `oldDoc`. */
export function shownBefore(parent: RecordedRevision): Buffer {
  const deleted = parent.view.deleted ? ',"_deleted":true' : ''
  return documentText(
    parent.view.id,
    null,
    parent.body,
    deleted + attachmentsMember(notedAttachments(parent)),
  )
}

/** A stored revision as `doc`. */
export function shownRevision(revision: RecordedRevision): Buffer {
  const { view, body } = revision
  const deleted = view.deleted ? ',"_deleted":true' : ''
  return documentText(view.id, view.rev, body, deleted + attachmentsMember(notedAttachments(revision)))
}

function checkedWrite(
  target: WriteTarget,
  given: GivenDocument,
  basis: Basis,
  output: SyncOutput,
): CheckedWrite {
  const { leaves, revision, path, attachments } = basis
  const rev = formatRevision(revision)
  const latest = leaves?.latest
  const before = latest && stateAt(latest)
  let after: StateAt | undefined
  return {
    edits(seq): DocumentEdit[] {
      const record: RevisionRecord = {
        stamp: (latest?.record.stamp ?? 0) + 1,
        seq,
        output,
        state: stateAfter(leaves, { rev, deleted: given.deleted, output, path }, seq),
        attachments: new Map(attachments.map(({ noted }) => [noted.name, noted])),
        expiry: given.expiry,
        historyLength: given.history?.length ?? 0,
      }
      after = { state: record.state, seq, expiry: given.deleted ? undefined : given.expiry }
      const edit: DocumentEdit = {
        id: given.id,
        deleted: given.deleted,
        body: withRecord(record, given.body),
        term: given.term,
        revisions: { start: revision.pos, ids: path.map(({ id }) => formatRevisionId(id)) },
        attachments: attachments.map(({ edit: each }) => each),
      }
      return [edit, ...indexEdits(given.id, before, after)]
    },
    applied() {
      target.moved(given.id, before, after!)
    },
  }
}

interface NewLeaf {
  rev: string
  deleted: boolean
  output: SyncOutput
  path: readonly Revision[]
}

function stateAfter(leaves: DocumentLeaves | undefined, added: NewLeaf, seq: number): DocumentState {
  const before = leaves?.latest.record.state ?? EMPTY_STATE
  const ancestors = new Set(added.path.map(formatRevision))
  let best: { rev: string; deleted: boolean; output: SyncOutput } = added
  for (const { view, record } of leaves?.leaves ?? []) {
    if (ancestors.has(view.rev)) continue
    if (winsAgainst(view, best)) best = { rev: view.rev, deleted: view.deleted, output: record.output }
  }
  if (best.rev === leaves?.winner.view.rev) return before
  return nextState(before, best.output, { seq, rev: best.rev, deleted: best.deleted })
}
