/**
 * How the entries of a database's trees come into another file: their bytes are copied, and their references are
 * replaced by those of the copies.
 *
 * The order is that of the bodies. The tree `seq` comes first, its winners' bodies in the order of the changes,
 * which is about their order in the old file; then the tree `id`, in its own order, so that nothing is sorted. Where
 * an id's winner went is told by the new tree `seq`, under the change that the entry names: that tree is there by
 * then, and its pages are cached, so that no table of all bodies is needed; ids that were given in the order of
 * time find their changes near each other. What else an entry refers to, losing leaves and attachments, is copied
 * with it. Equal attachments have one reference, so a table keeps where each went, in the new file's own tree.
 */
import {
  COMPACTION_TREE,
  type FileSnapshot,
  type Filling,
  type LogChange,
  type NewFile,
  type Reference,
  type Transaction,
} from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import {
  type AttachmentInfo,
  decodeAttachments,
  encodeAttachments,
  referenceOfEntry,
} from '../layout/attachment-records.ts'
import { decodeChangeEntry, withReference } from '../layout/change-entry.ts'
import { decodeInfo, decodeInfoTree, encodeInfo, expiryOfInfo } from '../layout/document-info.ts'
import { idKey, seqKey, seqOfKey, TREES, VALUE_VERSION } from '../layout/layout.ts'
import { DEFAULT_SETTINGS, readRecord } from '../layout/meta-records.ts'
import { encodeStoredBody, referenceOf, validates } from '../layout/stored-body.ts'
import type { RevisionNode, RevisionTree, RevisionValue } from '../revisions/revision-tree.ts'

/** A longer value is copied on its own, a chunk at a time. */
const LONG_BYTES = 1024 * 1024

/** Takes bytes, in a group that is being filled or in a transaction. */
interface Appender {
  append(value: Uint8Array): Reference
}

interface NewTrees {
  get(tree: string, key: Uint8Array): Buffer | undefined
}

/** Tells of every `LONG_BYTES` that passed. */
async function* inPieces(
  source: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => Promise<void>,
): AsyncGenerator<Buffer, void, void> {
  let bytes = 0
  for await (const chunk of source) {
    yield chunk
    bytes += chunk.length
    if (bytes < LONG_BYTES) continue
    await onBytes(bytes)
    bytes = 0
  }
  await onBytes(bytes)
}

const textOf = (reference: Uint8Array): string =>
  Buffer.from(reference.buffer, reference.byteOffset, reference.length).toString('latin1')

export class EntryCopier {
  readonly #source: FileSnapshot
  readonly #file: NewFile
  /** As it was when the compaction began: histories are cut by it. */
  readonly #revsLimit: number
  /** Long values that are copied and not named yet, by their old references. */
  readonly #long = new Map<string, Reference>()
  /** Attachments that the new file's table does not hold yet, by their old references. */
  readonly #attachments = new Map<string, Reference>()

  constructor(source: FileSnapshot, file: NewFile) {
    this.#source = source
    this.#file = file
    const settings = readRecord({ get: (tree, key) => source.tree(tree).get(key) }, 'settings')
    this.#revsLimit = settings?.revsLimit ?? DEFAULT_SETTINGS.revsLimit
  }

  // References.

