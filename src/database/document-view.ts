/** One revision of one document as a reader sees it. Bodies are fetched on first use and kept. */
import type { Reference } from '../../native-free-btree/index.ts'
import type { DocumentView, RevisionInfo } from './api.ts'
import type { LeafSummary } from './change-entry.ts'
import type { DocumentInfo } from './document-info.ts'
import type { DocumentRevisions, StoredRevision } from './document-revisions.ts'
import { reading } from './layer-errors.ts'
import { compareRevisions, formatRevision, formatRevisionId, type Revision } from './revision-id.ts'

export interface BodyReader {
  /** The bytes behind a reference, verified. */
  read(reference: Reference): Buffer
}

export interface ViewParts {
  bodies: BodyReader
  id: string
  revision: Revision
  deleted: boolean
  reference: Reference
  localSeq: number
  /** Every leaf of the document, best first. */
  leaves(): readonly LeafSummary[]
  revisions(): DocumentRevisions
}

export class StoredView implements DocumentView {
  readonly #parts: ViewParts
  #body: Buffer | undefined

  constructor(parts: ViewParts) {
    this.#parts = parts
  }

  get id(): string {
    return this.#parts.id
  }

  get rev(): string {
    return formatRevision(this.#parts.revision)
  }

  get deleted(): boolean {
    return this.#parts.deleted
  }

  get localSeq(): number {
    return this.#parts.localSeq
  }

  body(): Buffer {
    this.#body ??= reading(() => this.#parts.bodies.read(this.#parts.reference))
    return this.#body
  }

  revisions(): { start: number; ids: string[] } {
    const path = this.#parts.revisions().path(this.#parts.revision)
    return { start: this.#parts.revision.pos, ids: path.map((revision) => formatRevisionId(revision.id)) }
  }

  revsInfo(): RevisionInfo[] {
    const revisions = this.#parts.revisions()
    return revisions.path(this.#parts.revision).map((revision) => ({
      rev: formatRevision(revision),
      status: statusOf(revisions.find(revision)?.stored),
    }))
  }

  #otherLeaves(deleted: boolean): string[] {
    return this.#parts
      .leaves()
      .filter(
        (leaf) => leaf.deleted === deleted && compareRevisions(leaf.revision, this.#parts.revision) !== 0,
      )
      .map((leaf) => formatRevision(leaf.revision))
  }

  conflicts(): string[] {
    return this.#otherLeaves(false)
  }

  deletedConflicts(): string[] {
    return this.#otherLeaves(true)
  }
}

function statusOf(stored: StoredRevision | undefined): RevisionInfo['status'] {
  if (stored === undefined) return 'missing'
  return stored.deleted ? 'deleted' : 'available'
}

export function viewOfWinner(bodies: BodyReader, id: string, info: DocumentInfo): StoredView {
  return new StoredView({
    bodies,
    id,
    revision: info.winner,
    deleted: info.deleted,
    reference: info.reference,
    localSeq: info.seq,
    leaves: () => info.revisions().leaves(),
    revisions: info.revisions,
  })
}

/** A revision other than the winner, or the winner too. */
export function viewOfRevision(
  bodies: BodyReader,
  id: string,
  info: DocumentInfo,
  revision: Revision,
  stored: StoredRevision,
): StoredView {
  return new StoredView({
    bodies,
    id,
    revision,
    deleted: stored.deleted,
    reference: stored.reference,
    localSeq: info.seq,
    leaves: () => info.revisions().leaves(),
    revisions: info.revisions,
  })
}
