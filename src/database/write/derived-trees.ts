/**
 * What other trees than `id` tell of documents, and how one document is written to all of them. A derived tree follows
 * from the documents alone: whoever changes a document calls `writeDocument`, which hands every derived tree the document
 * as it was and as it will be, and each puts and deletes what differs, in the transaction of the change. A new one needs
 * a name in `TREES`, its options in `tree-options.ts`, and an entry in `DERIVED_TREES`.
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import { encodeChangeEntry } from '../layout/change-entry.ts'
import { decodeInfoTree, encodeInfo } from '../layout/document-info.ts'
import { moveExpiry } from '../layout/expiry.ts'
import { seqKey, seqKeyOnce, TREES } from '../layout/layout.ts'
import { referenceOf } from '../layout/stored-body.ts'
import { leafSummaries } from '../read/document-view.ts'
import type { RevisionNode, RevisionTree } from '../revisions/revision-tree.ts'

/** A document before or after a change. It has at least one leaf. */
export interface DocumentState {
  /** Number of its last change. */
  readonly seq: number
  /** Undefined for never. */
  readonly expiresAtMs: number | undefined
  readonly tree: RevisionTree
  /** The leaf that stands for the document. */
  readonly winner: RevisionNode
}

/**
 * `key` is the document's id in UTF-8; `before` is undefined for a document that is new, `after` for one of which
 * nothing is left. Called in the writer's turn, once a changed document: it costs nothing where nothing is derived.
 */
export type DerivedTree = (
  tx: Pick<Transaction, 'put' | 'delete'>,
  key: Uint8Array,
  before: DocumentState | undefined,
  after: DocumentState | undefined,
) => void

/** The update sequence: each document stands at its last change. */
const moveChange: DerivedTree = (tx, key, before, after) => {
  if (before !== undefined) tx.delete(TREES.seq, seqKey(before.seq))
  if (after === undefined) return
  const { body, attachments } = after.winner.value!
  const entry = encodeChangeEntry(key, leafSummaries(after.tree), referenceOf(body), attachments !== null)
  tx.put(TREES.seq, seqKey(after.seq), entry)
}

/** In the order in which they are written. */
const DERIVED_TREES: readonly DerivedTree[] = [moveExpiry, moveChange]

/** The state that an entry of the tree `id` tells; its revisions are decoded when they are asked for. */
export class StoredState implements DocumentState {
  readonly #entry: Buffer
  readonly seq: number
  readonly expiresAtMs: number | undefined
  #tree: RevisionTree | undefined

  /** `seq` and `expiresAtMs` are those of the entry. */
  constructor(entry: Buffer, seq: number, expiresAtMs: number | undefined) {
    this.#entry = entry
    this.seq = seq
    this.expiresAtMs = expiresAtMs
  }

  get tree(): RevisionTree {
    this.#tree ??= decodeInfoTree(this.#entry)
    return this.#tree
  }

  get winner(): RevisionNode {
    return this.tree.winner()!
  }
}

/** The document as `tree` has it, which must have a leaf. A deleted one does not expire. */
export function stateOf(tree: RevisionTree, expiresAtMs: number | undefined): DocumentState {
  const winner = tree.winner()!
  return {
    seq: tree.updateSeq,
    expiresAtMs: winner.value!.deleted ? undefined : expiresAtMs,
    tree,
    winner,
  }
}

/**
 * The same of a document of one leaf, without an expiry before and after: such a one is in no other derived tree than `seq`,
 * where it stood at `seqBefore`, undefined for a new one. `info` and `entry` are its values in `id` and `seq`.
 */
export function writeLinearDocument(
  tx: Transaction,
  key: Uint8Array,
  seqBefore: number | undefined,
  seq: number,
  info: Uint8Array,
  entry: Uint8Array,
): void {
  if (seqBefore !== undefined) tx.delete(TREES.seq, seqKeyOnce(seqBefore))
  tx.put(TREES.seq, seqKeyOnce(seq), entry)
  tx.put(TREES.id, key, info)
}

/** Writes a changed document to its own tree and to all that are derived. */
export function writeDocument(
  tx: Transaction,
  key: Uint8Array,
  before: DocumentState | undefined,
  after: DocumentState | undefined,
): void {
  for (const derive of DERIVED_TREES) derive(tx, key, before, after)
  if (after === undefined) tx.delete(TREES.id, key)
  else tx.put(TREES.id, key, encodeInfo(after.tree, after.expiresAtMs))
}
