/** What the servers are asked for. One table for all of them, so that none gets another question. */

/** `{n}` in the path, or in the body, stands for a number. */
export interface Load {
  method: string
  path: string
  body: string | undefined
  headers: Record<string, string>
  connections: number
  numbers: Numbers
}

/**
 * `cycle`: 0 to `count` - 1 again and again, or, with `of`, as many different ones of those below it, far ones behind each other.
 * `fresh`: none twice, in no order.
 */
export type Numbers = { kind: 'cycle'; count: number; of?: number } | { kind: 'fresh' }

export interface Measured {
  requests: number
  seconds: number
  p50Us: number
  p99Us: number
  /** Answers that were no 2xx, broken connections, timeouts. */
  errors: number
}

/**
 * Knuth's multiplier: odd, so that no number comes twice, and far numbers follow each other. The first three
 * million products are exact as doubles.
 */
export const SCATTER = 2654435761
export const SCATTER_MODULUS = 2 ** 32

export interface Workload {
  name: string
  summary: string
  connections: number
  method: string
  /** Below the database. */
  path: string
  body: string | undefined
  fresh: boolean
  /** The database that everybody may use; requests carry no credentials. */
  anonymous: boolean
  /** Documents that one request reads or writes. */
  documents: number
}

/** Documents of the databases, if nobody says how many. */
export const STORED_DOCUMENTS = 1000
/** A driver keeps a text of each document that it asks for. */
export const MOST_ASKED_FOR = 60_000
const BULK_DOCUMENTS = 1000
/** One answer of rows has no more: of larger databases their first. A constant as long has to fit in one string. */
const MOST_ROWS = 100_000
const DOCUMENT_BYTES = 1024
/** `_id` and `_rev` with their values, which answers have and requests have not. */
const ANSWER_OVERHEAD_BYTES = 64

/** Of about 1 KB as it is answered: text, numbers, an object and an array. */
export const DOCUMENT = makeDocument()

function makeDocument(): Record<string, unknown> {
  const document = {
    type: 'order',
    customer: { name: 'Ada Lovelace', city: 'London', vip: true },
    lines: [1, 2, 3, 4].map((line) => ({ article: `article-${line}`, count: line, price: line * 1.25 })),
    note: '',
  }
  const missing = DOCUMENT_BYTES - ANSWER_OVERHEAD_BYTES - JSON.stringify(document).length
  const words = 'the quick brown fox jumps over the lazy dog '
  return { ...document, note: words.repeat(missing).slice(0, missing) }
}

const TEXT = JSON.stringify(DOCUMENT)
const BULK = JSON.stringify({ docs: new Array(BULK_DOCUMENTS).fill(DOCUMENT) })

function get(name: string, summary: string, connections: number, anonymous = false): Workload {
  const rest = { method: 'GET', path: '{n}', body: undefined, fresh: false, documents: 1 }
  return { name, summary, connections, anonymous, ...rest }
}

function put(name: string, summary: string, connections: number): Workload {
  const rest = { method: 'PUT', path: '{n}', body: TEXT, fresh: true, anonymous: false, documents: 1 }
  return { name, summary, connections, ...rest }
}

function one(
  name: string,
  method: string,
  path: string,
  body: string | undefined,
  documents: number,
): Workload {
  const rest = { connections: 1, fresh: false, anonymous: false }
  return { name, summary: `${method} ${path}`, method, path, body, documents, ...rest }
}

/** With so many documents in each database. */
export function workloadsOf(stored: number): readonly Workload[] {
  const rows = Math.min(stored, MOST_ROWS)
  return [
    get('get-1', 'GET of a document, 1 connection', 1),
    get('get-64', 'GET of a document, 64 connections', 64),
    get('get-64-public', 'the same without credentials', 64, true),
    put('put-1', 'PUT of a new document, 1 connection', 1),
    put('put-64', 'PUT of a new document, 64 connections', 64),
    one('bulk-docs', 'POST', '_bulk_docs', BULK, BULK_DOCUMENTS),
    one('all-docs', 'GET', `_all_docs?include_docs=true&limit=${rows}`, undefined, rows),
    one('changes', 'GET', `_changes?limit=${rows}`, undefined, rows),
  ]
}
