/**
 * A document of `_users` as others than the user and the administrators see it: the members that `[chttpd_auth]
 * public_fields` names, and nothing where it names none. As in CouchDB only documents are cut so; what lists them is for
 * administrators alone, and so are local documents, in which services keep how far they have come.
 */
import { DatabaseError } from '../base/errors.ts'
import type {
  AllDocsRow,
  Database,
  DocumentView,
  OpenRevision,
  ShownDocuments,
} from '../database/api/database.ts'
import { ViewWithBody } from '../documents/narrowed-view.ts'
import { walkMembers } from '../json/members.ts'

/** Who looks at documents of `_users`. */
export interface UserViewer {
  readonly name: string | null
  readonly isAdmin: boolean
  /** Names of members. */
  readonly publicFields: readonly string[]
}

/** Throws forbidden for a design document, and missing for a document of which nothing may be seen. */
export function viewOfUser(view: DocumentView, viewer: UserViewer): DocumentView {
  if (viewer.isAdmin) return view
  if (view.id.startsWith('_design/')) {
    const reason = 'Only administrators can view design docs in the users database.'
    throw new DatabaseError('forbidden', reason)
  }
  if (viewer.name !== null && view.id === `org.couchdb.user:${viewer.name}`) return view
  const body = publicBody(view.body(), viewer.publicFields)
  if (body === undefined) throw new DatabaseError('missing')
  return new ViewWithBody(view, body, { attachments: false })
}

/** Whole databases, by what somebody sees of them. */
const WHOLE = new WeakMap<Database, Database>()

/** The database of which `usersSeenBy` has made this, for what the server itself asks it; other databases as they are. */
export function wholeUsers(database: Database): Database {
  return WHOLE.get(database) ?? database
}

/** `_users` as somebody sees it who may read documents by their ids, but not list them. */
export function usersSeenBy(database: Database, viewer: UserViewer): Database {
  if (viewer.isAdmin) return database
  const refuse = (): never => {
    throw new DatabaseError('unauthorized', 'You are not a server admin.')
  }
  const documents: ShownDocuments = {
    storedRow: () => undefined,
    get: (id, options) => viewOfUser(database.get(id, options), viewer),
    openRevs: (id, revs, options) =>
      database.openRevs(id, revs, options).map((each) => seenRevision(each, viewer)),
    lookup: (id) => seenRow(database.lookup(id), viewer),
    allDocs: refuse,
    changes: refuse,
    getLocal: refuse,
    localDocs: refuse,
    backup: refuse,
  }
  const seen: Partial<Database> = {
    ...documents,
    putLocal: refuse,
    deleteLocal: refuse,
    purgedInfos: refuse,
  }
  const view = new Proxy(database, {
    get(target, name) {
      if (Object.hasOwn(seen, name)) return seen[name as keyof typeof seen]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  WHOLE.set(view, database)
  return view
}

function seenRevision(each: OpenRevision, viewer: UserViewer): OpenRevision {
  if (!('ok' in each)) return each
  try {
    return { ok: viewOfUser(each.ok, viewer) }
  } catch (error) {
    if (error instanceof DatabaseError && error.kind === 'missing') return { missing: each.ok.rev }
    throw error
  }
}

/** Whether there is a document is no secret. */
function seenRow(row: AllDocsRow | undefined, viewer: UserViewer): AllDocsRow | undefined {
  if (row === undefined) return undefined
  const { id, rev, deleted } = row
  return { id, rev, deleted, document: () => viewOfUser(row.document(), viewer) }
}

/** Undefined for none. */
function publicBody(body: Buffer, fields: readonly string[]): Buffer | undefined {
  const names = new Set(fields)
  const parts: string[] = []
  walkMembers(body, 0, (nameStart, nameEnd, _start, end) => {
    const name = JSON.parse(body.toString('utf8', nameStart, nameEnd)) as string
    if (names.has(name)) parts.push(body.toString('utf8', nameStart, end))
  })
  return parts.length === 0 ? undefined : Buffer.from(`{${parts.join(',')}}`)
}
