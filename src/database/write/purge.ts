/**
 * Purging: leaf revisions are taken out of their documents as if they had never been. What holds:
 * - A revision that is not a leaf stays. A document without a leaf is gone: from the ids, the update sequence
 *   and the counts. One that keeps some moves to a new place in the update sequence.
 * - A purge of a document takes a number of the purge sequence and is remembered as it was asked for, whatever it
 *   removed, as in CouchDB. One that removed something takes a number of the update sequence too.
 * - The last `purgedInfosLimit` purges are remembered; `sequences.firstPurge` is the number of the oldest kept.
 */
import type { Snapshot, Transaction } from '../../../native-free-btree/index.ts'
import type { PurgedRevisions, PurgeRequest } from '../api/database.ts'
import { decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { DESIGN_PREFIX, idKey, seqKey, TREES } from '../layout/layout.ts'
import { DEFAULT_SEQUENCES, readRecord, type SequencesRecord, writeRecord } from '../layout/meta-records.ts'
import { decodePurge, encodePurge } from '../layout/purge-record.ts'
import { SnapshotRows } from '../layout/snapshot-rows.ts'
import { compareRevisions, formatRevision, type Revision } from '../revisions/revision-id.ts'
import { StoredState, stateOf, writeDocument } from './derived-trees.ts'

export interface ReadyPurge {
  id: string
  key: Buffer
  revisions: readonly Revision[]
}

export interface PurgeContext {
  tx: Transaction
  purgedInfosLimit: number
  /** Takes the next number of the update sequence. */
  takeSeq(): number
}

export interface PurgeOutcome {
  /** What was removed of each document, in the order of the request, revisions upwards. */
  purged: PurgedRevisions[]
  sequences: SequencesRecord
  /** A design document lost a revision. */
  design: boolean
}

/** Throws illegalDocumentId for an id that is too long. */
export function readyPurges(requests: readonly PurgeRequest[]): ReadyPurge[] {
  return requests.map(({ id, revisions }) => ({ id, key: idKey(id), revisions }))
}

/** Returns the revisions that were removed. */
function purgeDocument(context: PurgeContext, { key, revisions }: ReadyPurge): Revision[] {
  const { tx, takeSeq } = context
  const value = tx.get(TREES.id, key)
  if (value === undefined) return []
  const tree = decodeInfoTree(value)
  const removed = revisions.filter((revision) => tree.removeLeaf(revision))
  if (removed.length === 0) return []
  const before = new StoredState(value, tree.updateSeq, expiryOfInfo(value))
  tree.updateSeq = takeSeq()
  const isGone = tree.nodes.length === 0
  writeDocument(tx, key, before, isGone ? undefined : stateOf(tree, before.expiresAtMs))
  return removed.sort(compareRevisions)
}

/** Forgets what is beyond the limit. */
function forgetPurges(tx: Transaction, sequences: SequencesRecord, limit: number): void {
  for (; sequences.firstPurge <= sequences.purge - limit; sequences.firstPurge++) {
    tx.delete(TREES.purge, seqKey(sequences.firstPurge))
  }
}

/** To be called inside a transaction. */
export function applyPurges(context: PurgeContext, ready: readonly ReadyPurge[]): PurgeOutcome {
  const { tx, purgedInfosLimit } = context
  const sequences = { ...DEFAULT_SEQUENCES, ...readRecord(tx, 'sequences') }
  let design = false
  const takeSeq = (): number => {
    sequences.update = context.takeSeq()
    return sequences.update
  }
  const purged = ready.map((request) => {
    const removed = purgeDocument({ ...context, takeSeq }, request)
    sequences.purge += 1
    tx.put(TREES.purge, seqKey(sequences.purge), encodePurge(request.key, request.revisions))
    if (removed.length > 0 && request.id.startsWith(DESIGN_PREFIX)) design = true
    return { id: request.id, revs: removed.map(formatRevision) }
  })
  if (ready.length > 0) {
    forgetPurges(tx, sequences, purgedInfosLimit)
    writeRecord(tx, 'sequences', sequences)
  }
  return { purged, sequences, design }
}

/** To be called inside a transaction that lowers the limit. */
export function trimPurges(tx: Transaction, limit: number): void {
  const sequences = { ...DEFAULT_SEQUENCES, ...readRecord(tx, 'sequences') }
  const first = sequences.firstPurge
  forgetPurges(tx, sequences, limit)
  if (sequences.firstPurge > first) writeRecord(tx, 'sequences', sequences)
}

/** The purges that are remembered, oldest first. The snapshot belongs to the rows. */
export function listPurges(snapshot: Snapshot): IterableIterator<PurgedRevisions> {
  const cursor = snapshot.tree(TREES.purge).cursor()
  return new SnapshotRows(snapshot, () => (cursor.next() ? decodePurge(cursor.value()) : undefined))
}
