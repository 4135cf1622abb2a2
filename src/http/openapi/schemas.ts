/**
 * What requests and answers look like, by name. An object has the members that it names; one that may have others says so
 * (`openObject`, `map`).
 */
import {
  anything,
  boolean,
  either,
  integer,
  list,
  map,
  natural,
  nullable,
  number,
  object,
  oneOf,
  openObject,
  ref,
  type Schema,
  string,
} from './schema.ts'

const revision = string('A revision: its generation, a dash, 32 hex digits or what a replicator gave.')
const sequence = string(
  'A place in the order of changes. Opaque: nothing but the server that made it reads it.',
)
const when = string('RFC 3339.')
const error = string('The name of the error.')
const reason = string()
/** Of Mango. */
const selector = map(anything(), 'A selector of Mango.')
const sort = list(either(string(), map(oneOf(['asc', 'desc']))))
const names = object({ 'names?': list(string()), 'roles?': list(string()) })
const copies = { q: natural(), n: natural(), w: natural(), r: natural() }

const DOCUMENTS: Readonly<Record<string, Schema>> = {
  Document: openObject(
    {
      '_id?': string(),
      '_rev?': revision,
      '_deleted?': boolean(),
      '_attachments?': map(ref('Attachment')),
      '_revisions?': object({ start: natural(), ids: list(string()) }),
      '_revs_info?': list(object({ rev: revision, status: oneOf(['available', 'missing', 'deleted']) })),
      '_conflicts?': list(revision),
      '_deleted_conflicts?': list(revision),
      '_local_seq?': natural(),
      '_exp?': either(integer(), string()),
    },
    'A document: members of its own, and members that begin with an underscore, which are the server’s.',
  ),
  Attachment: object(
    {
      'content_type?': string(),
      'revpos?': natural(),
      'digest?': string(),
      'length?': natural(),
      'stub?': boolean('Its bytes are not in the text.'),
      'follows?': boolean('Its bytes follow as a part of the message.'),
      'data?': string('In base64.', { contentEncoding: 'base64' }),
      'encoding?': string(),
      'encoded_length?': natural(),
    },
    'An attachment as it stands in a document.',
  ),
  Written: object(
    { ok: oneOf([true]), id: string(), 'rev?': revision },
    'A document was written. Without `rev` it will be.',
  ),
  OpenRevision: either(object({ ok: ref('Document') }), object({ missing: revision })),
  BulkDocs: openObject({
    docs: list(ref('Document')),
    'new_edits?': boolean('`false` stores documents under the revisions that they have.'),
    'all_or_nothing?': boolean('Every document is written, or none is.'),
  }),
  BulkOutcomes: list(
    either(
      object({ ok: oneOf([true]), id: string(), rev: revision, 'accepted?': oneOf([true]) }),
      object({ id: string(), 'rev?': revision, error, reason }),
    ),
    'One for each document, in their order; with `new_edits=false` only those that were refused.',
  ),
  BulkGet: openObject({
    docs: list(object({ id: string(), 'rev?': revision, 'atts_since?': list(revision) })),
  }),
  BulkGetResults: object({
    results: list(
      object({
        id: anything(),
        docs: list(
          either(
            object({ ok: ref('Document') }),
            object({ error: object({ id: anything(), rev: anything(), error, reason }) }),
          ),
        ),
      }),
    ),
  }),
  RevisionsOfDocuments: map(list(revision), 'Lists of revisions, by the ids of documents.'),
  RevsDiff: map(object({ missing: list(revision), 'possible_ancestors?': list(revision) })),
  MissingRevs: object({ missing_revs: map(list(revision)) }),
  Purged: object({ purge_seq: { type: 'null' }, purged: map(list(revision)) }),
  PurgedInfos: object({ purged_infos: list(object({ id: string(), revs: list(revision) })) }),
}

