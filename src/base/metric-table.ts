/**
 * Every figure that the server keeps of itself, by the keys, types and descriptions of CouchDB 3.5's `_stats`. Those of
 * what this server has not (view servers, search, a cluster) stay at 0, which is what they count: clients and dashboards
 * ask for them by name.
 */

export type MetricKind = 'counter' | 'gauge' | 'histogram'

export interface Metric {
  /** The members that lead to it in `_stats`. */
  readonly path: readonly string[]
  readonly kind: MetricKind
  /** Of what it counts. */
  readonly unit: string
  readonly description: string
}

type Row = readonly [kind: MetricKind, unit: string, description: string]

function counter(unit: string, description: string): Row {
  return ['counter', unit, description]
}

function gauge(unit: string, description: string): Row {
  return ['gauge', unit, description]
}

function histogram(unit: string, description: string): Row {
  return ['histogram', unit, description]
}

const REQUESTS = 'requests'
const DOCUMENTS = 'documents'
const MILLISECONDS = 'milliseconds'
const MICROSECONDS = 'microseconds'

function response(status: string): Row {
  return counter('responses', `number of HTTP ${status}`)
}

function requestsOf(method: string): Row {
  return counter(REQUESTS, `number of HTTP ${method} requests`)
}

function messages(level: string): Row {
  return counter('messages', `number of logged ${level} messages`)
}

function queryTime(what: string): Row {
  return counter(MICROSECONDS, `accumulated number of microseconds spent ${what}`)
}

