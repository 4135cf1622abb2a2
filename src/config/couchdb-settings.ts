/**
 * Sections and keys of CouchDB 3.5's `default.ini` that this server does not honour. Obeying a configuration
 * in part could leave something open that its author believes closed, so each is refused by name.
 * `*` stands for every key of the section.
 */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  chttpd:
    'buffer_response bulk_get_use_batches config_whitelist decompression_limit ' +
    'server_options socket_options update_lru_on_read',
  chttpd_auth:
    'auth_cache_size max_iterations min_iterations password_scheme require_valid_user users_db_public',
  chttpd_auth_cache: '*',
  cluster: '*',
  compaction_daemon: '*',
  compactions: '*',
  couch_auth_cache: '*',
  couch_httpd_auth: '*',
  couch_peruser: 'cluster_quiet_period cluster_start_period q_default',
  couch_scanner: '*',
  couchdb:
    'attachment_stream_buffer_size btree_chunk_size changes_doc_ids_optimization_threshold default_engine ' +
    'delayed_commits enable_database_recovery ' +
    'max_database_name_length ' +
    'plugin_dir stem_interactive_updates ' +
    'update_lru_on_read uri_file util_driver_dir view_index_dir',
  couchdb_engines: '*',
  daemons: '*',
  database_compaction: '*',
  ddoc_cache: '*',
  dreyfus: '*',
  fabric: '*',
  feature_flags: '*',
  global_changes: '*',
  httpd: '*',
  ioq: '*',
  'ioq.bypass': '*',
  ken: 'batch_channels batch_size incremental_channels max_incremental_updates prune_interval',
  'ken.ignore': '*',
  log: 'include_sasl stacktrace_depth syslog_appid syslog_enterprise syslog_facility syslog_host syslog_port write_buffer write_delay',
  mango: 'index_all_disabled',
  mem3: '*',
  native_query_servers: '*',
  nouveau: '*',
  os_daemons: '*',
  prometheus: 'interval',
  proxy_auth: '*',
  purge: 'index_lag_warn_seconds max_document_id_number',
  query_server_config:
    'commit_freq db_tag group_info_timeout os_process_idle_limit os_process_limit os_process_soft_limit',
  query_servers: '*',
  replicator:
    'auth_plugins cacert_reload_interval_hours cert_file cluster_quiet_period cluster_start_period ' +
    'key_file max_acceptors missing_doc_retry_msec password request_timeout ' +
    'session_refresh_interval_sec socket_options ssl_certificate_max_depth ' +
    'valid_endpoint_protocols valid_endpoint_protocols_log valid_proxy_protocols ' +
    'valid_socket_options verify_ssl_certificates_log',
  reshard: '*',
  rexi: '*',
  smoosh: '*',
  ssl: 'ecc_curves secure_renegotiate ssl_certificate_max_depth verify_fun',
  vendor: '*',
  view_compaction: '*',
}

/** Whether CouchDB would know this key and this server does not. */
export function isUnsupportedCouchSetting(section: string, key: string): boolean {
  const keys = Object.hasOwn(UNSUPPORTED, section) ? UNSUPPORTED[section] : undefined
  return keys === '*' || (keys?.split(' ').includes(key) ?? false)
}
