import type { Database, DocumentView } from '../database/api/database.ts'

/** All design documents of a database, in the order of their ids. A snapshot is held until it ends, or is returned. */
export function* designViews(database: Database): Generator<DocumentView, void, void> {
  const range = { startKey: '_design/', endKey: '_design0', inclusiveEnd: false }
  for (const row of database.allDocs(range).rows) yield row.document()
}
