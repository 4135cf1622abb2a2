/** Parameters by a name of our own: that of the parameter, behind a dot where several have the same name. */
import { boolean, integer, natural, oneOf, type Schema, string } from './schema.ts'

export interface Parameter {
  readonly in: 'path' | 'query' | 'header'
  readonly description: string
  readonly schema: Schema
  /** Of a query or a header, where it must be there. */
  readonly required?: boolean
}

function path(description: string): Parameter {
  return { in: 'path', description, schema: string() }
}

function query(description: string, schema: Schema = string()): Parameter {
  return { in: 'query', description, schema }
}

function flag(description: string): Parameter {
  return query(description, boolean())
}

function count(description: string): Parameter {
  return query(description, natural())
}

/** A JSON text. */
function json(description: string): Parameter {
  return { in: 'query', description, schema: string(undefined, { contentMediaType: 'application/json' }) }
}

function header(description: string): Parameter {
  return { in: 'header', description, schema: string() }
}

const SETTLED = 'Accepted for the sake of clients of clusters, and without effect on a single node.'

const PATHS = {
  'path.db': path('The name of a database; a slash in it is written `%2F`.'),
  'path.docid': path(
    'The id of a document. A slash in it is written `%2F`; `_design/` and `_local/` may be written as they are.',
  ),
  'path.ddoc': path('The name of a design document, without `_design/`.'),
  'path.attachment': path('The name of an attachment, in which slashes may stand as they are.'),
  'path.function': path('The name of a function of the design document.'),
  'path.view': path('The name of a view.'),
  'path.viewddoc': path('The name of the design document that has the view.'),
  'path.rest': path('Any path, in which slashes may stand as they are.'),
  'path.index': path('The name of an index.'),
  'path.partition': path('The name of a partition.'),
  'path.node': path('`_local`, or the name of the node.'),
  'path.section': path('A section of the configuration.'),
  'path.key': path('A key of the section.'),
  'path.metric': path('The name of a figure, or its beginning; a dot in it may be a slash.'),
  'path.pid': path('The `pid` of a task.'),
  'path.job': path('The id of a replication, or of a job.'),
  'path.replicator': path(
    'The name of a database of replication documents: `_replicator`, or one that ends in `/_replicator`.',
  ),
  'path.file': path('The path of a file.'),
} as const satisfies Record<string, Parameter>

const READS = {
  rev: query('A revision of the document; without it the winner is meant.'),
  revs: flag('With `_revisions`, the history.'),
  revs_info: flag('With `_revs_info`, which revisions there are and which of them can be read.'),
  conflicts: flag('With `_conflicts`, the other revisions that are not deleted.'),
  deleted_conflicts: flag('With `_deleted_conflicts`.'),
  local_seq: flag('With `_local_seq`, the place of the last change.'),
  meta: flag('`revs_info`, `conflicts` and `deleted_conflicts` at once.'),
  latest: flag('For a revision that has been replaced its leaves are meant.'),
  deleted: flag('A deleted document is answered too.'),
  open_revs: query('`all`, or a JSON list of revisions: several revisions are answered.'),
  attachments: flag('With the bytes of attachments, in base64.'),
  att_encoding_info: flag('With encoding and encoded length of attachments.'),
  atts_since: json('A JSON list of revisions: attachments that they do not have come with their bytes.'),
  show_exp: flag('With `_exp`, when the document expires.'),
} as const satisfies Record<string, Parameter>

const WRITES = {
  'edit.rev': query('The revision that is replaced.'),
  new_edits: flag('`false` stores the document under the revision that it has, as replicators do.'),
  batch: query('`ok`: answered with 202, before the document is stored.', oneOf(['ok'])),
  w: count('How many copies are to be written. More than the one that there is makes the answer 202.'),
  'If-Match': header('The revision that is replaced, in the place of `rev`.'),
  'If-None-Match': header('Answered with 304 where the ETag is the same.'),
  Destination: {
    ...header('The id of the copy; `?rev=` names the revision that it replaces.'),
    required: true,
  },
  Referer: { ...header('A page of this server.'), required: true },
  Range: header('Bytes that are wanted: `bytes=0-99`.'),
  'If-Range': header('The range counts only where the ETag is this one.'),
  'X-Couch-Persist': header('`false`: the value holds until the server ends.'),
} as const satisfies Record<string, Parameter>

