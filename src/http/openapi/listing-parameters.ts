import type { ParameterKey } from './parameters.ts'

/** What listings and views take alike: view-parameters.ts and view-query.ts have it, the tests compare. */
const COMMON: readonly ParameterKey[] = [
  'limit',
  'skip',
  'descending',
  'key',
  'keys',
  'startkey',
  'start_key',
  'endkey',
  'end_key',
  'inclusive_end',
  'include_docs',
  'conflicts',
  'attachments',
  'att_encoding_info',
  'update_seq',
  'sorted',
  'stable',
  'partition',
]

export const LISTING: readonly ParameterKey[] = [...COMMON, 'listing.stale', 'listing.update']

/** Of `_local_docs`. */
export const LOCAL_LISTING: readonly ParameterKey[] = [...LISTING, 'include_system']

export const VIEW: readonly ParameterKey[] = [
  ...COMMON,
  'startkey_docid',
  'start_key_doc_id',
  'endkey_docid',
  'end_key_doc_id',
  'reduce',
  'group',
  'group_level',
  'stale',
  'update',
  'build_before_switch',
]

/** Of `_changes`. */
export const CHANGES: readonly ParameterKey[] = [
  'feed',
  'since',
  'last-event-id',
  'feed.limit',
  'descending',
  'style',
  'include_docs',
  'conflicts',
  'attachments',
  'att_encoding_info',
  'seq_interval',
  'heartbeat',
  'timeout',
  'active_only',
  'filter',
  'doc_ids',
  'view',
  'Last-Event-ID',
]
