/**
 * A database as somebody sees it who may read the documents of his channels alone. Whatever has no answer for him is refused
 * here too, below the table of routes: a member of the interface that is not named here throws.
 */
import { hash } from 'node:crypto'
import { DatabaseError } from '../base/errors.ts'
import type { Steps } from '../base/time-slice.ts'
import type {
  AllDocsOptions,
  AllDocsPage,
  AllDocsRow,
  Database,
  DocumentView,
  GetOptions,
  LocalDocument,
  MissingRevisions,
  OpenRevision,
} from '../database/api/database.ts'
import { formatRevision, parseRevision, type Revision } from '../database/revisions/revision-id.ts'
import type { ChannelSight } from './channel-sight.ts'
import { GUEST } from './names.ts'
import { formatSeen, seenChanges } from './seen-changes.ts'
import { SeenDocuments } from './seen-documents.ts'

/** What says nothing of documents. */
const HARMLESS: ReadonlySet<string | symbol> = new Set<keyof Database>([
  'name',
  'uuid',
  'instanceStartTime',
  'properties',
  'isFresh',
  'refresh',
  'settle',
  'security',
  'ensureFullCommit',
  'takeAttachment',
])

/** Rows that are passed over before others get their turn. */
const MOST_PASSED_OVER = 64

export function channelRefusal(): DatabaseError {
  return new DatabaseError(
    'forbidden',
    'You see your channels of this database: this is for its administrators.',
  )
}

