/**
 * One moment of a database for whoever keeps something that is derived from its documents: what has changed since a change,
 * and what was purged since a purge, by their numbers. Rows are read without what a client would be shown.
 */
import type { Snapshot, TreeReader } from '../../../native-free-btree/index.ts'
import { decodeChangeEntry } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, seqKey, seqOfKey, TREES } from '../layout/layout.ts'
import { DEFAULT_SEQUENCES, readRecord } from '../layout/meta-records.ts'
import { decodePurge } from '../layout/purge-record.ts'
import { lastNumbers } from './changes.ts'
import { StoredView, type ViewSource } from './document-view.ts'
import { StoredEntry } from './stored-rows.ts'

/** A document as its last change left it. */
export interface DerivedChange {
  readonly seq: number
  readonly id: string
  readonly deleted: boolean
  /** It has no attachments, and no leaves but the winner. */
  readonly isPlain: boolean
  /** The winner. To be used while the derivation is open. */
  document(): StoredView
}

/** Goes from change to change. What `entry` shows is good until the next one. */
export interface ChangeWalk {
  readonly entry: StoredEntry
  /** False at the end. */
  next(): boolean
  /** The present one, for whoever needs more of it than where it lies. */
  change(): DerivedChange
}

export class Derivation {
  readonly updateSeq: number
  readonly purgeSeq: number
  /** Number of the oldest purge that is remembered. */
  readonly firstPurge: number
  readonly #snapshot: Snapshot
  readonly #source: ViewSource
  readonly #sequence: TreeReader

  /** The snapshot belongs to it. */
  constructor(snapshot: Snapshot, source: ViewSource) {
    const { update, purge } = lastNumbers(snapshot)
    const meta = snapshot.tree(TREES.meta)
    const record = readRecord({ get: (_meta, key) => meta.get(key) }, 'sequences')
    this.updateSeq = update
    this.purgeSeq = purge
    this.firstPurge = record?.firstPurge ?? DEFAULT_SEQUENCES.firstPurge
    this.#snapshot = snapshot
    this.#source = source
    this.#sequence = snapshot.tree(TREES.seq)
  }

  /** How many documents have changed behind a change. */
  countBehind(seq: number): number {
    return this.#sequence.count() - this.#sequence.rank(seqKey(seq + 1))
  }

  /** In the order of their last changes. */
  changesBehind(seq: number): ChangeWalk {
    const cursor = this.#sequence.cursor({ start: seqKey(seq), startInclusive: false })
    const entry = new StoredEntry({ values: this.#source.values, metrics: undefined })
    return {
      entry,
      next: () => {
        if (!cursor.nextPlace(entry)) return false
        entry.readChange()
        return true
      },
      change: () => this.#change(entry.key(), entry.value()),
    }
  }

  #change(key: Buffer, value: Buffer): DerivedChange {
    const { id, leaves, reference, attachments } = decodeChangeEntry(value)
    const seq = seqOfKey(key)
    const { revision, deleted } = leaves[0]!
    const info = (): Buffer => this.#snapshot.tree(TREES.id).get(idKey(id))!
    const document = (): StoredView =>
      new StoredView({
        source: this.#source,
        id,
        revision,
        deleted,
        reference,
        localSeq: seq,
        expiresAtMs: () => expiryOfInfo(info()),
        leaves: () => leaves,
        attachments: () => (attachments ? decodeInfo(info()).attachments : null),
        tree: () => decodeInfoTree(info()),
      })
    return { seq, id, deleted, isPlain: leaves.length === 1 && !attachments, document }
  }

  /** Ids of documents of which revisions were purged behind a purge, and that are gone. */
  *goneBehind(purge: number): Generator<string, void, void> {
    const documents = this.#snapshot.tree(TREES.id)
    const cursor = this.#snapshot.tree(TREES.purge).cursor({ start: seqKey(purge), startInclusive: false })
    while (cursor.next()) {
      const { id } = decodePurge(cursor.value())
      if (!documents.has(idKey(id))) yield id
    }
  }

  close(): void {
    this.#snapshot.close()
  }
}
