/** One revision of one document as a reader sees it. Bodies are fetched on first use and kept. */
import type { Reference, ValuePlace, ValueSource } from '../../../native-free-btree/index.ts'
import type { Metrics } from '../../base/metrics.ts'
import type { AttachmentView, DocumentView, RevisionInfo } from '../api/database.ts'
import { plainBytes, storedBytes } from '../attachments/content.ts'
import { locateText, readText } from '../bodies/stored-text.ts'
import { databaseErrorOf, reading } from '../errors/layer-errors.ts'
import {
  type AttachmentEncoding,
  type AttachmentInfo,
  decodeAttachments,
} from '../layout/attachment-records.ts'
import type { LeafSummary } from '../layout/change-entry.ts'
import type { DocumentInfo } from '../layout/document-info.ts'
import { referenceOf } from '../layout/stored-body.ts'
import {
  compareRevisions,
  formatRevision,
  formatRevisionId,
  type Revision,
} from '../revisions/revision-id.ts'
import { pathOf, type RevisionNode, type RevisionTree, revisionsInfo } from '../revisions/revision-tree.ts'

/** The bytes behind the references of the entry that is shown. */
export type BodyReader = ValueSource

/** What views of a database's documents have in common. */
export interface ViewSource {
  /** For the references in its entries. */
  readonly values: BodyReader
  /** Of a history no more is shown, whatever is stored: a limit that was lowered holds at once, as in CouchDB. */
  readonly revsLimit: number
  /** Takes the number of documents that are read. Undefined: it is not somebody outside who reads them. */
  readonly metrics?: Metrics | undefined
}

/** The text of the body with this reference, and the read counted. Throws DatabaseError. */
export function bodyAt(
  { values, metrics }: ViewSource,
  reference: Uint8Array,
  room: ((bytes: number) => Buffer) | undefined,
): Buffer {
  let body: Buffer
  try {
    body = readText(values, reference, room)
  } catch (error) {
    throw databaseErrorOf(error)
  }
  metrics?.count('couchdb.database_reads')
  return body
}

/** Where the text of the body lies whose reference begins at `start`, and the read counted. Throws DatabaseError. */
export function placeOfBody(
  { values, metrics }: ViewSource,
  bytes: Uint8Array,
  start: number,
): Readonly<ValuePlace> {
  let place: Readonly<ValuePlace>
  try {
    place = locateText(values, bytes, start)
  } catch (error) {
    throw databaseErrorOf(error)
  }
  metrics?.count('couchdb.database_reads')
  return place
}

export interface ViewParts {
  readonly source: ViewSource
  /** Gives memory for the body. */
  readonly room?: ((bytes: number) => Buffer) | undefined
  readonly id: string
  readonly revision: Revision
  readonly deleted: boolean
  readonly reference: Reference
  readonly localSeq: number
  expiresAtMs(): number | undefined
  /** Encoded; null for none. */
  attachments(): Uint8Array | null
  /** Every leaf of the document, best first. */
  leaves(): readonly LeafSummary[]
  tree(): RevisionTree
}

const NO_ATTACHMENTS: readonly AttachmentView[] = []

class StoredAttachment implements AttachmentView {
  readonly name: string
  readonly type: string
  readonly md5: Buffer
  readonly length: number
  readonly encodedLength: number
  readonly encoding: AttachmentEncoding
  readonly revpos: number
  readonly reference: Reference
  readonly source: BodyReader

  constructor(info: AttachmentInfo, source: BodyReader) {
    this.name = info.name
    this.type = info.type
    this.md5 = info.md5
    this.length = info.length
    this.encodedLength = info.encodedLength
    this.encoding = info.encoding
    this.revpos = info.revpos
    this.reference = info.reference
    this.source = source
  }

  storedBytes(start?: number, end?: number): AsyncIterable<Uint8Array> {
    return storedBytes(this.source, this, start, end)
  }

  plainBytes(): AsyncIterable<Uint8Array> {
    return plainBytes(this.source, this)
  }
}

export class StoredView implements DocumentView {
  readonly #parts: ViewParts
  #body: Buffer | undefined
  #rev: string | undefined
  #attachments: readonly AttachmentView[] | undefined

  constructor(parts: ViewParts) {
    this.#parts = parts
  }

  get id(): string {
    return this.#parts.id
  }

  /** The body in memory of `room`, and nothing of it is kept here. */
  bodyIn(room: (bytes: number) => Buffer): Buffer {
    const { source, reference } = this.#parts
    return reading(() => readText(source.values, reference, room))
  }