const LISTINGS: Readonly<Record<string, Schema>> = {
  Listing: object({
    total_rows: nullable(natural()),
    offset: nullable(natural()),
    'update_seq?': nullable(sequence),
    rows: list(
      either(
        object({
          id: string(),
          key: anything(),
          value: object({ rev: revision, 'deleted?': oneOf([true]) }),
          'doc?': nullable(ref('Document')),
        }),
        object({ key: anything(), error: oneOf(['not_found']) }),
      ),
    ),
  }),
  Listings: object({ results: list(ref('Listing')) }),
  ViewRows: object({
    'total_rows?': natural(),
    'offset?': nullable(natural()),
    'update_seq?': nullable(sequence),
    rows: list(
      object({ 'id?': string(), key: anything(), value: anything(), 'doc?': nullable(ref('Document')) }),
    ),
  }),
  ViewsRows: object({ results: list(ref('ViewRows')) }),
  ListingBody: openObject({ 'keys?': list(anything()) }, 'Parameters of the query string may stand here.'),
  Queries: openObject(
    { queries: list(map(anything())) },
    'Each query has the parameters of the query string.',
  ),
  Changes: object({
    results: list(ref('Change')),
    last_seq: sequence,
    'pending?': natural('How many changes are left.'),
  }),
  Change: object({
    seq: nullable(sequence),
    id: string(),
    changes: list(object({ rev: revision })),
    'deleted?': oneOf([true]),
    'doc?': nullable(ref('Document')),
  }),
  ChangesBody: openObject({ 'doc_ids?': list(string()), 'selector?': selector, 'fields?': list(string()) }),
  DatabaseEvents: object({
    results: list(
      object({ db_name: string(), type: oneOf(['created', 'updated', 'deleted']), seq: sequence }),
    ),
    last_seq: sequence,
  }),
}

const DATABASES: Readonly<Record<string, Schema>> = {
  DatabaseInfo: object({
    instance_start_time: string(),
    db_name: string(),
    purge_seq: sequence,
    update_seq: sequence,
    sizes: ref('Sizes'),
    props: object({ 'partitioned?': oneOf([true]) }),
    doc_del_count: natural(),
    doc_count: natural(),
    disk_format_version: natural(),
    compact_running: boolean(),
    cluster: object(copies),
  }),
  Sizes: object({
    file: natural('Bytes of the file.'),
    external: natural('Bytes of documents, without what is stored around them.'),
    active: natural('Bytes of the file that are in use.'),
  }),
  DatabaseNames: list(string()),
  DatabaseInfos: list(
    either(
      object({ key: string(), info: ref('DatabaseInfo') }),
      object({ key: anything(), error: oneOf(['not_found']) }),
    ),
  ),
  DatabaseKeys: openObject({ keys: list(string()) }),
  Security: openObject(
    { 'admins?': names, 'members?': names },
    'Who may what. Without a name or a role in `members` the database is open to everybody.',
  ),
  PartitionInfo: object({
    db_name: string(),
    sizes: object({ active: natural(), external: natural() }),
    partition: string(),
    doc_count: natural(),
    doc_del_count: natural(),
  }),
  Compaction: object({
    ok: oneOf([true]),
    'dry_run?': oneOf([true]),
    'sizes?': object({ file: natural(), after: natural(), freed: natural() }),
  }),
  Limit: natural(),
  Shards: object({ shards: map(list(string()), 'Nodes by range of hashes.') }),
  ShardOfDocument: object({ range: string(), nodes: list(string()) }),
  FullCommit: object({ ok: oneOf([true]), instance_start_time: string() }),
}

