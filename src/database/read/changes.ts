/**
 * The update sequence: one entry a document, at its last change. A row needs the tree `seq` alone; what is
 * left after it is known from ranks, in O(log n).
 */
import type { Snapshot, TreeReader } from '../../../native-free-btree/index.ts'
import type { ChangeRow, ChangesOptions, ChangesPage } from '../api/database.ts'
import { decodeChangeEntry } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, seqKey, seqOfKey, TREES } from '../layout/layout.ts'
import { DEFAULT_SEQUENCES, readRecord } from '../layout/meta-records.ts'
import type { SequenceCodec } from '../layout/sequence.ts'
import { SnapshotRows } from '../layout/snapshot-rows.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { StoredView, type ViewSource } from './document-view.ts'

/** The numbers up to which a snapshot shows changes and purges; the last change may have been a purge and have no entry. */
export function lastNumbers(snapshot: Snapshot): { update: number; purge: number } {
  const meta = snapshot.tree(TREES.meta)
  const floors = { ...DEFAULT_SEQUENCES, ...readRecord({ get: (_meta, key) => meta.get(key) }, 'sequences') }
  const cursor = snapshot.tree(TREES.seq).cursor({ reverse: true })
  const last = cursor.next() ? seqOfKey(cursor.key()) : 0
  return { update: Math.max(floors.update, last), purge: floors.purge }
}

interface Source {
  views: ViewSource
  sequences: SequenceCodec
  /** Number of the last change in the snapshot, purged ones included. */
  current: number
}

function winnerAttachments(snapshot: Snapshot, id: string): Uint8Array | null {
  return decodeInfo(snapshot.tree(TREES.id).get(idKey(id))!).attachments
}

function changeRow(
  snapshot: Snapshot,
  source: Source,
  key: Buffer,
  value: Buffer,
  allLeaves: boolean,
): ChangeRow {
  const entry = decodeChangeEntry(value)
  const seqNumber = seqOfKey(key)
  const winner = entry.leaves[0]!
  const shown = allLeaves ? entry.leaves : [winner]
  return {
    id: entry.id,
    seqNumber,
    seq: source.sequences.format(seqNumber),
    deleted: winner.deleted,
    revs: shown.map((leaf) => formatRevision(leaf.revision)),
    document: () =>
      new StoredView({
        source: source.views,
        id: entry.id,
        revision: winner.revision,
        deleted: winner.deleted,
        reference: entry.reference,
        localSeq: seqNumber,
        expiresAtMs: () => expiryOfInfo(snapshot.tree(TREES.id).get(idKey(entry.id))!),
        leaves: () => entry.leaves,
        attachments: () => (entry.attachments ? winnerAttachments(snapshot, entry.id) : null),
        tree: () => decodeInfoTree(snapshot.tree(TREES.id).get(idKey(entry.id))!),
      }),
  }
}

/** Entries of the update sequence, one after the other. */
interface Entries {
  next(): boolean
  key(): Buffer
  value(): Buffer
}

/** Those of a few documents, which stand behind `since`, in the order of the sequence. */
function entriesOf(snapshot: Snapshot, ids: readonly string[], since: number, reverse: boolean): Entries {
  const documents = snapshot.tree(TREES.id)
  const sequence = snapshot.tree(TREES.seq)
  const numbers = [...new Set(ids)].flatMap((id) => {
    const value = documents.get(idKey(id))
    const seq = value === undefined ? 0 : decodeInfo(value).seq
    return seq > since ? [seq] : []
  })
  numbers.sort((a, b) => (reverse ? b - a : a - b))
  let at = -1
  return {
    next: () => {
      at += 1
      return at < numbers.length
    },
    key: () => seqKey(numbers[at]!),
    value: () => sequence.get(seqKey(numbers[at]!))!,
  }
}

/**
 * Opens the page on a snapshot, which belongs to the rows from then on. Descending goes from the last change
 * to the first and does not look at `since`, as in CouchDB. Throws bad_request for a malformed `since`.
 */
export function openChanges(snapshot: Snapshot, source: Source, options: ChangesOptions): ChangesPage {
  const tree: TreeReader = snapshot.tree(TREES.seq)
  const reverse = options.descending === true
  const since = source.sequences.parse(options.since ?? 0, source.current)
  const few = options.ids && entriesOf(snapshot, options.ids, reverse ? 0 : since, reverse)
  // Of all documents, whose changes are none of those that were asked for too: CouchDB counts them so.
  const total = reverse ? tree.count() : tree.count() - tree.rank(seqKey(since + 1))
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const cursor: Entries =
    few ?? tree.cursor(reverse ? { reverse } : { start: seqKey(since), startInclusive: false })
  let last = reverse ? source.current : since
  let taken = 0
  const rows = new SnapshotRows(snapshot, () => {
    if (taken >= limit) return undefined
    if (!cursor.next()) {
      // Nothing of these documents lies between here and the present.
      if (few !== undefined && !reverse) last = source.current
      return undefined
    }
    const row = changeRow(snapshot, source, cursor.key(), cursor.value(), options.style === 'all_docs')
    last = row.seqNumber
    taken += 1
    return row
  })
  if (limit <= 0) rows.return()
  return { rows, lastSeq: () => source.sequences.format(last), pending: () => total - taken }
}
