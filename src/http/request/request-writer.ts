/** What requests write documents with: only those whose rule says so, in the table of rights. */
import type { Database } from '../../database/api/database.ts'
import { type DocumentWriter, documentWriter } from '../../writing/document-writer.ts'
import type { Exchange } from './exchange.ts'

/** `database` is the exchange's, under another lease where the write outlives the request. */
export function requestWriter(
  exchange: Exchange,
  database: Database = exchange.writtenDatabase,
): DocumentWriter {
  if (exchange.right !== 'writer') throw new Error(`${exchange.place.route} has no right to write`)
  return documentWriter(exchange.backend, database, exchange)
}
