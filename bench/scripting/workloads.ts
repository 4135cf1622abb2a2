/** What servers are asked for: in each group the first is the one without a function, beside which the others are held. */
import { DOCUMENT } from '../http/workload.ts'

export interface FunctionWorkload {
  name: string
  /** Which of the run's databases. */
  database: DatabaseKind
  method: string
  /** Below the database; `{n}` is another number each time. */
  path: string
  body: string | undefined
  connections: number
  /** Documents that one request writes, or that the server looks at for it. */
  documents: number
}

export type DatabaseKind = 'written' | 'validated' | 'stored'

/** Documents of the database whose changes are read. */
export const CHANGES = 5000

/** The design document of each kind of database; undefined for none. */
export const DESIGNS: Readonly<Record<DatabaseKind, object | undefined>> = {
  written: undefined,
  validated: { validate_doc_update: 'function(newDoc, oldDoc, userCtx, secObj) {}' },
  stored: {
    filters: { odd: 'function(doc, req) { return doc.n % 2 == 1; }' },
    views: { odd: { map: 'function(doc) { if (doc.n % 2 == 1) emit(doc.n, null); }' } },
    autoupdate: false,
  },
}

export function storedDocument(n: number): object {
  return { _id: String(n).padStart(6, '0'), n, ...DOCUMENT }
}

function put(name: string, database: DatabaseKind): FunctionWorkload {
  const rest = { method: 'PUT', path: '{n}', body: JSON.stringify(DOCUMENT), connections: 64, documents: 1 }
  return { name, database, ...rest }
}

function changes(name: string, query: string): FunctionWorkload {
  const path = `_changes${query}`
  const rest = { method: 'GET', body: undefined, connections: 2, documents: CHANGES }
  return { name, database: 'stored', path, ...rest }
}

export const GROUPS: Readonly<Record<string, readonly FunctionWorkload[]>> = {
  put: [put('put', 'written'), put('put, validated', 'validated')],
  changes: [
    changes('changes', ''),
    changes('changes, view', '?filter=_view&view=bench/odd'),
    changes('changes, function', '?filter=bench/odd'),
  ],
}