const MANGO: Readonly<Record<string, Schema>> = {
  Query: object({
    selector,
    'use_index?': either(string(), list(string()), { type: 'null' }),
    'bookmark?': nullable(string()),
    'limit?': natural(),
    'skip?': natural(),
    'sort?': sort,
    'fields?': either(list(string()), oneOf(['all_fields'])),
    'partition?': string(),
    'r?': integer(undefined, { minimum: 1 }),
    'conflicts?': boolean(),
    'stale?': either(string(), boolean()),
    'update?': boolean(),
    'stable?': boolean(),
    'execution_stats?': boolean(),
    'allow_fallback?': boolean(),
    'count?': boolean('How many documents there are, in the place of the documents.'),
    'aggregate?': map(anything(), 'Figures of the documents, in their place: docs/MANGO.md.'),
  }),
  QueryResult: openObject({
    'docs?': list(ref('Document')),
    'count?': natural(),
    'bookmark?': string(),
    'warning?': string(),
    'execution_stats?': object({
      total_keys_examined: natural(),
      total_docs_examined: natural(),
      total_quorum_docs_examined: natural(),
      results_returned: natural(),
      execution_time_ms: number(),
    }),
  }),
  Explanation: openObject({
    dbname: string(),
    index: nullable(ref('Index')),
    partitioned: boolean(),
    selector,
    opts: map(anything()),
    limit: natural(),
    skip: natural(),
    fields: list(string()),
    index_candidates: list(
      object({
        index: ref('Index'),
        analysis: object({
          usable: boolean(),
          reasons: list(object({ name: string() })),
          ranking: integer(),
          covering: nullable(boolean()),
        }),
      }),
    ),
    selector_hints: list(map(anything())),
  }),
  Index: object({
    ddoc: nullable(string()),
    name: string(),
    type: oneOf(['special', 'json']),
    'partitioned?': boolean(),
    def: openObject({ fields: list(map(oneOf(['asc', 'desc']))) }),
  }),
  Indexes: object({ total_rows: natural(), indexes: list(ref('Index')) }),
  WantedIndex: object({
    index: object({ fields: sort, 'partial_filter_selector?': selector }),
    'type?': oneOf(['json']),
    'ddoc?': string(),
    'name?': string(),
    'w?': integer(undefined, { minimum: 1 }),
    'partitioned?': boolean(),
  }),
  MadeIndex: object({ result: oneOf(['created', 'exists']), id: string(), name: string() }),
  DesignNames: object({ docids: list(string()), 'w?': integer(undefined, { minimum: 1 }) }),
  DeletedIndexes: object({
    success: list(object({ id: string(), ok: oneOf([true]) })),
    fail: list(object({ id: string(), error })),
  }),
  DesignInfo: object({
    name: string(),
    view_index: object({
      updates_pending: object({ minimum: natural(), preferred: natural(), total: natural() }),
      waiting_commit: boolean(),
      waiting_clients: natural(),
      updater_running: boolean(),
      update_seq: natural(),
      sizes: ref('Sizes'),
      signature: string(),
      purge_seq: natural(),
      language: string(),
      compact_running: boolean(),
      collator_versions: list(string()),
    }),
  }),
}

const jobs = { total_rows: natural(), offset: natural() }