const LISTS = {
  limit: count('At most so many rows.'),
  skip: count('So many rows are passed over.'),
  descending: flag('In the opposite order; the range begins at its upper end then.'),
  key: json('Rows of this key alone, as JSON.'),
  keys: json('Rows of these keys, in their order, as a JSON list.'),
  startkey: json('Where the range begins, as JSON.'),
  start_key: json('The same as `startkey`.'),
  endkey: json('Where the range ends, as JSON.'),
  end_key: json('The same as `endkey`.'),
  inclusive_end: flag('`false`: the end itself does not belong to the range.'),
  include_docs: flag('With the documents.'),
  update_seq: flag('With the sequence that the rows are of.'),
  include_system: flag('With what checkpoints of indexes and of nodes are kept in.'),
  sorted: flag(SETTLED),
  stable: flag(SETTLED),
  'listing.stale': query(SETTLED, oneOf(['ok', 'update_after'])),
  'listing.update': query(SETTLED, oneOf(['true', 'false', 'lazy'])),
  stale: query(
    '`ok` takes the index as it is, `update_after` has it updated afterwards.',
    oneOf(['ok', 'update_after']),
  ),
  update: query(
    'Whether the index is updated first, not at all, or afterwards.',
    oneOf(['true', 'false', 'lazy']),
  ),
  partition: query('Of a partitioned database: rows of this partition alone.'),
  reduce: flag('`false`: rows as the map emitted them.'),
  group: flag('A row for each key.'),
  group_level: count('A row for each beginning of keys of so many elements.'),
  startkey_docid: query('Where the range begins among rows of the same key.'),
  start_key_doc_id: query('The same as `startkey_docid`.'),
  endkey_docid: query('Where the range ends among rows of the same key.'),
  end_key_doc_id: query('The same as `endkey_docid`.'),
  build_before_switch: flag(
    'The rows of the view as it was before it was changed will do until the new index is there.',
  ),
} as const satisfies Record<string, Parameter>

const FEEDS = {
  feed: query('How changes come.', oneOf(['normal', 'longpoll', 'continuous', 'live', 'eventsource'])),
  'events.feed': query('How events come.', oneOf(['normal', 'longpoll', 'continuous', 'eventsource'])),
  since: query('The sequence behind which changes are wanted: one that an answer has named, `0`, or `now`.'),
  'last-event-id': query('The same as `since`.'),
  'Last-Event-ID': header('The last id that an event source has seen.'),
  'feed.limit': query('At most so many changes.', integer()),
  style: query('The winning revision, or all leaves.', oneOf(['main_only', 'all_docs'])),
  seq_interval: query('Only every so many-th row has its sequence.', integer(undefined, { minimum: 1 })),
  heartbeat: query('Milliseconds between signs of life, or `true`.'),
  timeout: query('Milliseconds after which a feed without a change ends.', integer()),
  active_only: flag('Without deleted documents.'),
  filter: query('`_doc_ids`, `_selector`, `_design`, `_view`, or `design document/function`.'),
  doc_ids: json('The ids of the filter `_doc_ids`, as a JSON list.'),
  view: query('The view of the filter `_view`: `design document/view`.'),
} as const satisfies Record<string, Parameter>

const OTHERS = {
  count: count('How many.'),
  db: query('The name of a database.'),
  basic: flag('Nobody signed in is answered with 401.'),
  next: query('Where a browser is sent afterwards.'),
  fail: query('Where a browser is sent where the password is wrong.'),
  history: flag('Those that have ended, the last first.'),
  analyzer: query('The analyzer of texts.'),
  text: query('The text to analyze.'),
  ensure_dbs_exist: json('The databases that have to be there, as a JSON list.'),
  raw: flag('The value is not checked, and an administrator’s password not hashed.'),
  states: query('Only those in one of these states, with commas between.'),
  q: query(
    'How many shards a cluster would make of it; remembered, and without effect.',
    integer(undefined, { minimum: 1 }),
  ),
  n: query('How many copies a cluster would have; without effect.', integer(undefined, { minimum: 1 })),
  engine: query('The storage engine: `couch`, of which there is one.'),
  placement: query('In which zones a cluster would put it; without effect.'),
  partitioned: flag('A database whose documents are grouped by what stands before the colon in their ids.'),
  dry_run: flag('Nothing is done, and said what would be.'),
  'index.limit': query('At most so many indexes.', integer(undefined, { minimum: 1 })),
} as const satisfies Record<string, Parameter>

export const PARAMETERS = { ...PATHS, ...READS, ...WRITES, ...LISTS, ...FEEDS, ...OTHERS } as const

export type ParameterKey = Exclude<keyof typeof PARAMETERS, keyof typeof PATHS>

/** Its name in a request. */
export function parameterName(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1)
}
