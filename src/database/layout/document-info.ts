/**
 * A value of the tree `id`. What the summaries need stands in front at fixed places; the winner is read
 * without the rest of the revision tree, which can be long.
 *
 * | at | part | |
 * |---|---|---|
 * | 0 | u8 | version, 1 |
 * | 1 | u8 | flags: 1 deleted (no leaf is live); 2 a live design document with a `validate_doc_update`; 4 expires; others 0 |
 * | 2 | u48 | active: bytes that the leaves take in the file |
 * | 8 | u48 | external: bytes of the leaves as a client sees them |
 * | 14 | u48 | only with flag 4: when it expires, milliseconds since the epoch |
 * | behind | the rest | the revision tree with the number of the last change: `revision-tree-codec.ts` |
 */
import type { Reference } from '../../../native-free-btree/index.ts'
import type { RevisionTree } from '../revisions/revision-tree.ts'
import {
  decodeTree,
  decodeWinner,
  encodeTree,
  placeWinner,
  type Winner,
  type WinnerPlace,
} from '../revisions/revision-tree-codec.ts'
import { decodeAttachments } from './attachment-records.ts'
import { type AddDocument, checkVersion, readField, TREES, VALUE_VERSION } from './layout.ts'
import { referenceOf, validates } from './stored-body.ts'

const DELETED = 1
const VALIDATES = 2
const EXPIRES = 4
const FLAGS_AT = 1
const ACTIVE_AT = 2
const EXTERNAL_AT = 8
const HEAD_BYTES = 14
const EXPIRY_BYTES = 6

/** A document as its value tells it. */
export interface DocumentInfo {
  /** Number of the last change. */
  readonly seq: number
  readonly deleted: boolean
  /** Milliseconds since the epoch; undefined for never. */
  readonly expiresAtMs: number | undefined
  /** The winning revision; its `id` is a byte string. */
  readonly winner: { readonly pos: number; readonly id: string }
  /** The winner's body. */
  readonly reference: Reference
  /** The winner's, encoded. */
  readonly attachments: Uint8Array | null
  /** The whole tree, decoded once. */
  tree(): RevisionTree
}

/** `expiresAtMs` as in `DocumentInfo`. */
export function encodeInfo(tree: RevisionTree, expiresAtMs: number | undefined): Buffer {
  const leaves = tree.leaves()
  const winner = leaves[0]!.value!
  const head = Buffer.alloc(HEAD_BYTES + (expiresAtMs === undefined ? 0 : EXPIRY_BYTES))
  head[0] = VALUE_VERSION
  head[FLAGS_AT] = winner.deleted ? DELETED : validates(winner.body) ? VALIDATES : 0
  const shared = leaves.length === 1 ? NOTHING : sharedSizes(leaves.map(({ value }) => value!.attachments))
  const sum = (field: 'size' | 'activeSize'): number =>
    leaves.reduce((total, leaf) => total + leaf.value![field], 0)
  head.writeUIntBE(Math.max(0, sum('activeSize') - shared.active), ACTIVE_AT, 6)
  head.writeUIntBE(Math.max(0, sum('size') - shared.external), EXTERNAL_AT, 6)
  if (expiresAtMs !== undefined) {
    head[FLAGS_AT] |= EXPIRES
    head.writeUIntBE(expiresAtMs, HEAD_BYTES, EXPIRY_BYTES)
  }
  return Buffer.concat([head, encodeTree(tree)])
}

const NOTHING = { active: 0, external: 0 }
/** Of more nobody looks for what is there twice. */
const MOST_COMPARED_BYTES = 256 * 1024

/** What the leaves' sizes have more than once: attachments that leaves have in common. */
function sharedSizes(lists: readonly (Uint8Array | null)[]): { active: number; external: number } {
  const given = lists.filter((list) => list !== null)
  const bytes = given.reduce((total, list) => total + list.length, 0)
  if (given.length < 2 || bytes > MOST_COMPARED_BYTES) return NOTHING
  const seen = new Set<string>()
  const shared = { active: 0, external: 0 }
  for (const list of given) {
    for (const { name, reference, length, encodedLength } of decodeAttachments(list)) {
      const key = `${Buffer.from(reference).toString('latin1')}${name}`
      if (seen.has(key)) {
        shared.active += encodedLength
        shared.external += length
      }
      seen.add(key)
    }
  }
  return shared
}

/** Where the revision tree begins. */
function treeAt(value: Uint8Array): number {
  return (value[FLAGS_AT]! & EXPIRES) === 0 ? HEAD_BYTES : HEAD_BYTES + EXPIRY_BYTES
}

/** When the document expires of which the value begins at `start` of `bytes`; undefined for never. */
export function expiryOfInfo(bytes: Buffer, start = 0): number | undefined {
  if ((bytes[start + FLAGS_AT]! & EXPIRES) === 0) return undefined
  return bytes.readUIntBE(start + HEAD_BYTES, EXPIRY_BYTES)
}

/** Decodes the revision tree alone. Throws storage_damaged or ByteFormatError. */
export function decodeInfoTree(value: Buffer): RevisionTree {
  checkVersion(value, TREES.id)
  return decodeTree(value.subarray(treeAt(value)))
}

/** Throws storage_damaged or ByteFormatError for bytes that are no document. */
export function decodeInfo(value: Buffer): DocumentInfo {
  checkVersion(value, TREES.id)
  return new StoredInfo(value, decodeWinner(value.subarray(treeAt(value))))
}

/** Says where the winner lies in the value from `start` to `end` of `bytes`. Throws as `decodeInfo`. */
export function placeInfo(bytes: Buffer, start: number, end: number, into: WinnerPlace): void {
  if (bytes[start] !== VALUE_VERSION) checkVersion(bytes.subarray(start, end), TREES.id)
  const isExpiring = (bytes[start + FLAGS_AT]! & EXPIRES) !== 0
  placeWinner(bytes, start + HEAD_BYTES + (isExpiring ? EXPIRY_BYTES : 0), end, into)
}

class StoredInfo implements DocumentInfo {
  readonly winner: Winner
  readonly reference: Reference
  readonly #value: Buffer
  #tree: RevisionTree | undefined

  constructor(value: Buffer, winner: Winner) {
    this.#value = value
    this.winner = winner
    this.reference = referenceOf(winner.body)
  }

  get seq(): number {
    return this.winner.updateSeq
  }

  get deleted(): boolean {
    return this.winner.deleted
  }

  get expiresAtMs(): number | undefined {
    return expiryOfInfo(this.#value)
  }

  get attachments(): Uint8Array | null {
    return this.winner.attachments
  }

  tree(): RevisionTree {
    this.#tree ??= decodeInfoTree(this.#value)
    return this.#tree
  }
}

/** Of the value that begins at `start` of `bytes`. */
export function isDeletedInfo(bytes: Buffer, start = 0): boolean {
  return (bytes[start + FLAGS_AT]! & DELETED) !== 0
}

/** What a document adds to the summary of the tree `id`. */
export const addInfo: AddDocument = (bytes, at, sum) => {
  const flags = bytes[at + FLAGS_AT]!
  if ((flags & DELETED) === 0) sum.live += 1
  else sum.deleted += 1
  sum.active += readField(bytes, at + ACTIVE_AT)
  sum.external += readField(bytes, at + EXTERNAL_AT)
  if ((flags & VALIDATES) !== 0) sum.validating += 1
}
