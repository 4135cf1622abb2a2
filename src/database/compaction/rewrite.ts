/**
 * What the entries of a database become in the new file of a compaction: bodies and attachments of leaves are copied,
 * and named by their copies, packed where the setting says so; bodies of other revisions stay behind, and so does an attachment that no leaf has.
 *
 * The order is that of the bodies. The tree `seq` comes first, its winners' bodies in the order of the changes,
 * which is about their order in the old file; then the tree `id`, in its own order, so that nothing is sorted. Where
 * an id's winner went is told by the new tree `seq`, under the change that the entry names: that tree is there by
 * then, and its pages are cached, so that no table of all bodies is needed; ids that were given in the order of
 * time find their changes near each other. What else an entry refers to, losing leaves and attachments, is copied
 * with it. Equal attachments have one reference, which is shared.
 */
import type {
  Appender,
  FileSnapshot,
  Reference,
  ReferenceCopies,
  Rewrite,
  Transaction,
} from '../../../native-free-btree/index.ts'
import type { Compression } from '../../base/compression.ts'
import { DatabaseError } from '../../base/errors.ts'
import { restIfDue } from '../../base/rest.ts'
import { isPacked, packed } from '../bodies/stored-text.ts'
import {
  type AttachmentInfo,
  decodeAttachments,
  encodeAttachments,
  referenceOfEntry,
} from '../layout/attachment-records.ts'
import { decodeChangeEntry, withReference } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, encodeInfo, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, readSummary, seqKey, seqOfKey, TREES, VALUE_VERSION } from '../layout/layout.ts'
import { LinearDocument } from '../layout/linear-document.ts'
import { DEFAULT_SETTINGS, readRecord } from '../layout/meta-records.ts'
import { encodeStoredBody, REFERENCE_BYTES, referenceOf, validates } from '../layout/stored-body.ts'
import type { RevisionNode, RevisionTree, RevisionValue } from '../revisions/revision-tree.ts'

interface NewTrees {
  get(tree: string, key: Uint8Array): Buffer | undefined
}

const NONE: readonly Reference[] = []

export class DatabaseRewrite implements Rewrite {
  readonly order = [TREES.seq, TREES.id, TREES.attachments]
  /** Documents first, for the others' references are found by them. */
  readonly changeOrder = [TREES.id, TREES.seq, TREES.attachments]
  readonly valueBytes: number
  readonly #copies: ReferenceCopies
  /** As it was when the compaction began: histories of that moment are cut by it. */
  readonly #revsLimit: number
  readonly #compression: Compression

  constructor(source: FileSnapshot, copies: ReferenceCopies, compression: Compression) {
    this.#copies = copies
    this.#compression = compression
    const settings = readRecord({ get: (tree, key) => source.tree(tree).get(key) }, 'settings')
    this.#revsLimit = settings?.revsLimit ?? DEFAULT_SETTINGS.revsLimit
    const hasDocuments = source.treeNames.includes(TREES.id)
    this.valueBytes = readSummary(hasDocuments ? source.tree(TREES.id).reduce().reduction : undefined).active
  }

