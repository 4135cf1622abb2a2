/**
 * Documents of `_replicator` databases as others than their owners and the database's administrators see them: without
 * credentials, wherever a document is read, listed, searched or shown to a function.
 */
import { DatabaseError } from '../../base/errors.ts'
import type {
  AllDocsPage,
  AllDocsRow,
  ChangesPage,
  Database,
  DocumentView,
  OpenRevision,
  ShownDocuments,
} from '../../database/api/database.ts'
import { ViewWithBody } from '../../documents/narrowed-view.ts'
import { shortMembers, withoutCredentials } from './replicator-document.ts'

const OWNER: ReadonlySet<string> = new Set(['owner'])

/** `name` is the reader's; null has no documents of his own. */
function seenView(view: DocumentView, name: string | null): DocumentView {
  if (view.id.startsWith('_design/')) return view
  if (name !== null && shortMembers(view.body(), OWNER)['owner'] === name) return view
  return new ViewWithBody(view, withoutCredentials(view.body()), { attachments: true })
}

/** The database as somebody sees it who is not among its administrators. */
export function replicatorSeenBy(database: Database, name: string | null): Database {
  const seen = (view: DocumentView): DocumentView => seenView(view, name)
  const members: ShownDocuments = {
    storedRow: () => undefined,
    get: (id, options) => seen(database.get(id, options)),
    openRevs: (id, revs, options) =>
      database
        .openRevs(id, revs, options)
        .map((each): OpenRevision => ('ok' in each ? { ok: seen(each.ok) } : each)),
    lookup: (id) => {
      const row = database.lookup(id)
      return row && seenRow(row, seen)
    },
    allDocs: (options): AllDocsPage => {
      const page = database.allDocs(options)
      const { totalRows, offset, updateSeq } = page
      return { totalRows, offset, updateSeq, rows: seenRows(page.rows, seen) }
    },
    changes: (options): ChangesPage => {
      const page = database.changes(options)
      return {
        rows: seenRows(page.rows, seen),
        lastSeq: () => page.lastSeq(),
        pending: () => page.pending(),
      }
    },
    // Nobody's credentials are in them, and copies of whole files are for administrators of the server alone.
    getLocal: (id) => database.getLocal(id),
    localDocs: (options) => database.localDocs(options),
    backup: () => {
      throw new DatabaseError('unauthorized', 'You are not a server admin.')
    },
  }
  return new Proxy(database, {
    get(target, property) {
      if (Object.hasOwn(members, property)) return members[property as keyof typeof members]
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

type Seen = (view: DocumentView) => DocumentView

function seenRow<R extends Pick<AllDocsRow, 'document'>>(row: R, seen: Seen): R {
  return new Proxy(row, {
    get(target, property) {
      if (property === 'document') return () => seen(target.document())
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Gives back what the rows hold also where none was taken. */
function seenRows<R extends Pick<AllDocsRow, 'document'>>(
  rows: IterableIterator<R>,
  seen: Seen,
): IterableIterator<R> {
  return {
    next() {
      const step = rows.next()
      return step.done === true ? step : { done: false, value: seenRow(step.value, seen) }
    },
    return(value?: unknown) {
      return rows.return?.(value) ?? { done: true, value }
    },
    [Symbol.iterator]() {
      return this
    },
  }
}