  get rev(): string {
    this.#rev ??= formatRevision(this.#parts.revision)
    return this.#rev
  }

  get deleted(): boolean {
    return this.#parts.deleted
  }

  get localSeq(): number {
    return this.#parts.localSeq
  }

  get expiresAtMs(): number | undefined {
    return reading(() => this.#parts.expiresAtMs())
  }

  body(): Buffer {
    if (this.#body === undefined) {
      const { source, reference, room } = this.#parts
      this.#body = bodyAt(source, reference, room)
    }
    return this.#body
  }

  locateBody(): Readonly<ValuePlace> {
    const body = this.#body
    if (body !== undefined) return { bytes: body, start: 0, end: body.length }
    const { source, reference } = this.#parts
    return placeOfBody(source, reference, 0)
  }

  attachments(): readonly AttachmentView[] {
    const parts = this.#parts
    const encoded = reading(() => parts.attachments())
    if (encoded === null) return NO_ATTACHMENTS
    const bodies = parts.source.values
    this.#attachments ??= reading(() => decodeAttachments(encoded)).map(
      (info) => new StoredAttachment(info, bodies),
    )
    return this.#attachments
  }

  #node(): RevisionNode {
    const parts = this.#parts
    return reading(() => parts.tree().find(parts.revision.pos, parts.revision.id)!)
  }

  revisions(): { start: number; ids: string[] } {
    const { start, ids } = pathOf(this.#node(), this.#parts.source.revsLimit)
    return { start, ids: ids.map(formatRevisionId) }
  }

  revsInfo(): RevisionInfo[] {
    return revisionsInfo(this.#node()).map(({ revision, status }) => ({
      rev: formatRevision(revision),
      status,
    }))
  }

  #otherLeaves(deleted: boolean): string[] {
    const parts = this.#parts
    return reading(() => parts.leaves())
      .filter((leaf) => leaf.deleted === deleted && compareRevisions(leaf.revision, parts.revision) !== 0)
      .map((leaf) => formatRevision(leaf.revision))
  }

  conflicts(): string[] {
    return this.#otherLeaves(false)
  }

  deletedConflicts(): string[] {
    return this.#otherLeaves(true)
  }
}

/** What an entry of the update sequence keeps of the leaves, best first. */
export function leafSummaries(tree: RevisionTree): LeafSummary[] {
  return tree.leaves().map((leaf) => ({ revision: leaf, deleted: leaf.value!.deleted }))
}

export function viewOfWinner(
  source: ViewSource,
  id: string,
  info: DocumentInfo,
  room?: (bytes: number) => Buffer,
): StoredView {
  return new StoredView(new WinnerParts(source, id, info, room))
}

/** A class, since most documents that are shown are these: of their functions few are ever called. */
class WinnerParts implements ViewParts {
  readonly source: ViewSource
  readonly room: ((bytes: number) => Buffer) | undefined
  readonly id: string
  readonly #info: DocumentInfo

  constructor(
    source: ViewSource,
    id: string,
    info: DocumentInfo,
    room: ((bytes: number) => Buffer) | undefined,
  ) {
    this.source = source
    this.room = room
    this.id = id
    this.#info = info
  }

  get revision(): Revision {
    return this.#info.winner
  }

  get deleted(): boolean {
    return this.#info.deleted
  }

  get reference(): Reference {
    return this.#info.reference
  }

  get localSeq(): number {
    return this.#info.seq
  }

  expiresAtMs(): number | undefined {
    return this.#info.expiresAtMs
  }

  attachments(): Uint8Array | null {
    return this.#info.attachments
  }

  leaves(): readonly LeafSummary[] {
    return leafSummaries(this.#info.tree())
  }

  tree(): RevisionTree {
    return this.#info.tree()
  }
}

/** Undefined when only the revision's id is known. */
export function viewOfNode(
  source: ViewSource,
  id: string,
  info: DocumentInfo,
  node: RevisionNode,
): StoredView | undefined {
  const { value } = node
  if (value === null) return undefined
  return new StoredView({
    source,
    id,
    revision: node,
    deleted: value.deleted,
    reference: referenceOf(value.body),
    localSeq: info.seq,
    expiresAtMs: () => info.expiresAtMs,
    attachments: () => value.attachments,
    leaves: () => leafSummaries(info.tree()),
    tree: () => info.tree(),
  })
}