  references(tree: string, value: Buffer): readonly Reference[] {
    if (tree === TREES.seq) return [decodeChangeEntry(value).reference]
    if (tree !== TREES.id || placeOfPlain(value, this.#revsLimit) >= 0 || isPlain(value, this.#revsLimit)) {
      return NONE
    }
    return referencesOf(decodeInfoTree(value).leaves(), (_leaf, index) => index > 0)
  }

  entry(appender: Appender, tree: string, _key: Buffer, value: Buffer): Uint8Array | undefined {
    restIfDue()
    if (tree === TREES.seq) {
      return withReference(value, this.#copyBody(appender, decodeChangeEntry(value).reference))
    }
    if (tree === TREES.id) return this.#document(appender, value)
    return tree === TREES.attachments ? this.#content(value) : value
  }

  changedReferences(tree: string, key: Buffer, value: Buffer): readonly Reference[] {
    if (tree !== TREES.id) return NONE
    const copied = this.#copiedLeaves(this.#copies, key)
    return referencesOf(decodeInfoTree(value).leaves(), (leaf) => copied(leaf) === undefined)
  }

  change(tx: Transaction, tree: string, key: Buffer, value: Buffer): Uint8Array | undefined {
    if (tree === TREES.id) return this.#changedDocument(tx, key, value)
    if (tree === TREES.seq) return followingDocument(tx, key, value)
    return tree === TREES.attachments ? this.#content(value) : value
  }

  /** Undefined for content that no document has any more. */
  #content(value: Buffer): Buffer | undefined {
    const reference = this.#copies.sharedCopy(referenceOfEntry(value))
    return reference && contentEntry(reference)
  }

  #document(appender: Appender, value: Buffer): Buffer {
    const winnerOf = (seq: number): Reference => {
      const entry = this.#copies.get(TREES.seq, seqKey(seq))
      if (entry === undefined) throw new DatabaseError('storageDamaged', `the change ${seq} is missing`)
      return decodeChangeEntry(entry).reference
    }
    let at = placeOfPlain(value, this.#revsLimit)
    let { seq } = plain
    if (at < 0 && isPlain(value, this.#revsLimit)) {
      const info = decodeInfo(value)
      at = info.reference.byteOffset - value.byteOffset
      seq = info.seq
    }
    if (at >= 0) {
      const body = winnerOf(seq)
      if (this.#copies.lengthOf(body) === this.#copies.lengthOf(value.subarray(at, at + REFERENCE_BYTES))) {
        const copy = Buffer.from(value)
        copy.set(body, at)
        return copy
      }
    }
    const tree = decodeInfoTree(value)
    tree.stem(this.#revsLimit)
    return this.#rewritten(tree, expiryOfInfo(value), appender, (_leaf, index) =>
      index === 0 ? winnerOf(tree.updateSeq) : undefined,
    )
  }

  /** Its history stays as the write left it, which cut it to the limit of that moment: the limit may have been raised. */
  #changedDocument(tx: Transaction, key: Buffer, value: Buffer): Buffer {
    const copied = this.#copiedLeaves(tx, key)
    return this.#rewritten(decodeInfoTree(value), expiryOfInfo(value), tx, (leaf) => {
      const there = copied(leaf)
      return there && referenceOf(there.body)
    })
  }

  /** Leaves with new references, the others without values. `bodyOf` gives a body that is there already. */
  #rewritten(
    tree: RevisionTree,
    expiresAtMs: number | undefined,
    appender: Appender,
    bodyOf: (leaf: RevisionNode, index: number) => Reference | undefined,
  ): Buffer {
    for (const node of tree.nodes) if (node.children > 0) node.value = null
    for (const [index, leaf] of tree.leaves().entries()) {
      const value = leaf.value!
      const old = referenceOf(value.body)
      const body = encodeStoredBody(
        bodyOf(leaf, index) ?? this.#copyBody(appender, old),
        validates(value.body),
      )
      const attachments = encodeAttachments(
        this.#copyAttachments(appender, decodeAttachments(value.attachments)),
      )
      const gain = this.#copies.lengthOf(old) - this.#copies.lengthOf(referenceOf(body))
      leaf.value = { ...value, body, attachments, activeSize: value.activeSize - gain }
    }
    return encodeInfo(tree, expiresAtMs)
  }

  /** A text is packed, as it would be if it were written now; what is packed stays as it is. */
  #copyBody(appender: Appender, reference: Reference): Reference {
    return this.#copies.copy(appender, reference, (stored) =>
      isPacked(stored) ? stored : packed(stored, this.#compression),
    )
  }

  #copyAttachments(appender: Appender, attachments: readonly AttachmentInfo[]): AttachmentInfo[] {
    return attachments.map((info) => ({ ...info, reference: this.#copies.shared(appender, info.reference) }))
  }

  /**
   * The leaves that the new file has of the document. A revision that was purged and written again may have
   * another body: the change that wrote it tells the two apart.
   */
  #copiedLeaves(trees: NewTrees, key: Buffer): (leaf: RevisionNode) => RevisionValue | undefined {
    const value = trees.get(TREES.id, key)
    if (value === undefined) return () => undefined
    const copied = decodeInfoTree(value)
    return (leaf) => {
      const known = copied.find(leaf.pos, leaf.id)?.value
      return known?.body != null && known.seq === leaf.value!.seq ? known : undefined
    }
  }
}

/** Of all attachments, and of the bodies that are needed. */
function referencesOf(
  leaves: readonly RevisionNode[],
  needsBody: (leaf: RevisionNode, index: number) => boolean,
): Reference[] {
  return leaves.flatMap((leaf, index) => {
    const { body, attachments } = leaf.value!
    const contents = decodeAttachments(attachments).map((info) => info.reference)
    return needsBody(leaf, index) ? [referenceOf(body), ...contents] : contents
  })
}

const plain = new LinearDocument()

/** Where the reference is of a value that `isPlain` and of the usual kind, found without an object for it; -1: it may be plain. */
function placeOfPlain(value: Buffer, revsLimit: number): number {
  return plain.read(value) ? plain.soleReferenceAt(revsLimit) : -1
}

/** One leaf, no older body, no attachments, a history within the limit: most documents. Then the winner's reference is the only one. */
function isPlain(value: Buffer, revsLimit: number): boolean {
  const info = decodeInfo(value)
  if (info.attachments !== null) return false
  const tree = info.tree()
  return (
    tree.nodes.length <= revsLimit &&
    tree.nodes.every((node) => node.children === 0 || node.value === null) &&
    tree.leaves().length === 1
  )
}

function contentEntry(reference: Reference): Buffer {
  return Buffer.concat([Buffer.from([VALUE_VERSION]), reference])
}

/** The entry of a change with its document's reference, which was written just now. */
function followingDocument(tx: Transaction, key: Buffer, value: Buffer): Buffer {
  const document = tx.get(TREES.id, idKey(decodeChangeEntry(value).id))
  const info = document && decodeInfo(document)
  if (info?.seq !== seqOfKey(key)) {
    throw new DatabaseError('storageDamaged', `the change ${seqOfKey(key)} is not its document's last`)
  }
  return withReference(value, info.reference)
}
