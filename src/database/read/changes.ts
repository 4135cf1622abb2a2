/**
 * The update sequence: one entry a document, at its last change. A row needs the tree `seq` alone; what is
 * left after it is known from ranks, in O(log n).
 */
import type { Cursor, Snapshot, TreeReader } from '../../../native-free-btree/index.ts'
import type { ChangeRow, ChangesOptions, ChangesPage } from '../api/database.ts'
import { decodeChangeEntry } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, seqKey, seqOfKey, TREES } from '../layout/layout.ts'
import { DEFAULT_SEQUENCES, readRecord } from '../layout/meta-records.ts'
import type { SequenceCodec } from '../layout/sequence.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { StoredView, type ViewSource } from './document-view.ts'
import { type RowWalk, StoredEntry, WalkedRows } from './stored-rows.ts'

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
type Entries = Pick<Cursor, 'nextPlace'>

/** Of more documents whose ids begin alike the sequence is walked. */
const FEW_ALIKE = 100

/** Numbers of the last changes of these documents. */
function numbersOf(snapshot: Snapshot, ids: readonly string[]): number[] {
  const documents = snapshot.tree(TREES.id)
  return [...new Set(ids)].flatMap((id) => {
    const value = documents.get(idKey(id))
    return value === undefined ? [] : [decodeInfo(value).seq]
  })
}

/** The same of the documents, deleted ones too, whose ids begin with `prefix`; undefined where they are not few. */
function numbersAlike(snapshot: Snapshot, prefix: Buffer): number[] | undefined {
  const numbers: number[] = []
  const cursor = snapshot.tree(TREES.id).cursor({ start: prefix })
  while (cursor.next()) {
    const key = cursor.key()
    if (!beginsWith(key, 0, key.length, prefix)) break
    if (numbers.length === FEW_ALIKE) return undefined
    numbers.push(decodeInfo(cursor.value()).seq)
  }
  return numbers
}

function beginsWith(bytes: Buffer, start: number, end: number, prefix: Buffer): boolean {
  const behind = start + prefix.length
  return behind <= end && bytes.compare(prefix, 0, prefix.length, start, behind) === 0
}

/** The changes of these numbers that stand behind `since`, in the order of the sequence. */
function entriesOf(snapshot: Snapshot, all: readonly number[], since: number, reverse: boolean): Entries {
  const sequence = snapshot.tree(TREES.seq)
  const numbers = all.filter((seq) => seq > since)
  numbers.sort((a, b) => (reverse ? b - a : a - b))
  let at = -1
  return {
    nextPlace: (into) => {
      at += 1
      if (at >= numbers.length) return false
      const keyBytes = seqKey(numbers[at]!)
      const valueBytes = sequence.get(keyBytes)!
      Object.assign(into, { keyBytes, keyStart: 0, keyEnd: keyBytes.length })
      Object.assign(into, { valueBytes, valueStart: 0, valueEnd: valueBytes.length })
      return true
    },
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
  // Of all documents, whose changes are none of those that were asked for too: CouchDB counts them so.
  const total = reverse ? tree.count() : tree.count() - tree.rank(seqKey(since + 1))
  const prefix = options.prefix === undefined ? undefined : Buffer.from(options.prefix)
  const alike = prefix && total > FEW_ALIKE ? numbersAlike(snapshot, prefix) : undefined
  const wanted = options.ids === undefined ? alike : numbersOf(snapshot, options.ids)
  const few = wanted && entriesOf(snapshot, wanted, reverse ? 0 : since, reverse)
  const limit = options.limit ?? Number.POSITIVE_INFINITY
  const cursor: Entries =
    few ?? tree.cursor(reverse ? { reverse } : { start: seqKey(since), startInclusive: false })
  const numbers = source.sequences
  let last = reverse ? source.current : since
  let taken = 0
  const entry = new StoredEntry(source.views)
  const walk: RowWalk<ChangeRow> = {
    entry,
    next: () => {
      if (taken >= limit) return false
      if (!cursor.nextPlace(entry)) {
        // Nothing of these documents lies between here and the present.
        if (few !== undefined && !reverse) last = source.current
        return false
      }
      entry.readChange()
      last = entry.seqNumber
      if (prefix === undefined || beginsWith(entry.idBytes, entry.idStart, entry.idEnd, prefix)) taken += 1
      return true
    },
    row: () => changeRow(snapshot, source, entry.key(), entry.value(), options.style === 'all_docs'),
  }
  const rows = new WalkedRows(snapshot, walk)
  if (limit <= 0) rows.return()
  return {
    rows,
    lastSeq: () => numbers.format(last),
    pending: () => total - taken,
    writeSeq: (seqNumber, bytes, at) => numbers.write(seqNumber, bytes, at),
  }
}
