/**
 * A database whose listings never end, and which counts what was pulled from them and whether they were
 * closed: for tests of what a server does when a client stops reading or goes away.
 */
import type {
  AllDocsPage,
  AllDocsRow,
  ChangeRow,
  ChangesPage,
  Database,
  DocumentView,
} from '../../src/database/api/database.ts'

export interface EndlessDatabase {
  database: Database
  /** Rows pulled so far, of all listings. */
  pulled: number
  /** Listings opened and not yet returned. */
  open: number
}

const REV = `1-${'a'.repeat(32)}`

/** Each document's body is `bodyBytes` long. */
export function endlessDatabase(bodyBytes: number): EndlessDatabase {
  const body = Buffer.from(`{"a":"${'x'.repeat(bodyBytes - 8)}"}`)
  const view = (id: string): DocumentView => ({
    id,
    rev: REV,
    deleted: false,
    expiresAtMs: undefined,
    localSeq: 1,
    attachments: () => [],
    body: () => body,
    revisions: () => ({ start: 1, ids: [REV.slice(2)] }),
    revsInfo: () => [],
    conflicts: () => [],
    deletedConflicts: () => [],
  })
  const rows = <T>(make: (id: string, number: number) => T): IterableIterator<T> => {
    state.open += 1
    let returned = false
    const iterator: IterableIterator<T> = {
      next: () => {
        state.pulled += 1
        return { done: false, value: make(String(state.pulled).padStart(9, '0'), state.pulled) }
      },
      return: () => {
        if (!returned) state.open -= 1
        returned = true
        return { done: true, value: undefined }
      },
      [Symbol.iterator]: () => iterator,
    }
    return iterator
  }
  const allDocs = (): AllDocsPage => ({
    totalRows: 1_000_000_000,
    offset: 0,
    updateSeq: '1-x',
    rows: rows<AllDocsRow>((id) => ({ id, rev: REV, deleted: false, document: () => view(id) })),
  })
  const changes = (): ChangesPage => ({
    rows: rows<ChangeRow>((id, seqNumber) => ({
      id,
      seqNumber,
      seq: `${seqNumber}-x`,
      deleted: false,
      revs: [REV],
      document: () => view(id),
    })),
    lastSeq: () => '1-x',
    pending: () => 1,
  })
  const state: EndlessDatabase = {
    pulled: 0,
    open: 0,
    database: {
      name: 'endless',
      uuid: 'e'.repeat(32),
      properties: { partitioned: false },
      updateSeqNumber: 1,
      settle: () => undefined,
      allDocs,
      changes,
      security: () => Buffer.from('{}'),
      onChange: () => () => {},
      close: async () => {},
    } as unknown as Database,
  }
  return state
}
