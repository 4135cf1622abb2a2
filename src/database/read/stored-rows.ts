/** Rows of a tree as they are stored, and as objects for who wants those. */
import type { EntryPlace, Snapshot, ValuePlace } from '../../../native-free-btree/index.ts'
import type { StoredRow, StoredRows } from '../api/database.ts'
import { locateText } from '../bodies/stored-text.ts'
import { databaseErrorOf } from '../errors/layer-errors.ts'
import { ChangePlace, placeChange } from '../layout/change-entry.ts'
import { placeInfo } from '../layout/document-info.ts'
import { seqAt } from '../layout/layout.ts'
import { SnapshotRows } from '../layout/snapshot-rows.ts'
import { requireReference } from '../layout/stored-body.ts'
import { WinnerPlace } from '../revisions/revision-tree-codec.ts'
import type { ViewSource } from './document-view.ts'

const NONE = Buffer.alloc(0)
const info = new WinnerPlace()
const change = new ChangePlace()

/** An entry that a cursor stands at. */
export class StoredEntry implements EntryPlace, StoredRow {
  keyBytes: Buffer = NONE
  keyStart = 0
  keyEnd = 0
  valueBytes: Buffer = NONE
  valueStart = 0
  valueEnd = 0

  idBytes: Buffer = NONE
  idStart = 0
  idEnd = 0
  generation = 0
  revisionStart = 0
  revisionEnd = 0
  deleted = false
  seqNumber = 0
  leafCount = 0
  hasAttachments = false
  /** Where its body is. */
  source: Pick<ViewSource, 'values' | 'metrics'>
  #referenceStart = 0

  constructor(source: Pick<ViewSource, 'values' | 'metrics'>) {
    this.source = source
  }

  get revisionBytes(): Buffer {
    return this.valueBytes
  }

  /** A copy. */
  key(): Buffer {
    return Buffer.from(this.keyBytes.subarray(this.keyStart, this.keyEnd))
  }

  /** A copy. */
  value(): Buffer {
    return Buffer.from(this.valueBytes.subarray(this.valueStart, this.valueEnd))
  }

  /** The entry is one of the tree `id`. Throws as `decodeInfo`. */
  readInfo(): void {
    const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd } = this
    placeInfo(valueBytes, valueStart, valueEnd, info)
    this.idBytes = keyBytes
    this.idStart = keyStart
    this.idEnd = keyEnd
    this.generation = info.pos
    this.revisionStart = info.idStart
    this.revisionEnd = info.idEnd
    this.deleted = info.deleted
    this.seqNumber = info.updateSeq
    this.leafCount = info.leafCount
    this.hasAttachments = info.attachmentsStart >= 0
    this.#referenceStart = requireReference(info.bodyStart, info.bodyEnd)
  }

  /** Copies the entry, which is one of the tree `id`: it is good from now on whatever is asked of the store. */
  keepInfo(): void {
    this.keyBytes = this.key()
    this.valueBytes = this.value()
    this.keyStart = 0
    this.keyEnd = this.keyBytes.length
    this.valueStart = 0
    this.valueEnd = this.valueBytes.length
    this.readInfo()
  }

  /** The entry is one of the tree `seq`. Throws as `decodeChangeEntry`. */
  readChange(): void {
    const { keyBytes, keyStart, valueBytes, valueStart, valueEnd } = this
    placeChange(valueBytes, valueStart, valueEnd, change)
    this.idBytes = valueBytes
    this.idStart = change.idStart
    this.idEnd = valueEnd
    this.generation = change.pos
    this.revisionStart = change.revisionStart
    this.revisionEnd = change.revisionEnd
    this.deleted = change.deleted
    this.seqNumber = seqAt(keyBytes, keyStart)
    this.leafCount = change.leafCount
    this.hasAttachments = change.attachments
    this.#referenceStart = change.referenceStart
  }

  placeBody(): Readonly<ValuePlace> {
    const { values, metrics } = this.source
    try {
      const place = locateText(values, this.valueBytes, this.#referenceStart)
      metrics?.countDatabaseRead()
      return place
    } catch (error) {
      throw databaseErrorOf(error)
    }
  }
}

/** Finds rows, one after the other. */
export interface RowWalk<Row> {
  readonly entry: StoredEntry
  /** False at the end. */
  next(): boolean
  /** The present row. */
  row(): Row
}

export class WalkedRows<Row> extends SnapshotRows<Row> implements StoredRows<Row> {
  readonly #walk: RowWalk<Row>

  constructor(snapshot: Snapshot, walk: RowWalk<Row>) {
    super(snapshot, () => (walk.next() ? walk.row() : undefined))
    this.#walk = walk
  }

  nextStored(): StoredRow | undefined {
    if (!this.isOpen) return undefined
    const walk = this.#walk
    try {
      if (walk.next()) return walk.entry
    } catch (error) {
      this.close()
      throw databaseErrorOf(error)
    }
    this.close()
    return undefined
  }

  row(): Row {
    return this.#walk.row()
  }
}
