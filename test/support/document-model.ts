/**
 * What a database must answer, in the plainest way there is: a document is a map of its revisions, each with
 * its parent; whatever is asked is worked out from scratch. Revision ids are not worked out: the model is
 * told the one that the database gave.
 */
export interface ModelRevision {
  parent: string | undefined
  deleted: boolean
  /** Undefined for one that is only known as an ancestor. */
  body: string | undefined
}

export interface ModelEdit {
  id: string
  deleted: boolean
  body: string
  rev?: string | undefined
  /** Newest first, "N-id". */
  path?: string[] | undefined
}

export function generationOf(rev: string): number {
  return Number(rev.slice(0, rev.indexOf('-')))
}

function idOf(rev: string): string {
  return rev.slice(rev.indexOf('-') + 1)
}

export class ModelDocument {
  /** `changed` is to be called before and after changes of it. */
  revisions = new Map<string, ModelRevision>()
  seq = 0
  #leaves: readonly string[] | undefined

  changed(): void {
    this.#leaves = undefined
  }

  /** Best first: live before deleted, then the longer, then the greater id. */
  leaves(): readonly string[] {
    this.#leaves ??= this.#sortedLeaves()
    return this.#leaves
  }

  #sortedLeaves(): string[] {
    const parents = new Set([...this.revisions.values()].map((revision) => revision.parent))
    const leaves = [...this.revisions.keys()].filter((rev) => !parents.has(rev))
    const deleted = (rev: string): number => (this.revisions.get(rev)!.deleted ? 1 : 0)
    return leaves.sort(
      (a, b) =>
        deleted(a) - deleted(b) ||
        generationOf(b) - generationOf(a) ||
        (idOf(a) < idOf(b) ? 1 : idOf(a) > idOf(b) ? -1 : 0),
    )
  }

  /** The same for documents that hold the same. */
  text(): string {
    return JSON.stringify([...this.revisions].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  copy(): ModelDocument {
    const copy = new ModelDocument()
    for (const [rev, revision] of this.revisions) copy.revisions.set(rev, { ...revision })
    copy.seq = this.seq
    copy.#leaves = this.#leaves
    return copy
  }

  get winner(): string {
    return this.leaves()[0]!
  }

  get deleted(): boolean {
    return this.revisions.get(this.winner)!.deleted
  }

  /** Newest first. */
  path(rev: string): string[] {
    const path = []
    for (let at: string | undefined = rev; at !== undefined; at = this.revisions.get(at)!.parent)
      path.push(at)
    return path
  }

  /** Keeps of every branch the newest `limit` revisions. */
  stem(limit: number): void {
    this.changed()
    const kept = new Set(this.leaves().flatMap((leaf) => this.path(leaf).slice(0, limit)))
    for (const rev of [...this.revisions.keys()]) if (!kept.has(rev)) this.revisions.delete(rev)
    for (const revision of this.revisions.values()) {
      if (revision.parent !== undefined && !kept.has(revision.parent)) revision.parent = undefined
    }
    this.changed()
  }
}

export class DatabaseModel {
  documents = new Map<string, ModelDocument>()
  local = new Map<string, { rev: number; body: string }>()
  updateSeq = 0
  revsLimit = 1000
  /** Bodies of revisions that are no leaves may be gone. */
  compacted = false

  copy(): DatabaseModel {
    const copy = new DatabaseModel()
    for (const [id, document] of this.documents) copy.documents.set(id, document.copy())
    copy.local = new Map(this.local)
    copy.updateSeq = this.updateSeq
    copy.revsLimit = this.revsLimit
    copy.compacted = this.compacted
    return copy
  }

  /** The revision that an interactive edit would extend now, 'root' for a new document, 'conflict' for none. */
  #parentFor(edit: ModelEdit): string {
    const document = this.documents.get(edit.id)
    if (document === undefined) return edit.rev === undefined ? 'root' : 'conflict'
    if (document.deleted) return edit.rev === undefined && !edit.deleted ? document.winner : 'conflict'
    return edit.rev !== undefined && document.leaves().includes(edit.rev) ? edit.rev : 'conflict'
  }

  #touch(id: string): ModelDocument {
    const document = this.documents.get(id) ?? new ModelDocument()
    this.documents.set(id, document)
    document.changed()
    return document
  }

  #commit(document: ModelDocument): void {
    document.stem(this.revsLimit)
    this.updateSeq += 1
    document.seq = this.updateSeq
  }

  /**
   * Edits of one document in one request. An edit must be possible both before the request and in its turn;
   * `revOf` gives the revision that the database made for one that is. Returns which were.
   */
  interact(id: string, edits: readonly ModelEdit[], revOf: (edit: ModelEdit) => string): boolean[] {
    const before = this.documents.get(id)
    const leaves = before?.leaves() ?? []
    const blank = before === undefined || before.deleted
    const stored = edits.map((edit) => {
      const possible = edit.rev === undefined ? blank : leaves.includes(edit.rev)
      const parent = possible ? this.#parentFor(edit) : 'conflict'
      if (parent === 'conflict') return false
      const { deleted, body } = edit
      this.#touch(id).revisions.set(revOf(edit), {
        parent: parent === 'root' ? undefined : parent,
        deleted,
        body,
      })
      this.#touch(id)
      return true
    })
    if (stored.includes(true)) this.#commit(this.#touch(id))
    return stored
  }

  /** Replicated revisions of one document, given together. What stemming takes away again was no change. */
  replicate(id: string, edits: readonly ModelEdit[]): void {
    const before = this.documents.get(id)?.text()
    const target = this.#touch(id)
    for (const edit of edits) this.#graft(target, edit)
    target.stem(this.revsLimit)
    if (target.text() !== before) this.#commit(target)
  }

  #graft(target: ModelDocument, edit: ModelEdit): void {
    const path = edit.path!
    for (const [at, rev] of path.entries()) {
      const known = target.revisions.get(rev)
      const own = at === 0
      if (known) {
        known.parent ??= path[at + 1]
        if (own && known.body === undefined) Object.assign(known, { deleted: edit.deleted, body: edit.body })
      } else {
        const body = own ? edit.body : undefined
        target.revisions.set(rev, { parent: path[at + 1], deleted: own && edit.deleted, body })
      }
    }
  }

  longestHistory(): number {
    const documents = [...this.documents.values()]
    return Math.max(0, ...documents.flatMap((one) => one.leaves().map((leaf) => one.path(leaf).length)))
  }

  live(): string[] {
    return [...this.documents]
      .filter(([, document]) => !document.deleted)
      .map(([id]) => id)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  /** Ids in the order of their last change. */
  changes(): string[] {
    return [...this.documents].sort(([, a], [, b]) => a.seq - b.seq).map(([id]) => id)
  }
}
