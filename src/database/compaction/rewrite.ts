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
import { ChangePlace, decodeChangeEntry, placeChange, withReference } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, encodeInfo, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, readSummary, seqKeyOnce, seqOfKey, TREES, VALUE_VERSION } from '../layout/layout.ts'
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
    if (tree === TREES.seq) {
      const at = referenceOfChange(value)
      return this.#copies.isLong(value, at) ? [value.subarray(at, at + REFERENCE_BYTES)] : NONE
    }
    if (tree !== TREES.id || this.#placeOfUsual(value) >= 0) return NONE
    return referencesOf(decodeInfoTree(value).leaves(), (_leaf, index) => index > 0)
  }

  entry(appender: Appender, tree: string, _key: Buffer, value: Buffer): Uint8Array | undefined {
    restIfDue()
    if (tree === TREES.seq) {
      const at = referenceOfChange(value)
      value.set(this.#copyBody(appender, value.subarray(at, at + REFERENCE_BYTES)), at)
      return value
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
      const entry = this.#copies.get(TREES.seq, seqKeyOnce(seq))
      if (entry === undefined) throw new DatabaseError('storageDamaged', `the change ${seq} is missing`)
      const at = referenceOfChange(entry)
      return entry.subarray(at, at + REFERENCE_BYTES)
    }
    const at = this.#placeOfUsual(value)
    if (at >= 0) {
      const body = winnerOf(usual.seq)
      if (this.#copies.lengthOf(body) === this.#copies.lengthOf(value.subarray(at, at + REFERENCE_BYTES))) {
        const left = usual.withoutOlder(at)
        left.set(body, left.length - REFERENCE_BYTES)
        return left
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

  /** Where the reference of its winner's body is in the value of a document of the usual kind, which `usual` has then; -1: it is none. */
  #placeOfUsual(value: Buffer): number {
    return usual.read(value, value.length, true) ? usual.leafReferenceAt(this.#revsLimit) : -1
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

/**
 * One leaf without attachments and an expiry, of a history within the limit: most documents. Of such a one nothing but its winner is
 * copied, and its value is made from bytes to bytes.
 */
const usual = new LinearDocument()

const change = new ChangePlace()

/** Where the reference lies in an entry of the tree `seq`. Throws as `placeChange`. */
function referenceOfChange(entry: Buffer): number {
  placeChange(entry, 0, entry.length, change)
  return change.referenceStart
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
