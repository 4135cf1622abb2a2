import type { HttpLimits } from './options.ts'

/**
 * How long a body may be, as it is sent and unpacked, by what its route takes it for. A route that says nothing has
 * the bound of a setting. Documents are kept as text; the others become objects, of which there may be `MAX_VALUES`.
 */
export type BodyKind =
  | 'credentials'
  | 'setting'
  | 'names'
  | 'filter'
  | 'query'
  | 'function'
  | 'lookup'
  | 'documents'

const KIBIBYTE = 1024
const MEBIBYTE = 1024 * KIBIBYTE

/** In bytes. Beside these, documents have `[davenport] max_json_size`, and all have `[chttpd] max_http_request_size`. */
export const BODY_BYTES: Readonly<Record<Exclude<BodyKind, 'documents'>, number>> = {
  /** Anybody may send it. */
  credentials: 16 * KIBIBYTE,
  /** A number, a word. */
  setting: 64 * KIBIBYTE,
  /** `_security`, `_purge`, `_dbs_info`, `_replicate`. */
  names: MEBIBYTE,
  /** `_changes`, where it is held as long as the feed; a patch, which becomes several times its length. */
  filter: 8 * MEBIBYTE,
  /** Of Mango. */
  query: 8 * MEBIBYTE,
  /** What a design function is called with: it becomes a string there, under the bound of the function's memory. */
  function: 8 * MEBIBYTE,
  /** Keys, revisions and queries. */
  lookup: 32 * MEBIBYTE,
}

/** Values of JSON in a body that becomes objects: each takes some tens of bytes. */
export const MAX_VALUES = 1024 * KIBIBYTE
/** Some more than a selector may have. */
const MAX_QUERY_VALUES = 128 * KIBIBYTE
/** Members of one object in such a body: whoever looks at all of them does so in one step. */
export const MAX_MEMBERS = 64 * KIBIBYTE

export function valueLimit(kind: BodyKind): number {
  return kind === 'query' ? MAX_QUERY_VALUES : MAX_VALUES
}

export function bodyLimit(kind: BodyKind, limits: HttpLimits): number {
  const bytes = kind === 'documents' ? limits.maxJsonBytes : BODY_BYTES[kind]
  return Math.min(bytes, limits.maxJsonBytes, limits.maxRequestBytes)
}
