/**
 * The rows of documents in the trees of an index. What holds: when a document's rows are put those that it had before are gone, and the
 * tree `ids` says which there are.
 */
import { restIfDue } from '../base/rest.ts'
import { compareTerms } from '../json/term-order.ts'
import type { RowVisitor } from '../scripting/rows.ts'
import { visitRows } from '../scripting/rows.ts'
import type { IndexDefinition } from './api.ts'
import type { BatchDocument } from './batch.ts'
import type { CollectedRows } from './collected-rows.ts'
import { decodeDocumentRows, encodeDocumentRows, encodeOneRow } from './document-rows.ts'
import { canonicalRow, mayDiffer, type RowText } from './engine-text.ts'
import { IDS_TREE, orderOf, rowsTree, treeCountOf } from './index-trees.ts'
import type { KeyOrder } from './keys/key-order.ts'
import { rowKey } from './keys/row-key.ts'
import { encodeRowValue } from './keys/row-value.ts'
import type { MadeRows } from './row-making.ts'

const COLON = 0x3a
const NO_KEYS: Uint8Array[][] = [[]]

/** What rows are put into: a transaction of the file, or what is collected for one. */
export interface RowTransaction {
  /** Of what is collected: for rows of documents that have none in any transaction. */
  readonly collected?: CollectedRows
  get(tree: string, key: Uint8Array): Buffer | undefined
  put(tree: string, key: Uint8Array, value: Uint8Array): void
  delete(tree: string, key: Uint8Array): void
}

/** A row before it is written. */
interface FoundRow extends RowText {
  readonly tree: number
}

interface KeyedRow extends FoundRow {
  readonly sortKey: Uint8Array
}

/** Rows of one document. Those of equal keys stand as CouchDB shows them, in the order of Erlang's terms. */
function compareRows(a: KeyedRow, b: KeyedRow): number {
  return a.tree - b.tree || Buffer.compare(a.sortKey, b.sortKey) || compareTerms(valueText(a), valueText(b))
}

function valueText({ source, valueStart, valueEnd }: RowText): Buffer {
  return Buffer.from(source.buffer, source.byteOffset + valueStart, valueEnd - valueStart)
}

export class RowWriter {
  /** Names of the trees that have rows. */
  readonly trees: readonly string[]
  /** By tree. */
  readonly #orders: readonly KeyOrder[]
  readonly #definition: IndexDefinition

  constructor(definition: IndexDefinition) {
    this.#definition = definition
    this.trees = Array.from({ length: treeCountOf(definition) }, (_, tree) => rowsTree(tree))
    this.#orders = this.trees.map((_name, tree) => orderOf(definition, tree))
  }

  /** All rows of a document go. */
  remove(tx: RowTransaction, id: Buffer): void {
    const before = tx.get(IDS_TREE, id)
    if (before === undefined) return
    this.#removeRows(tx, id, decodeDocumentRows(before), [])
    tx.delete(IDS_TREE, id)
  }