/** `sight` undefined: nothing is seen. */
export function channelledDatabase(database: Database, sight: ChannelSight | undefined): Database {
  const members: Partial<Database> = sight === undefined ? {} : membersOf(database, sight)
  return new Proxy(database, {
    get(target, property) {
      if (Object.hasOwn(members, property)) return members[property as keyof typeof members]
      if (!HARMLESS.has(property)) throw channelRefusal()
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function membersOf(database: Database, sight: ChannelSight): Partial<Database> {
  const documents = new SeenDocuments(database, sight)
  const { index } = sight
  const place = placeOf(sight.reader.name)
  return {
    // What is kept of an answer is good for who sees the same.
    uuid: `${database.uuid}-${sight.tag}`,
    updateSeqNumber: sight.seq,
    get: (id, options) => get(documents, id, options),
    openRevs: (id, revs, options) => openRevs(documents, id, revs, options),
    storedRow: () => undefined,
    lookup: (id) => lookup(documents, id),
    allDocs: (options) => allDocs(database, documents, sight, options),
    changes: (options) => seenChanges(database, documents, sight, options ?? {}),
    missingRevs: (id, revisions) => missingRevs(documents, id, revisions),
    getLocal: (id) => unplaced(id, index.getLocal(place + id)),
    putLocal: (id, body, rev) => index.putLocal(place + id, body, rev),
    deleteLocal: (id, rev) => index.deleteLocal(place + id, rev),
  }
}

/** Where a user's own local documents are. Nobody else's begin so. */
function placeOf(name: string): string {
  return `client/${name === GUEST ? 'guest' : hash('sha256', name, 'hex')}/`
}

function unplaced(id: string, document: LocalDocument | undefined): LocalDocument | undefined {
  return document && { ...document, id }
}

/** Throws missing, deleted, and forbidden for a document that is there for others. */
function get(documents: SeenDocuments, id: string, { rev, latest }: GetOptions = {}): DocumentView {
  const record = documents.record(id)
  if (record === undefined) throw new DatabaseError('missing')
  if (rev !== undefined) {
    const normal = formatRevision(parseRevision(rev))
    const view = latest === true ? latestOf(documents, id, normal) : documents.revision(id, normal, record)
    if (view === undefined) throw new DatabaseError('missing')
    return view
  }
  const view = documents.find(id)?.view
  if (view?.deleted === true) throw new DatabaseError('deleted')
  if (view !== undefined) return view
  if (record.deleted) throw new DatabaseError('missing')
  throw new DatabaseError('forbidden', 'You are not allowed to read this document.')
}

/** The best leaf that he may see of those that `rev` leads to. */
function latestOf(documents: SeenDocuments, id: string, rev: string): DocumentView | undefined {
  const record = documents.record(id)
  const leaf = documents.leaves(id, record).find((view) => pathOf(view).has(rev))
  return leaf ?? documents.revision(id, rev, record)
}

function pathOf(view: DocumentView): Set<string> {
  const { start, ids } = view.revisions()
  return new Set(ids.map((id, at) => `${start - at}-${id}`))
}

function openRevs(
  documents: SeenDocuments,
  id: string,
  revs: 'all' | readonly string[],
  { latest = false }: { latest?: boolean } = {},
): OpenRevision[] {
  const record = documents.record(id)
  if (revs === 'all') {
    const seen = documents.leaves(id, record)
    if (seen.length === 0) throw new DatabaseError('missing')
    return seen.map((ok) => ({ ok }))
  }
  return revs.map((given) => {
    const rev = formatRevision(parseRevision(given))
    const ok = latest ? latestOf(documents, id, rev) : documents.revision(id, rev, record)
    return ok === undefined ? { missing: rev } : { ok }
  })
}

function lookup(documents: SeenDocuments, id: string): AllDocsRow | undefined {
  const view = documents.find(id)?.view
  return view && rowOf(view)
}

function rowOf(view: DocumentView): AllDocsRow {
  const { id, rev, deleted } = view
  return { id, rev, deleted, document: () => view }
}

function allDocs(
  database: Database,
  documents: SeenDocuments,
  { seq, tag }: ChannelSight,
  { skip = 0, limit = Number.POSITIVE_INFINITY, ...range }: AllDocsOptions = {},
): AllDocsPage {
  const { rows } = database.allDocs(range)
  const shown = shownRows(rows, documents, skip, limit)
  const updateSeq = formatSeen({ major: seq, minor: undefined }, tag)
  return { totalRows: 0, offset: 0, isUncounted: true, updateSeq, rows: new Closing(shown, rows) }
}

function* shownRows(
  rows: Iterable<AllDocsRow>,
  documents: SeenDocuments,
  skip: number,
  limit: number,
): Generator<AllDocsRow> {
  let toSkip = skip
  let left = limit
  let passedOver = 0
  if (left <= 0) return
  for (const { id } of rows) {
    const view = documents.find(id)?.view
    if (view !== undefined && !view.deleted) {
      toSkip -= 1
      if (toSkip < 0) {
        passedOver = 0
        yield rowOf(view)
        left -= 1
        if (left <= 0) return
      }
    }
    passedOver += 1
    if (passedOver % MOST_PASSED_OVER === 0) yield { ...HIDDEN, id }
  }
}

const HIDDEN: Omit<AllDocsRow, 'id'> = {
  rev: '',
  deleted: true,
  isHidden: true,
  document: () => {
    throw new Error('a row that nobody may see has no document')
  },
}

/** A generator that was never started does not pass `return` on, and the rows hold a snapshot. */
class Closing implements IterableIterator<AllDocsRow> {
  readonly #shown: Generator<AllDocsRow>
  readonly #rows: IterableIterator<AllDocsRow>

  constructor(shown: Generator<AllDocsRow>, rows: IterableIterator<AllDocsRow>) {
    this.#shown = shown
    this.#rows = rows
  }

  next(): IteratorResult<AllDocsRow> {
    const step = this.#shown.next()
    if (step.done === true) this.#rows.return?.()
    return step
  }

  return(): IteratorResult<AllDocsRow> {
    this.#rows.return?.()
    return this.#shown.return(undefined)
  }

  [Symbol.iterator](): this {
    return this
  }
}

/**
 * Stored is to him what is in the history of a revision that he may see: the id of a revision is a hash of it, and who could ask
 * whether there is one could guess what he may not read.
 */
function* missingRevs(
  documents: SeenDocuments,
  id: string,
  revisions: readonly Revision[],
): Steps<MissingRevisions> {
  const leaves = documents.leaves(id)
  const stored = new Set<string>()
  for (const leaf of leaves) {
    for (const rev of pathOf(leaf)) stored.add(rev)
    yield
  }
  const missing: string[] = []
  let newest = 0
  for (const revision of revisions) {
    const rev = formatRevision(revision)
    if (!stored.has(rev)) {
      missing.push(rev)
      newest = Math.max(newest, revision.pos)
    }
    yield
  }
  const possibleAncestors =
    missing.length === 0
      ? []
      : leaves.map(({ rev }) => rev).filter((rev) => Number.parseInt(rev, 10) < newest)
  return { missing, possibleAncestors }
}