const SERVER: Readonly<Record<string, Schema>> = {
  Ok: object({ ok: oneOf([true]) }),
  Error: object(
    { error, reason, 'ref?': natural('A number that stands in the log with the details.') },
    'What every error is answered with.',
  ),
  Welcome: object({
    couchdb: oneOf(['Welcome']),
    version: string('The version of CouchDB whose API this is.'),
    'git_sha?': string(),
    uuid: string(),
    'features?': list(string()),
    vendor: object({ name: string(), version: string() }),
  }),
  Up: object({ status: oneOf(['ok']), seeds: map(anything()) }),
  Down: object({ status: oneOf(['maintenance_mode', 'nolb']) }),
  FileMap: openObject({
    commit: integer(),
    fileBytes: integer(),
    bucketBytes: integer(),
    kinds: list(openObject({ part: string(), family: string(), title: string() })),
    totals: list(integer()),
    buckets: list(list(integer())),
  }),
  Uuids: object({ uuids: list(string()) }),
  Session: object({
    ok: oneOf([true]),
    userCtx: object({ name: nullable(string()), roles: list(string()) }),
    info: object({ authentication_handlers: list(string()), 'authenticated?': string() }),
  }),
  Credentials: openObject({ 'name?': string(), 'username?': string(), password: string() }),
  SignedIn: object({ ok: oneOf([true]), name: nullable(string()), roles: list(string()) }),
  Replication: openObject({
    'source?': ref('ReplicationEnd'),
    'target?': ref('ReplicationEnd'),
    'continuous?': boolean(),
    'create_target?': boolean(),
    'create_target_params?': map(anything()),
    'doc_ids?': nullable(list(string())),
    'selector?': selector,
    'filter?': string(),
    'query_params?': map(anything()),
    'since_seq?': anything(),
    'cancel?': boolean('Ends the replication that is meant.'),
    'id?': string('Of the replication that is to be ended.'),
  }),
  ReplicationEnd: either(
    string('The name of a database, or a URL.'),
    openObject({ url: string(), 'headers?': map(string()), 'auth?': map(anything()) }),
  ),
  ReplicationResult: openObject({ ok: either(boolean(), oneOf(['stopped'])), '_local_id?': string() }),
  Jobs: object({ ...jobs, jobs: list(ref('Job')) }),
  Job: openObject({
    database: nullable(string()),
    id: string(),
    pid: nullable(string()),
    source: string(),
    target: string(),
    user: nullable(string()),
    doc_id: nullable(string()),
    info: nullable(map(anything())),
    history: list(openObject({ timestamp: when, type: string() })),
    node: string(),
    start_time: when,
  }),
  ReplicationDocuments: object({ ...jobs, docs: list(ref('ReplicationDocument')) }),
  ReplicationDocument: openObject({
    database: string(),
    doc_id: string(),
    id: nullable(string()),
    node: string(),
    state: string(),
    info: nullable(map(anything())),
    error_count: natural(),
    last_updated: when,
    start_time: when,
  }),
  Tasks: list(ref('Task')),
  Task: openObject({
    node: string(),
    pid: string(),
    type: string(),
    task: string(),
    database: nullable(string()),
    status: string(),
    phase: string(),
    progress: number(),
    changes_done: natural(),
    total_changes: natural(),
    started_on: natural('Seconds since 1970.'),
    updated_on: natural('Seconds since 1970.'),
    eta_seconds: nullable(number()),
    bytes_done: natural(),
    bytes_to_do: natural(),
  }),
  Membership: object({ all_nodes: list(string()), cluster_nodes: list(string()) }),
  NodeOrWelcome: either(object({ name: string() }), ref('Welcome')),
  Statistics: nullable(map(anything(), 'A figure, or figures by their names.')),
  System: openObject({ uptime: natural('Seconds.'), memory: map(natural()) }),
  Versions: openObject({ javascript_engine: object({ name: string(), version: string() }) }),
  Smoosh: object({ channels: map(object({ active: natural(), waiting: natural(), starting: natural() })) }),
  Configuration: map(ref('Section')),
  Section: map(string()),
  Text: string(),
  ClusterState: object({ state: oneOf(['single_node_enabled', 'single_node_disabled']) }),
  ClusterAction: openObject({
    action: oneOf([
      'enable_single_node',
      'finish_cluster',
      'enable_cluster',
      'add_node',
      'remove_node',
      'receive_cookie',
    ]),
    'username?': string(),
    'password?': string(),
    'bind_address?': string(),
    'port?': either(integer(), string()),
    'ensure_dbs_exist?': list(string()),
  }),
  Resharding: object({
    state: oneOf(['running', 'stopped']),
    state_reason: nullable(string()),
    completed: natural(),
    failed: natural(),
    running: natural(),
    stopped: natural(),
    total: natural(),
  }),
  ReshardingState: object({ state: oneOf(['running', 'stopped']), reason: nullable(string()) }),
  WantedReshardingState: openObject({ state: oneOf(['running', 'stopped']), 'reason?': string() }),
  ReshardingJobs: object({ ...jobs, jobs: { type: 'array', maxItems: 0 } }),
  WantedReshardingJob: openObject({
    type: oneOf(['split']),
    'db?': string(),
    'shard?': string(),
    'node?': string(),
    'range?': string(),
  }),
  OpenApi: openObject({ openapi: string(), info: map(anything()), paths: map(anything()) }),
}

export const SCHEMAS: Readonly<Record<string, Schema>> = {
  ...DOCUMENTS,
  ...LISTINGS,
  ...DATABASES,
  ...MANGO,
  ...SERVER,
}