  /** Those of `before` that are not in the same place of `after`. */
  #removeRows(
    tx: RowTransaction,
    id: Uint8Array,
    before: readonly (readonly Uint8Array[])[],
    after: readonly (readonly Uint8Array[])[],
  ): void {
    for (const [tree, keys] of before.entries()) {
      for (const [number, key] of keys.entries()) {
        const stays = after[tree]?.[number]
        if (stays !== undefined && Buffer.compare(stays, key) === 0) continue
        tx.delete(this.trees[tree]!, rowKey(key, id, number))
      }
    }
  }

  /** The rows of some documents, from the one at `from` on, take the place of those that they had. */
  putAll(tx: RowTransaction, documents: readonly BatchDocument[], from: number, made: MadeRows): void {
    const { rows, count, bounds } = made
    if (bounds !== undefined) {
      this.#putSingle(tx, documents, from, rows, bounds)
      return
    }
    const putting = new Putting(this, tx, documents, from, rows)
    visitRows(rows, this.trees.length, putting)
    putting.finishUntil(from + count)
  }

  /** The rows of one document take the place of those that it had. */
  put(tx: RowTransaction, document: BatchDocument, found: readonly FoundRow[]): void {
    this.#finish(tx, document, this.#putRows(tx, document, found))
  }

  /** By tree and number, the sort keys of a document's rows. */
  #putRows(tx: RowTransaction, { id }: BatchDocument, found: readonly FoundRow[]): Uint8Array[][] {
    const keys = this.#noKeys()
    const partition = this.partitionOf(id)
    const keyed = found.map((row): KeyedRow => {
      const { tree, source, keyStart, keyEnd } = row
      return { ...row, sortKey: this.#orders[tree]!.sortKey(source.subarray(keyStart, keyEnd), partition) }
    })
    keyed.sort(compareRows)
    for (const { tree, source, keyStart, keyEnd, valueStart, valueEnd, sortKey } of keyed) {
      const ofTree = keys[tree]!
      const value = encodeRowValue(source, keyStart, keyEnd, valueStart, valueEnd)
      tx.put(this.trees[tree]!, rowKey(sortKey, id, ofTree.length), value)
      ofTree.push(sortKey)
    }
    return keys
  }

  /** Documents that have one row in one tree, or none. */
  #putSingle(
    tx: RowTransaction,
    documents: readonly BatchDocument[],
    from: number,
    rows: Uint8Array,
    bounds: Uint32Array,
  ): void {
    const [tree, order] = [this.trees[0]!, this.#orders[0]!]
    for (let at = 0; 3 * at < bounds.length; at++) {
      restIfDue()
      const document = documents[from + at]!
      const [start, valueStart, end] = [bounds[3 * at]!, bounds[3 * at + 1]!, bounds[3 * at + 2]!]
      if (end === 0) {
        this.#finish(tx, document, NO_KEYS)
        continue
      }
      const { id } = document
      if (tx.collected !== undefined) {
        tx.collected.add(0, id, this.partitionOf(id), rows, start, valueStart, valueStart, end)
        tx.collected.finish(id)
        continue
      }
      const sortKey = order.sortKey(rows.subarray(start, valueStart), this.partitionOf(id))
      tx.put(tree, rowKey(sortKey, id, 0), encodeRowValue(rows, start, valueStart, valueStart, end))
      if (document.isNew) tx.put(IDS_TREE, id, encodeOneRow(sortKey))
      else this.#finish(tx, document, [[sortKey]])
    }
  }

  #noKeys(): Uint8Array[][] {
    return this.trees.map(() => [])
  }

  /** Undefined in an index that is not partitioned. */
  partitionOf(id: Buffer): Uint8Array | undefined {
    if (!this.#definition.isPartitioned) return undefined
    return id.subarray(0, Math.max(0, id.indexOf(COLON)))
  }

  /** Old rows go, and what the new ones are keyed by is kept. */
  #finish(tx: RowTransaction, { id, isNew }: BatchDocument, keys: Uint8Array[][]): void {
    const before = isNew ? undefined : tx.get(IDS_TREE, id)
    if (before !== undefined) this.#removeRows(tx, id, decodeDocumentRows(before), keys)
    const after = encodeDocumentRows(keys)
    if (after !== undefined) tx.put(IDS_TREE, id, after)
    else if (before !== undefined) tx.delete(IDS_TREE, id)
  }
}

/** Positions of a row that was found: its tree, its key, its value. */
const FIELDS = 5

/** Takes rows as they lie in a slice, and puts those of a document when the first one behind it comes. */
class Putting implements RowVisitor {
  readonly #writer: RowWriter
  readonly #tx: RowTransaction
  readonly #documents: readonly BatchDocument[]
  readonly #from: number
  readonly #rows: Uint8Array
  #current: number
  /** Of the current document. */
  readonly #found: number[] = []
  /** They are collected, each of these has a tree to itself, and its texts are canonical. */
  #isPlain: boolean
  #lastTree = -1

  constructor(
    writer: RowWriter,
    tx: RowTransaction,
    documents: readonly BatchDocument[],
    from: number,
    rows: Uint8Array,
  ) {
    this.#writer = writer
    this.#tx = tx
    this.#documents = documents
    this.#from = from
    this.#rows = rows
    this.#current = from
    this.#isPlain = tx.collected !== undefined
  }

  row(
    offset: number,
    tree: number,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.finishUntil(this.#from + offset)
    this.#isPlain &&= tree > this.#lastTree && !mayDiffer(this.#rows, keyStart, valueEnd)
    this.#lastTree = tree
    this.#found.push(tree, keyStart, keyEnd, valueStart, valueEnd)
  }

  /** Those behind it are to come. */
  finishUntil(end: number): void {
    for (; this.#current < end; this.#current++) {
      restIfDue()
      const document = this.#documents[this.#current]!
      const { collected } = this.#tx
      if (collected !== undefined && this.#isPlain) this.#collect(collected, document.id)
      else this.#writer.put(this.#tx, document, this.#texts())
      this.#found.length = 0
      this.#isPlain = collected !== undefined
      this.#lastTree = -1
    }
  }

  #collect(collected: CollectedRows, id: Buffer): void {
    const found = this.#found
    const partition = this.#writer.partitionOf(id)
    for (let at = 0; at < found.length; at += FIELDS) {
      collected.add(
        found[at]!,
        id,
        partition,
        this.#rows,
        found[at + 1]!,
        found[at + 2]!,
        found[at + 3]!,
        found[at + 4]!,
      )
    }
    collected.finish(id)
  }

  #texts(): FoundRow[] {
    const found = this.#found
    const rows: FoundRow[] = []
    for (let at = 0; at < found.length; at += FIELDS) {
      const text = canonicalRow(this.#rows, found[at + 1]!, found[at + 2]!, found[at + 3]!, found[at + 4]!)
      rows.push({ tree: found[at]!, ...text })
    }
    return rows
  }
}
