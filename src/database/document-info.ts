/**
 * A value of the tree `id`. What the summaries need stands in front at fixed places; the winner is read
 * without the rest of the revision tree, which can be long.
 *
 * | at | part | |
 * |---|---|---|
 * | 0 | u8 | version, 1 |
 * | 1 | u8 | flags: 1 deleted (no leaf is live); 2 a live design document with a `validate_doc_update`; others 0 |
 * | 2 | u48 | active: bytes that the leaves take in the file |
 * | 8 | u48 | external: bytes of the leaves as a client sees them |
 * | 14 | the rest | the revision tree with the number of the last change: `revision-tree-codec.ts` |
 */
import type { Reference } from '../../native-free-btree/index.ts'
import { checkVersion, summaryOfOne, TREES, VALUE_VERSION } from './layout.ts'
import type { RevisionTree } from './revision-tree.ts'
import { decodeTree, decodeWinner, encodeTree } from './revision-tree-codec.ts'
import { referenceOf, validates } from './stored-body.ts'

const DELETED = 1
const VALIDATES = 2
const FLAGS_AT = 1
const ACTIVE_AT = 2
const EXTERNAL_AT = 8
const TREE_AT = 14

/** A document as its value tells it. */
export interface DocumentInfo {
  /** Number of the last change. */
  readonly seq: number
  readonly deleted: boolean
  /** The winning revision; its `id` is a byte string. */
  readonly winner: { readonly pos: number; readonly id: string }
  /** The winner's body. */
  readonly reference: Reference
  /** The winner's, encoded. */
  readonly attachments: Uint8Array | null
  /** The whole tree, decoded once. */
  tree(): RevisionTree
}

export function encodeInfo(tree: RevisionTree): Buffer {
  const leaves = tree.leaves()
  const winner = leaves[0]!.value!
  const head = Buffer.alloc(TREE_AT)
  head[0] = VALUE_VERSION
  head[FLAGS_AT] = winner.deleted ? DELETED : validates(winner.body) ? VALIDATES : 0
  const sum = (field: 'size' | 'activeSize'): number =>
    leaves.reduce((total, leaf) => total + leaf.value![field], 0)
  head.writeUIntBE(sum('activeSize'), ACTIVE_AT, 6)
  head.writeUIntBE(sum('size'), EXTERNAL_AT, 6)
  return Buffer.concat([head, encodeTree(tree)])
}

/** Decodes the revision tree alone. Throws storage_damaged or ByteFormatError. */
export function decodeInfoTree(value: Buffer): RevisionTree {
  checkVersion(value, TREES.id)
  return decodeTree(value.subarray(TREE_AT))
}

/** Throws storage_damaged or ByteFormatError for bytes that are no document. */
export function decodeInfo(value: Buffer): DocumentInfo {
  checkVersion(value, TREES.id)
  const winner = decodeWinner(value.subarray(TREE_AT))
  let tree: RevisionTree | undefined
  return {
    seq: winner.updateSeq,
    deleted: winner.deleted,
    winner,
    reference: referenceOf(winner.body),
    attachments: winner.attachments,
    tree: () => {
      tree ??= decodeInfoTree(value)
      return tree
    },
  }
}

export function isDeletedInfo(value: Buffer): boolean {
  return (value[FLAGS_AT]! & DELETED) !== 0
}

/** What a document adds to the summary of the tree `id`. */
export function summaryOfInfo(value: Uint8Array): Uint8Array {
  const flags = value[FLAGS_AT]!
  return summaryOfOne((flags & DELETED) !== 0, value, ACTIVE_AT, (flags & VALIDATES) !== 0)
}
