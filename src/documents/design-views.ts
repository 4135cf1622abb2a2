import type { Database, DocumentView } from '../database/api/database.ts'

/** Ids of design documents begin so: the least of them. */
export const DESIGN_START = '_design/'
/** Above all of them. */
export const DESIGN_END = '_design0'

/** All design documents of a database, in the order of their ids. A snapshot is held until it ends, or is returned. */
export function* designViews(database: Database): Generator<DocumentView, void, void> {
  const range = { startKey: DESIGN_START, endKey: DESIGN_END, inclusiveEnd: false }
  for (const row of database.allDocs(range).rows) yield row.document()
}