/** By path, with dots between its members. */
const ROWS = {
  'couchdb.auth_cache_hits': counter('look-ups', 'number of authentication cache hits'),
  'couchdb.auth_cache_misses': counter('look-ups', 'number of authentication cache misses'),
  'couchdb.bt_engine_cache.hits': counter('look-ups', 'number of bt_engine cache hits'),
  'couchdb.bt_engine_cache.misses': counter('look-ups', 'number of bt_engine cache misses'),
  'couchdb.bt_engine_cache.full': counter('pages', 'number of times bt_engine cache was full'),
  'couchdb.coalesced_updates.interactive': counter('updates', 'number of coalesced interactive updates'),
  'couchdb.coalesced_updates.replicated': counter('updates', 'number of coalesced replicated updates'),
  'couchdb.collect_results_time': histogram(
    MICROSECONDS,
    'microsecond latency for calls to couch_db:collect_results/3',
  ),
  'couchdb.commits': counter('commits', 'number of commits performed'),
  'couchdb.couch_server.lru_skip': counter('operations', 'number of couch_server LRU operations skipped'),
  'couchdb.database_purges': counter('purges', 'number of times a database was purged'),
  'couchdb.database_reads': counter(DOCUMENTS, 'number of times a document was read from a database'),
  'couchdb.database_writes': counter('changes', 'number of times a database was changed'),
  'couchdb.db_open_time': histogram(MILLISECONDS, 'milliseconds required to open a database'),
  'couchdb.dbinfo': histogram(MILLISECONDS, 'distribution of latencies for calls to retrieve DB info'),
  'couchdb.document_inserts': counter(DOCUMENTS, 'number of documents inserted'),
  'couchdb.document_purges.failure': counter('revisions', 'number of failed document purge operations'),
  'couchdb.document_purges.success': counter('revisions', 'number of successful document purge operations'),
  'couchdb.document_purges.total': counter('revisions', 'number of total document purge operations'),
  'couchdb.document_writes': counter(DOCUMENTS, 'number of document write operations'),
  'couchdb.httpd.abandoned_streaming_requests': counter(REQUESTS, 'number of abandoned streaming requests'),
  'couchdb.httpd.aborted_requests': counter(REQUESTS, 'number of aborted requests'),
  'couchdb.httpd.all_docs_timeouts': counter(REQUESTS, 'number of HTTP all_docs timeouts'),
  'couchdb.httpd.bulk_docs': histogram(
    DOCUMENTS,
    'distribution of the number of docs in _bulk_docs requests',
  ),
  'couchdb.httpd.bulk_requests': counter(REQUESTS, 'number of bulk requests'),
  'couchdb.httpd.clients_requesting_changes': counter('clients', 'number of clients for continuous _changes'),
  'couchdb.httpd.explain_timeouts': counter(REQUESTS, 'number of HTTP _explain timeouts'),
  'couchdb.httpd.find_timeouts': counter(REQUESTS, 'number of HTTP find timeouts'),
  'couchdb.httpd.partition_all_docs_requests': counter(
    REQUESTS,
    'number of partition HTTP _all_docs requests',
  ),
  'couchdb.httpd.partition_all_docs_timeouts': counter(
    REQUESTS,
    'number of partition HTTP all_docs timeouts',
  ),
  'couchdb.httpd.partition_explain_requests': counter(REQUESTS, 'number of partition HTTP _explain requests'),
  'couchdb.httpd.partition_explain_timeouts': counter(REQUESTS, 'number of partition HTTP _explain timeouts'),
  'couchdb.httpd.partition_find_requests': counter(REQUESTS, 'number of partition HTTP _find requests'),
  'couchdb.httpd.partition_find_timeouts': counter(REQUESTS, 'number of partition HTTP find timeouts'),
  'couchdb.httpd.partition_view_requests': counter(REQUESTS, 'number of partition HTTP view requests'),
  'couchdb.httpd.partition_view_timeouts': counter(REQUESTS, 'number of partition HTTP view timeouts'),
  'couchdb.httpd.purge_requests': counter(REQUESTS, 'number of purge requests'),
  'couchdb.httpd.requests': counter(REQUESTS, 'number of HTTP requests'),
  'couchdb.httpd.temporary_view_reads': counter(REQUESTS, 'number of temporary view reads'),
  'couchdb.httpd.view_reads': counter(REQUESTS, 'number of view reads'),
  'couchdb.httpd.view_timeouts': counter(REQUESTS, 'number of HTTP view timeouts'),
  'couchdb.httpd_request_methods.COPY': requestsOf('COPY'),
  'couchdb.httpd_request_methods.DELETE': requestsOf('DELETE'),
  'couchdb.httpd_request_methods.GET': requestsOf('GET'),
  'couchdb.httpd_request_methods.HEAD': requestsOf('HEAD'),
  'couchdb.httpd_request_methods.OPTIONS': requestsOf('OPTIONS'),
  'couchdb.httpd_request_methods.POST': requestsOf('POST'),
  'couchdb.httpd_request_methods.PUT': requestsOf('PUT'),
  'couchdb.httpd_status_codes.200': response('200 OK responses'),
  'couchdb.httpd_status_codes.201': response('201 Created responses'),
  'couchdb.httpd_status_codes.202': response('202 Accepted responses'),
  'couchdb.httpd_status_codes.204': response('204 No Content responses'),
  'couchdb.httpd_status_codes.206': response('206 Partial Content'),
  'couchdb.httpd_status_codes.301': response('301 Moved Permanently responses'),
  'couchdb.httpd_status_codes.302': response('302 Found responses'),
  'couchdb.httpd_status_codes.304': response('304 Not Modified responses'),
  'couchdb.httpd_status_codes.400': response('400 Bad Request responses'),
  'couchdb.httpd_status_codes.401': response('401 Unauthorized responses'),
  'couchdb.httpd_status_codes.403': response('403 Forbidden responses'),
  'couchdb.httpd_status_codes.404': response('404 Not Found responses'),
  'couchdb.httpd_status_codes.405': response('405 Method Not Allowed responses'),
  'couchdb.httpd_status_codes.406': response('406 Not Acceptable responses'),
  'couchdb.httpd_status_codes.409': response('409 Conflict responses'),
  'couchdb.httpd_status_codes.412': response('412 Precondition Failed responses'),
  'couchdb.httpd_status_codes.413': response('413 Request Entity Too Long responses'),
  'couchdb.httpd_status_codes.414': response('414 Request URI Too Long responses'),
  'couchdb.httpd_status_codes.415': response('415 Unsupported Media Type responses'),
  'couchdb.httpd_status_codes.416': response('416 Requested Range Not Satisfiable responses'),
  'couchdb.httpd_status_codes.417': response('417 Expectation Failed responses'),
  'couchdb.httpd_status_codes.500': response('500 Internal Server Error responses'),
  'couchdb.httpd_status_codes.501': response('501 Not Implemented responses'),
  'couchdb.httpd_status_codes.503': response('503 Service unavailable responses'),
  'couchdb.httpd_status_codes.507': response('507 Insufficient Storage responses'),
  'couchdb.io_queue.search': counter(REQUESTS, 'Search IO directly triggered by client requests'),
  'couchdb.io_queue2.search.count': counter(REQUESTS, 'Search IO directly triggered by client requests'),
  'couchdb.legacy_checksums': counter(
    'checksums',
    'number of legacy checksums found in couch_file instances',
  ),
  'couchdb.local_document_writes': counter(DOCUMENTS, 'number of _local document write operations'),
  'couchdb.mrview.emits': counter(
    'calls',
    "number of invocations of `emit' in map functions in the view server",
  ),
  'couchdb.mrview.map_doc': counter(DOCUMENTS, 'number of documents mapped in the view server'),
  'couchdb.open_databases': counter('databases', 'number of open databases'),
  'couchdb.open_os_files': counter('files', 'number of file descriptors CouchDB has open'),
  'couchdb.password_hashing_fast': counter('hashes', 'number of fast password hashing operations'),
  'couchdb.password_hashing_slow': counter('hashes', 'number of slow password hashing operations'),
  'couchdb.query_server.acquired_processes': counter('processes', 'number of acquired external processes'),
  'couchdb.query_server.calls.add_fun': counter('calls', 'number of add_fun requests'),
  'couchdb.query_server.calls.ddoc_filter': counter('calls', 'number of filter requests'),
  'couchdb.query_server.calls.ddoc_new': counter('calls', 'number of ddoc new requests'),
  'couchdb.query_server.calls.ddoc_other': counter('calls', 'number of other ddoc requests'),
  'couchdb.query_server.calls.ddoc_vdu': counter('calls', 'number of vdu requests'),
  'couchdb.query_server.calls.map': counter('calls', 'number of map_doc requests'),
  'couchdb.query_server.calls.other': counter('calls', 'number of other requests'),
  'couchdb.query_server.calls.reduce': counter('calls', 'number of reduce requests'),
  'couchdb.query_server.calls.reset': counter('calls', 'number of reset requests'),
  'couchdb.query_server.calls.spawn_proc': counter('calls', 'number of spawned query processes'),
  'couchdb.query_server.process_error_exits': counter('processes', 'number of error OS process exits'),
  'couchdb.query_server.process_errors': counter('errors', 'number of OS process errors'),
  'couchdb.query_server.process_exits': counter('processes', 'number of normal OS process exits'),
  'couchdb.query_server.process_prompts': counter('prompts', 'number of successful OS process prompts'),
  'couchdb.query_server.process_starts': counter('processes', 'number of OS process starts'),
  'couchdb.query_server.time.add_fun': queryTime('processing add_fun requests'),
  'couchdb.query_server.time.ddoc_filter': queryTime('processing filter requests'),
  'couchdb.query_server.time.ddoc_new': queryTime('processing ddoc new requests'),
  'couchdb.query_server.time.ddoc_other': queryTime('processing other ddoc requests'),
  'couchdb.query_server.time.ddoc_vdu': queryTime('processing vdu requests'),
  'couchdb.query_server.time.map': queryTime('processing map_doc requests'),
  'couchdb.query_server.time.other': queryTime('processing other requests'),
  'couchdb.query_server.time.reduce': queryTime('processing reduce requests'),
  'couchdb.query_server.time.reset': queryTime('processing reset requests'),
  'couchdb.query_server.time.spawn_proc': queryTime('spawning os query processes'),
  'couchdb.query_server.vdu_process_time': histogram(
    MILLISECONDS,
    'duration of validate_doc_update function calls',
  ),
  'couchdb.query_server.vdu_rejects': counter(
    'rejections',
    'number of rejections by validate_doc_update function',
  ),
  'couchdb.request_time': histogram(MILLISECONDS, 'length of a request inside CouchDB without MochiWeb'),
  'couch_log.level.alert': messages('alert'),
  'couch_log.level.critical': messages('critical'),
  'couch_log.level.debug': messages('debug'),
  'couch_log.level.emergency': messages('emergency'),
  'couch_log.level.error': messages('error'),
  'couch_log.level.info': messages('info'),
  'couch_log.level.notice': messages('notice'),
  'couch_log.level.warning': messages('warning'),
  'couch_replicator.changes_manager_deaths': counter(
    'processes',
    'number of failed replicator changes managers',
  ),
  'couch_replicator.changes_queue_deaths': counter(
    'processes',
    'number of failed replicator changes work queues',
  ),
  'couch_replicator.changes_read_failures': counter(
    'failures',
    'number of failed replicator changes read failures',
  ),
  'couch_replicator.changes_reader_deaths': counter(
    'processes',
    'number of failed replicator changes readers',
  ),
  'couch_replicator.checkpoints.failure': counter('checkpoints', 'number of failed checkpoint saves'),
  'couch_replicator.checkpoints.success': counter('checkpoints', 'number of checkpoints successfully saves'),
  'couch_replicator.connection.acquires': counter('connections', 'number of times connections are shared'),
  'couch_replicator.connection.closes': counter(
    'connections',
    'number of times a worker is gracefully shut down',
  ),
  'couch_replicator.connection.creates': counter('connections', 'number of connections created'),
  'couch_replicator.connection.owner_crashes': counter(
    'crashes',
    'number of times a connection owner crashes while owning at least one connection',
  ),
  'couch_replicator.connection.releases': counter(
    'connections',
    'number of times ownership of a connection is released',
  ),
  'couch_replicator.connection.worker_crashes': counter(
    'crashes',
    'number of times a worker unexpectedly terminates',
  ),
  'couch_replicator.db_scans': counter('scans', 'number of times replicator db scans have been started'),
  'couch_replicator.docs.completed_state_updates': counter(
    DOCUMENTS,
    "number of 'completed' state document updates",
  ),
  'couch_replicator.docs.db_changes': counter(
    'changes',
    'number of db changes processed by replicator doc processor',
  ),
  'couch_replicator.docs.dbs_deleted': counter(
    'databases',
    'number of db shard deletions seen by replicator doc processor',
  ),
  'couch_replicator.docs.dbs_found': counter(
    'databases',
    'number of db shard found by replicator doc processor',
  ),
  'couch_replicator.docs.failed_state_updates': counter(
    DOCUMENTS,
    "number of 'failed' state document updates",
  ),
  'couch_replicator.failed_starts': counter(
    'replications',
    'number of replications that have failed to start',
  ),
  'couch_replicator.jobs.adds': counter('jobs', 'number of jobs added to replicator scheduler'),
  'couch_replicator.jobs.crashed': gauge('jobs', 'replicator scheduler crashed jobs'),
  'couch_replicator.jobs.crashes': counter('jobs', 'number of job crashed noticed by replicator scheduler'),
  'couch_replicator.jobs.duplicate_adds': counter(
    'jobs',
    'number of duplicate jobs added to replicator scheduler',
  ),
  'couch_replicator.jobs.pending': gauge('jobs', 'replicator scheduler pending jobs'),
  'couch_replicator.jobs.removes': counter('jobs', 'number of jobs removed from replicator scheduler'),
  'couch_replicator.jobs.running': gauge('jobs', 'replicator scheduler running jobs'),
  'couch_replicator.jobs.starts': counter('jobs', 'number of jobs started by replicator scheduler'),
  'couch_replicator.jobs.stops': counter('jobs', 'number of jobs stopped by replicator scheduler'),
  'couch_replicator.jobs.total': gauge('jobs', 'total number of replicator scheduler jobs'),
  'couch_replicator.requests': counter(REQUESTS, 'number of HTTP requests made by the replicator'),
  'couch_replicator.responses.failure': counter(
    'responses',
    'number of failed HTTP responses received by the replicator',
  ),
  'couch_replicator.responses.success': counter(
    'responses',
    'number of successful HTTP responses received by the replicator',
  ),
  'couch_replicator.stream_responses.failure': counter(
    'responses',
    'number of failed streaming HTTP responses received by the replicator',
  ),
  'couch_replicator.stream_responses.success': counter(
    'responses',
    'number of successful streaming HTTP responses received by the replicator',
  ),
  'couch_replicator.worker_deaths': counter('workers', 'number of failed replicator workers'),
  'couch_replicator.workers_started': counter('workers', 'number of replicator workers started'),
  'ddoc_cache.hit': counter('look-ups', 'number of design doc cache hits'),
  'ddoc_cache.miss': counter('look-ups', 'number of design doc cache misses'),
  'ddoc_cache.recovery': counter('look-ups', 'number of design doc cache recoveries'),
  'dreyfus.httpd.search': histogram(
    MILLISECONDS,
    'Distribution of overall search request latency as experienced by the end user',
  ),
  'dreyfus.index.await': histogram(MILLISECONDS, 'length of an dreyfus_index await request'),
  'dreyfus.index.group1': histogram(MILLISECONDS, 'length of an dreyfus_index group1 request'),
  'dreyfus.index.group2': histogram(MILLISECONDS, 'length of an dreyfus_index group2 request'),
  'dreyfus.index.info': histogram(MILLISECONDS, 'length of an dreyfus_index info request'),
  'dreyfus.index.search': histogram(MILLISECONDS, 'length of an dreyfus_index search request'),
  'dreyfus.rpc.group1': histogram(MILLISECONDS, 'length of a group1 RPC worker'),
  'dreyfus.rpc.group2': histogram(MILLISECONDS, 'length of a group2 RPC worker'),
  'dreyfus.rpc.info': histogram(MILLISECONDS, 'length of an info RPC worker'),
  'dreyfus.rpc.search': histogram(MILLISECONDS, 'length of a search RPC worker'),
  'fabric.doc_update.errors': counter('errors', 'number of document update errors'),
  'fabric.doc_update.mismatched_errors': counter(
    'errors',
    'number of document update errors with multiple error types',
  ),
  'fabric.doc_update.write_quorum_errors': counter('errors', 'number of write quorum errors'),
  'fabric.open_shard.timeouts': counter('timeouts', 'number of open shard timeouts'),
  'fabric.read_repairs.failure': counter('repairs', 'number of failed read repair operations'),
  'fabric.read_repairs.success': counter('repairs', 'number of successful read repair operations'),
  'fabric.worker.timeouts': counter('timeouts', 'number of worker timeouts'),
  'fsync.count': counter('calls', 'number of fsync calls'),
  'fsync.time': histogram(MICROSECONDS, 'microseconds to call fsync'),
  'global_changes.db_writes': counter('writes', 'number of db writes performed by global changes'),
  'global_changes.event_doc_conflict': counter(
    'conflicts',
    'number of conflicted event docs encountered by global changes',
  ),
  'global_changes.listener_pending_updates': gauge(
    'updates',
    'number of global changes updates pending writes in global_changes_listener',
  ),
  'global_changes.rpcs': counter('calls', 'number of rpc operations performed by global_changes'),
  'global_changes.server_pending_updates': gauge(
    'updates',
    'number of global changes updates pending writes in global_changes_server',
  ),
  'mango.docs_examined': counter(
    DOCUMENTS,
    'number of documents examined by mango queries coordinated by this node',
  ),
  'mango.evaluate_selector': counter('evaluations', 'number of mango selector evaluations'),
  'mango.keys_examined': counter('keys', 'number of keys examined by mango queries coordinated by this node'),
  'mango.query_invalid_index': counter(
    'queries',
    'number of mango queries that generated an invalid index warning',
  ),
  'mango.query_time': histogram(MILLISECONDS, 'length of time processing a mango query'),
  'mango.quorum_docs_examined': counter(
    DOCUMENTS,
    'number of documents examined by mango queries, using cluster quorum',
  ),
  'mango.results_returned': counter('rows', 'number of rows returned by mango queries'),
  'mango.too_many_docs_scanned': counter(
    'queries',
    'number of mango queries that generated an index scan warning',
  ),
  'mango.unindexed_queries': counter('queries', 'number of mango queries that could not use an index'),
  'mem3.shard_cache.eviction': counter('evictions', 'number of shard cache evictions'),
  'mem3.shard_cache.hit': counter('look-ups', 'number of shard cache hits'),
  'mem3.shard_cache.miss': counter('look-ups', 'number of shard cache misses'),
  'nouveau.active_searches': counter('searches', 'number of active search requests'),
  'nouveau.connection_closed_errors': counter('errors', 'number of connection closed errors'),
  'nouveau.search_latency': histogram(
    MILLISECONDS,
    'Distribution of overall search request latency as experienced by the end user',
  ),
  'nouveau.update_latency': histogram(
    MILLISECONDS,
    'Distribution of time during search waiting for the index to be updated',
  ),
  'pread.exceed_eof': counter('reads', 'number of the attempts to read beyond end of db file'),
  'pread.exceed_limit': counter('reads', 'number of the attempts to read beyond set limit'),
  'rexi.buffered': counter('messages', 'number of rexi messages buffered'),
  'rexi.down': counter('messages', 'number of rexi_DOWN messages handled'),
  'rexi.dropped': counter('messages', 'number of rexi messages dropped from buffers'),
  'rexi.streams.timeout.init_stream': counter('timeouts', 'number of rexi stream initialization timeouts'),
  'rexi.streams.timeout.stream': counter('timeouts', 'number of rexi stream timeouts'),
  'rexi.streams.timeout.wait_for_ack': counter(
    'timeouts',
    'number of rexi stream timeouts while waiting for acks',
  ),
} as const satisfies Record<string, Row>

export type MetricName = keyof typeof ROWS

export const METRIC_NAMES = Object.keys(ROWS) as readonly MetricName[]

export const METRICS: ReadonlyMap<MetricName, Metric> = new Map(
  METRIC_NAMES.map((name) => {
    const [kind, unit, description] = ROWS[name]
    return [name, { path: name.split('.'), kind, unit, description }]
  }),
)
