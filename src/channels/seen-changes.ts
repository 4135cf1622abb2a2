/**
 * `_changes` of who sees his channels alone, as pages of a database's changes: rows as the index has them. Sequences are his own:
 * the number of the change, behind it the change that a grant tells again (see `sequence-id.ts`), and the tag of what decides
 * what he sees.
 */
import { DatabaseError } from '../base/errors.ts'
import type { ChangeRow, ChangesOptions, ChangesPage, Database } from '../database/api/database.ts'
import { isDesignId } from '../documents/document-id.ts'
import { type ChangeSource, changeRows, type ChangeRow as FoundRow } from './change-rows.ts'
import { ChannelIndex } from './channel-index.ts'
import type { ChannelSight } from './channel-sight.ts'
import type { SeenDocuments } from './seen-documents.ts'
import { type SequenceId, START } from './sequence-id.ts'

const FORM = /^(\d{1,15})-(\d{0,15})\.([0-9a-f]+)$/

export function formatSeen({ major, minor }: SequenceId, tag: string): string {
  return `${major}-${minor ?? ''}.${tag}`
}

/** The beginning, for everything that is not of this tag. */
export function parseSeen(since: string | number | undefined, { tag, seq }: ChannelSight): SequenceId {
  if (since === 'now') return { major: seq, minor: undefined }
  const [, major, minor, given] = FORM.exec(String(since ?? '')) ?? []
  if (given !== tag) return START
  return { major: Number(major), minor: minor === '' ? undefined : Number(minor) }
}

/** Throws bad_request for what it cannot do. Rows that he is not to see come without revisions. */
export function seenChanges(
  database: Database,
  documents: SeenDocuments,
  sight: ChannelSight,
  options: ChangesOptions,
): ChangesPage {
  if (options.descending === true) {
    throw new DatabaseError('badRequest', '`descending` is not for who sees his channels alone.')
  }
  const since = parseSeen(options.since, sight)
  const rows = new SeenRows(database, documents, sight, options, since)
  return { rows, lastSeq: () => rows.lastSeq, pending: () => rows.pending }
}

class SeenRows implements IterableIterator<ChangeRow> {
  readonly #documents: SeenDocuments
  readonly #sight: ChannelSight
  readonly #isWanted: (id: string) => boolean
  readonly #style: ChangesOptions['style']
  readonly #rows: Generator<FoundRow>
  #next: IteratorResult<FoundRow> | undefined
  #last: SequenceId
  #left: number

  constructor(
    database: Database,
    documents: SeenDocuments,
    sight: ChannelSight,
    { ids, style, limit = Number.POSITIVE_INFINITY }: ChangesOptions,
    since: SequenceId,
  ) {
    const wanted = ids && new Set(ids)
    this.#isWanted = (id) => wanted === undefined || wanted.has(id)
    this.#documents = documents
    this.#sight = sight
    this.#style = style
    this.#last = since
    this.#left = limit
    const source: ChangeSource = {
      database,
      channels: new ChannelIndex(documents.notes, Number.MAX_SAFE_INTEGER),
      indexedSeq: sight.seq,
      stateOf: (id) => documents.record(id)?.state,
      accountOf: (id) => (isDesignId(id) ? null : undefined),
    }
    this.#rows = changeRows(source, sight.reader, { channels: undefined, activeOnly: false }, since)
  }

  get lastSeq(): string {
    return formatSeen(this.#last, this.#sight.tag)
  }

  /** How many there are nobody has counted. */
  get pending(): number {
    return this.#peeked().done === true ? 0 : 1
  }

  #peeked(): IteratorResult<FoundRow> {
    this.#next ??= this.#rows.next()
    return this.#next
  }

  next(): IteratorResult<ChangeRow> {
    if (this.#left <= 0) return { done: true, value: undefined }
    const step = this.#peeked()
    if (step.done === true) {
      // Everything up to there has been looked at.
      if (this.#last.major <= this.#sight.seq) this.#last = { major: this.#sight.seq, minor: undefined }
      return { done: true, value: undefined }
    }
    this.#next = undefined
    this.#last = step.value.sequence
    const row = this.#shown(step.value)
    if (row.revs.length > 0) this.#left -= 1
    return { done: false, value: row }
  }

  #shown(found: FoundRow): ChangeRow {
    const { id, sequence } = found
    const base = { id, seqNumber: sequence.major, seq: formatSeen(sequence, this.#sight.tag) }
    const documents = this.#documents
    const hidden: ChangeRow = { ...base, deleted: false, revs: [], document: hiddenDocument }
    if (found.isPassedOver || !this.#isWanted(id)) return hidden
    const record = documents.record(id)
    if (record === undefined) return hidden
    if (found.removed !== undefined) {
      const rev = found.rev!
      if (!documents.isFarewell(rev, record)) return hidden
      return {
        ...base,
        deleted: true,
        revs: [rev],
        document: () => required(documents.revision(id, rev, record)),
      }
    }
    const view = documents.find(id)?.view
    if (view === undefined) return hidden
    const others = this.#style === 'all_docs' ? documents.leaves(id, record).map(({ rev }) => rev) : []
    const revs = [view.rev, ...others.filter((rev) => rev !== view.rev)]
    return { ...base, deleted: view.deleted, revs, document: () => view }
  }

  /** Whether there was more stays known. */
  return(): IteratorResult<ChangeRow> {
    if (this.#left <= 0) this.#peeked()
    else this.#next = { done: true, value: undefined }
    this.#rows.return(undefined)
    return { done: true, value: undefined }
  }

  [Symbol.iterator](): this {
    return this
  }
}

function hiddenDocument(): never {
  throw new Error('a row that nobody may see has no document')
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new DatabaseError('missing')
  return value
}
