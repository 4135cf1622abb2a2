/** What a replication counts, over all its sessions: a new one goes on from the counts of the last checkpoint, as in CouchDB. */
import type { HistoryEntry } from './api.ts'

export interface Counts {
  missing_checked: number
  missing_found: number
  docs_read: number
  docs_written: number
  doc_write_failures: number
  bulk_get_docs: number
  bulk_get_attempts: number
}

export function countsOf(entry: Partial<HistoryEntry> | undefined): Counts {
  const of = (name: keyof Counts): number => {
    const value: unknown = entry?.[name]
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
  }
  return {
    missing_checked: of('missing_checked'),
    missing_found: of('missing_found'),
    docs_read: of('docs_read'),
    docs_written: of('docs_written'),
    doc_write_failures: of('doc_write_failures'),
    bulk_get_docs: of('bulk_get_docs'),
    bulk_get_attempts: of('bulk_get_attempts'),
  }
}