  /** Of those that an entry needs, the ones that have to be copied before it. */
  #missing(references: readonly Reference[]): Reference[] {
    return references.filter(
      (reference) => this.#source.lengthOf(reference) > LONG_BYTES && !this.#long.has(textOf(reference)),
    )
  }

  /** `onBytes` is awaited after each piece; what it throws ends the copy. */
  async copyLong(reference: Reference, onBytes: (bytes: number) => Promise<void>): Promise<void> {
    const key = Buffer.from(reference)
    if (this.#long.has(textOf(key))) return
    const readStream = (): AsyncGenerator<Buffer, void, void> =>
      inPieces(this.#source.readStream(key), onBytes)
    this.#long.set(textOf(key), await this.#file.copyLong({ readStream }, key))
  }

  #copy(appender: Appender, reference: Reference): Reference {
    const key = textOf(reference)
    const long = this.#long.get(key)
    this.#long.delete(key)
    return long ?? appender.append(this.#source.read(reference))
  }

  #attachment(reference: Reference): Reference | undefined {
    return this.#attachments.get(textOf(reference)) ?? this.#file.get(COMPACTION_TREE, tableKey(reference))
  }

  #copyAttachments(appender: Appender, attachments: readonly AttachmentInfo[]): AttachmentInfo[] {
    return attachments.map((info) => {
      let reference = this.#attachment(info.reference)
      if (reference === undefined) {
        reference = this.#copy(appender, info.reference)
        this.#attachments.set(textOf(info.reference), reference)
      }
      return { ...info, reference }
    })
  }

  /** Commits the table with a mark: what the mark counts on is found again by whoever goes on from it. */
  saveTable(tx: Transaction): void {
    for (const [text, reference] of this.#attachments) {
      tx.put(COMPACTION_TREE, tableKey(Buffer.from(text, 'latin1')), reference)
    }
  }

  /** The mark is durable. */
  tableSaved(): void {
    this.#attachments.clear()
  }

  // Entries of a snapshot, tree by tree.

  /** What has to be copied by `copyLong` before `add` may be called. */
  needs(tree: string, value: Buffer): Reference[] {
    if (tree === TREES.seq) return this.#missing([decodeChangeEntry(value).reference])
    if (tree !== TREES.id || isPlain(value, this.#revsLimit)) return []
    const revisions = decodeInfoTree(value)
    return this.#missing(this.#referencesOf(revisions.leaves(), (_leaf, index) => index > 0))
  }

  add(filling: Filling, tree: string, key: Buffer, value: Buffer): void {
    if (tree === TREES.seq) {
      filling.add(tree, key, withReference(value, this.#copy(filling, decodeChangeEntry(value).reference)))
    } else if (tree === TREES.id) {
      filling.add(tree, key, this.#document(filling, value))
    } else if (tree === TREES.attachments) {
      const reference = this.#attachment(referenceOfEntry(value))
      if (reference !== undefined) filling.add(tree, key, contentEntry(reference))
    } else {
      filling.add(tree, key, value)
    }
  }

  #document(appender: Appender, value: Buffer): Buffer {
    const winnerOf = (seq: number): Reference => {
      const entry = this.#file.get(TREES.seq, seqKey(seq))
      if (entry === undefined) throw new DatabaseError('storageDamaged', `the change ${seq} is missing`)
      return decodeChangeEntry(entry).reference
    }
    if (isPlain(value, this.#revsLimit)) {
      const { seq, reference } = decodeInfo(value)
      const copy = Buffer.from(value)
      copy.set(winnerOf(seq), reference.byteOffset - value.byteOffset)
      return copy
    }
    const tree = decodeInfoTree(value)
    return this.#rewritten(tree, expiryOfInfo(value), appender, (_leaf, index) =>
      index === 0 ? winnerOf(tree.updateSeq) : undefined,
    )
  }

  /** Leaves with new references, the others without values. `bodyOf` gives a body that is there already. */
  #rewritten(
    tree: RevisionTree,
    expiresAtMs: number | undefined,
    appender: Appender,
    bodyOf: (leaf: RevisionNode, index: number) => Reference | undefined,
  ): Buffer {
    tree.stem(this.#revsLimit)
    for (const node of tree.nodes) if (node.children > 0) node.value = null
    for (const [index, leaf] of tree.leaves().entries()) {
      const value = leaf.value!
      const old = referenceOf(value.body)
      const body = encodeStoredBody(bodyOf(leaf, index) ?? this.#copy(appender, old), validates(value.body))
      const attachments = encodeAttachments(
        this.#copyAttachments(appender, decodeAttachments(value.attachments)),
      )
      leaf.value = { ...value, body, attachments }
    }
    return encodeInfo(tree, expiresAtMs)
  }

  #referencesOf(
    leaves: readonly RevisionNode[],
    needsBody: (leaf: RevisionNode, index: number) => boolean,
  ): Reference[] {
    return leaves.flatMap((leaf, index) => {
      const { body, attachments } = leaf.value!
      const contents = decodeAttachments(attachments).map((info) => info.reference)
      const missing = contents.filter((reference) => this.#attachment(reference) === undefined)
      return needsBody(leaf, index) ? [referenceOf(body), ...missing] : missing
    })
  }

  // Changes of the log.

  /** What has to be copied by `copyLong` before `apply` may be called. */
  needsOfChange({ tree, key, value }: LogChange): Reference[] {
    if (tree !== TREES.id || value === undefined) return []
    const copied = this.#copiedLeaves(this.#file, key)
    const leaves = decodeInfoTree(value()).leaves()
    return this.#missing(this.#referencesOf(leaves, (leaf) => copied(leaf) === undefined))
  }

  /**
   * All changes of one stretch, in one transaction: documents first, for the others' references are found by
   * them.
   */
  apply(tx: Transaction, changes: readonly LogChange[]): void {
    const ofTree = (name: string): LogChange[] => changes.filter(({ tree }) => tree === name)
    const late: string[] = [TREES.id, TREES.seq, TREES.attachments, COMPACTION_TREE]
    for (const change of ofTree(TREES.id)) this.#applyDocument(tx, change)
    for (const { key, value } of ofTree(TREES.seq)) {
      if (value === undefined) tx.delete(TREES.seq, key)
      else tx.put(TREES.seq, key, followingDocument(tx, key, value()))
    }
    for (const { key, value } of ofTree(TREES.attachments)) {
      // Content that no document has any more by the end of the stretch was not copied.
      const reference = value && this.#attachment(referenceOfEntry(value()))
      if (reference === undefined) tx.delete(TREES.attachments, key)
      else tx.put(TREES.attachments, key, contentEntry(reference))
    }
    for (const { tree, key, value } of changes) {
      if (late.includes(tree)) continue
      if (value === undefined) tx.delete(tree, key)
      else tx.put(tree, key, value())
    }
  }

  #applyDocument(tx: Transaction, { key, value }: LogChange): void {
    if (value === undefined) {
      tx.delete(TREES.id, key)
      return
    }
    const copied = this.#copiedLeaves(tx, key)
    const document = value()
    tx.put(
      TREES.id,
      key,
      this.#rewritten(decodeInfoTree(document), expiryOfInfo(document), tx, (leaf) => {
        const there = copied(leaf)
        return there && referenceOf(there.body)
      }),
    )
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

/** One leaf, no older body, no attachments, a history within the limit: most documents. Then the winner's reference is the only one. */
function isPlain(value: Buffer, revsLimit: number): boolean {
  const { attachments, tree } = decodeInfo(value)
  return (
    attachments === null &&
    tree().nodes.length <= revsLimit &&
    tree().nodes.every((node) => node.children === 0 || node.value === null) &&
    tree().leaves().length === 1
  )
}

function tableKey(reference: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('a'), reference.subarray(0, 6)])
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
