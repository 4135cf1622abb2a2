import { crc32 } from 'node:zlib'

/**
 * The one table of errors: every failure that a client can see, with CouchDB's status, error name and
 * reason. A kind's name says what went wrong; several kinds may share one CouchDB name. A thrower may give a
 * more precise reason where CouchDB's reason depends on the request.
 */
export const ERRORS = {
  missing: { status: 404, error: 'not_found', reason: 'missing' },
  deleted: { status: 404, error: 'not_found', reason: 'deleted' },
  noDatabase: { status: 404, error: 'not_found', reason: 'Database does not exist.' },
  noDatabaseFile: { status: 404, error: 'not_found', reason: 'Missing database file!' },
  conflict: { status: 409, error: 'conflict', reason: 'Document update conflict.' },
  badRequest: { status: 400, error: 'bad_request', reason: 'bad request' },
  invalidJson: { status: 400, error: 'bad_request', reason: 'invalid UTF-8 JSON' },
  documentValidation: { status: 400, error: 'doc_validation', reason: 'Bad special document member' },
  illegalDocumentId: { status: 400, error: 'illegal_docid', reason: 'Illegal document id' },
  invalidDesignDocument: {
    status: 400,
    error: 'invalid_design_doc',
    reason: 'The design document is invalid.',
  },
  illegalPartition: { status: 400, error: 'illegal_partition', reason: 'Illegal partition' },
  /** Of a job that no replication can be made of. */
  invalidReplication: {
    status: 400,
    error: 'invalid_replication',
    reason: 'endpoint has an invalid url',
  },
  tooManyReplications: {
    status: 503,
    error: 'service_unavailable',
    reason: 'As many replications run as may.',
  },
  patchFailed: { status: 422, error: 'patch_failed', reason: 'The patch does not fit the document.' },
  /** What is wrong with a selector, a list of fields or another member of a query of Mango; reasons name it. */
  badArgument: { status: 400, error: 'bad_arg', reason: 'Bad argument for an operator' },
  badField: { status: 400, error: 'bad_field', reason: 'Invalid field normalization on selector' },
  invalidOperator: { status: 400, error: 'invalid_operator', reason: 'Invalid operator' },
  invalidSelector: { status: 400, error: 'invalid_selector', reason: 'Invalid selector' },
  invalidSelectorJson: {
    status: 400,
    error: 'invalid_selector_json',
    reason: 'Selector must be a JSON object',
  },
  invalidFieldName: { status: 400, error: 'invalid_field_name', reason: 'Invalid field name' },
  invalidField: { status: 400, error: 'invalid_field', reason: 'Invalid JSON for field spec' },
  invalidFields: { status: 400, error: 'invalid_fields', reason: 'Fields must be an array of strings' },
  unsupportedOperator: { status: 400, error: 'not_supported', reason: 'Unsupported operator' },
  invalidKey: { status: 400, error: 'invalid_key', reason: 'Invalid key for this request.' },
  missingRequiredKey: { status: 400, error: 'missing_required_key', reason: 'Missing required key' },
  invalidString: { status: 400, error: 'invalid_string', reason: 'Invalid string' },
  invalidEmptyString: {
    status: 400,
    error: 'invalid_empty_string',
    reason: 'Index name or ddoc cannot be empty string',
  },
  invalidBoolean: { status: 400, error: 'invalid_boolean', reason: 'Invalid boolean value' },
  invalidPositiveInteger: {
    status: 400,
    error: 'invalid_pos_integer',
    reason: 'It is not an integer greater than zero',
  },
  invalidNonNegativeInteger: {
    status: 400,
    error: 'invalid_non_neg_integer',
    reason: 'It is not an integer greater than or equal to zero',
  },
  invalidQueryOption: { status: 500, error: 'unknown_error', reason: 'Unknown Error' },
  invalidAggregate: { status: 400, error: 'invalid_aggregate', reason: 'Invalid aggregate' },
  invalidBookmark: { status: 400, error: 'invalid_bookmark', reason: 'Invalid bookmark value' },
  invalidSortJson: {
    status: 400,
    error: 'invalid_sort_json',
    reason: 'Sort must be an array of sort specs',
  },
  invalidSortField: { status: 400, error: 'invalid_sort_field', reason: 'Invalid sort field' },
  unsupportedMixedSort: {
    status: 400,
    error: 'unsupported_mixed_sort',
    reason: 'Sorts currently only support a single direction for all fields.',
  },
  noUsableIndex: {
    status: 400,
    error: 'no_usable_index',
    reason: 'No index exists for this sort, try indexing by the sort fields.',
  },
  /** Indexes of Mango. */
  invalidIndex: { status: 400, error: 'invalid_index', reason: 'Invalid index' },
  invalidIndexName: { status: 400, error: 'invalid_index_name', reason: 'Invalid index name' },
  invalidBulkDocs: { status: 400, error: 'invalid_bulk_docs', reason: 'Bulk Delete requires an array.' },
  invalidIndexList: {
    status: 500,
    error: 'invalid_list_index_params',
    reason: 'Index parameter ranges: limit > 1, skip > 0',
  },
  invalidDesignLanguage: {
    status: 400,
    error: 'invalid_ddoc_lang',
    reason: 'Existing design doc has an invalid language',
  },
  invalidPartitionedOption: {
    status: 400,
    error: 'invalid_partitioned_option',
    reason: 'Requested partitioned option does not match existing value on design document',
  },
  indexServiceUnavailable: {
    status: 503,
    error: 'required index service unavailable',
    reason: 'text',
  },
  errorSavingDesign: {
    status: 500,
    error: 'error_saving_ddoc',
    reason: 'Unknown error while saving the design document.',
  },
  selectorTimeout: {
    status: 400,
    error: 'selector_timeout',
    reason: 'The selector takes too much time.',
  },
  notWritten: {
    status: 409,
    error: 'not_written',
    reason: 'Another document of the request was refused.',
  },
  /** Between the parts of a database: an edit has to be checked again. Who meets it is told that only after very many times. */
  checkOutdated: {
    status: 503,
    error: 'service_unavailable',
    reason: 'What documents are checked against changes all the time.',
  },
  /** Of a function of a design document, which names it itself. */
  designFunction: { status: 500, error: 'unknown_error', reason: 'a design function failed' },
  /** Paths of design functions that name none. */
  showError: { status: 404, error: 'show_error', reason: 'Invalid path.' },
  updateError: { status: 404, error: 'update_error', reason: 'Invalid path.' },
  listError: { status: 404, error: 'list_error', reason: 'Invalid path.' },
  rewriteError: { status: 404, error: 'rewrite_error', reason: 'Invalid path.' },
  noView: { status: 404, error: 'not_found', reason: 'missing_named_view' },
  insecureRewrite: {
    status: 500,
    error: 'insecure_rewrite_rule',
    reason: 'too many ../.. segments',
  },
  invalidRewrite: { status: 500, error: 'error', reason: 'invalid_rewrite_target' },
  databaseClosed: { status: 503, error: 'service_unavailable', reason: 'The database is being closed.' },
  databaseExists: {
    status: 412,
    error: 'file_exists',
    reason: 'The database could not be created, the file already exists.',
  },
  illegalDatabaseName: { status: 400, error: 'illegal_database_name', reason: 'illegal database name' },
  databaseNameTooLong: {
    status: 400,
    error: 'database_name_too_long',
    reason: 'At least one path segment of the name is too long.',
  },
  allDatabasesActive: {
    status: 503,
    error: 'all_dbs_active',
    reason: 'As many databases as may be open are in use.',
  },
  shuttingDown: { status: 503, error: 'service_unavailable', reason: 'The server is shutting down.' },
  unauthorized: { status: 401, error: 'unauthorized', reason: 'You are not authorized to access this db.' },
  tooManyHashes: {
    status: 429,
    error: 'too_many_requests',
    reason: 'Too many passwords of this address wait to be checked.',
  },
  hashesBusy: {
    status: 503,
    error: 'service_unavailable',
    reason: 'Too many passwords wait to be checked.',
  },
  mapsBusy: {
    status: 503,
    error: 'service_unavailable',
    reason: 'Too many maps of files wait to be made.',
  },
  forbidden: { status: 403, error: 'forbidden', reason: 'You are not allowed to access this db.' },
  /** Of an edit that would make a full partition longer. */
  partitionOverflow: {
    status: 403,
    error: 'partition_overflow',
    reason: 'Partition limit exceeded due to update',
  },
  methodNotAllowed: { status: 405, error: 'method_not_allowed', reason: 'Only GET,HEAD allowed' },
  badContentType: {
    status: 415,
    error: 'bad_content_type',
    reason: 'Content-Type must be application/json',
  },
  documentTooLarge: { status: 413, error: 'document_too_large', reason: '' },
  attachmentTooLarge: { status: 413, error: 'attachment_too_large', reason: '' },
  requestTooLarge: { status: 413, error: 'too_large', reason: 'the request entity is too large' },
  uriTooLong: { status: 414, error: 'too_long', reason: 'the request uri is too long' },
  tooManyDocuments: { status: 413, error: 'max_bulk_docs_count_exceeded', reason: '' },
  tooManyDocumentsAsked: { status: 413, error: 'max_bulk_get_count_exceeded', reason: '' },
  bodiesHeld: {
    status: 503,
    error: 'service_unavailable',
    reason: 'As much of request bodies as may be in memory is in memory.',
  },
  missingStub: { status: 412, error: 'missing_stub', reason: 'Invalid attachment stub' },
  digestMismatch: { status: 400, error: 'content_md5_mismatch', reason: 'Possible message corruption.' },
  missingRevision: { status: 409, error: 'not_found', reason: 'missing_rev' },
  rangeNotSatisfiable: {
    status: 416,
    error: 'requested_range_not_satisfiable',
    reason: 'Requested range not satisfiable',
  },
  notAcceptable: { status: 406, error: 'not_acceptable', reason: 'unsupported encoding' },
  gone: { status: 410, error: 'gone', reason: 'gone' },
  queryParseError: { status: 400, error: 'query_parse_error', reason: 'Invalid query parameter' },
  serviceUnavailable: { status: 503, error: 'service unavailable', reason: 'service unavailable' },
  /** The client closed the connection before its request was complete; nobody reads the answer. */
  clientGone: { status: 400, error: 'bad_request', reason: 'the request body is incomplete' },
  insufficientStorage: {
    status: 507,
    error: 'insufficient_storage',
    reason: 'The disk has no room for this.',
  },
  notImplemented: { status: 501, error: 'not_implemented', reason: 'this feature is not implemented' },
  storageDamaged: { status: 500, error: 'storage_damaged', reason: 'stored bytes are damaged' },
  storageUnavailable: { status: 503, error: 'storage_unavailable', reason: 'writes are refused' },
  internal: { status: 500, error: 'internal_server_error', reason: 'an internal error happened' },
} as const satisfies Record<string, { status: number; error: string; reason: string }>

export type ErrorKind = keyof typeof ERRORS

/** A failure with its place in the table. */
export class DatabaseError extends Error {
  readonly kind: ErrorKind
  readonly status: number
  /** CouchDB's name of the error. */
  readonly error: string
  readonly reason: string
  /** Headers that the answer must carry. */
  readonly headers: Record<string, string>
  /** A number that stands in the answer and in the log, where CouchDB's workers fail: what was asked can be found by it. */
  reference: number | undefined

  constructor(
    kind: ErrorKind,
    reason?: string,
    options?: ErrorOptions & { headers?: Record<string, string> },
  ) {
    const row = ERRORS[kind]
    super(`${row.error}: ${reason ?? row.reason}`, options)
    this.name = 'DatabaseError'
    this.kind = kind
    this.status = row.status
    this.error = row.error
    this.reason = reason ?? row.reason
    this.headers = options?.headers ?? {}
  }
}

/** The same error, to be found in the log by a number. */
export function referred<T extends DatabaseError>(error: T): T {
  error.reference ??= crc32(error.stack ?? error.message)
  return error
}

/**
 * What the operating system refuses for reasons that are neither the request's nor the program's, by its code. It may be
 * tried again, so the status is 503, and 507 where the room is missing. A code that is not here (EBADF, EINVAL) tells of
 * a defect.
 */
const OPERATING_FAILURES: Readonly<Record<string, { kind: ErrorKind; reason: string }>> = {
  ENOSPC: { kind: 'insufficientStorage', reason: ERRORS.insufficientStorage.reason },
  EDQUOT: { kind: 'insufficientStorage', reason: ERRORS.insufficientStorage.reason },
  EMFILE: unavailable('The server has no file descriptors left (EMFILE).'),
  ENFILE: unavailable('The system has no file descriptors left (ENFILE).'),
  EIO: unavailable('The disk could not be read or written (EIO).'),
  EROFS: unavailable('The file system is read-only (EROFS).'),
  EACCES: unavailable('The server may not access a file of its own (EACCES).'),
  EPERM: unavailable('The server may not change a file of its own (EPERM).'),
  EBUSY: unavailable('A file is in use by the system (EBUSY).'),
  EFBIG: unavailable('The system allows no longer file (EFBIG).'),
  ENOMEM: unavailable('The system has no memory left (ENOMEM).'),
  ENODEV: unavailable('The device is gone (ENODEV).'),
  ENXIO: unavailable('The device is gone (ENXIO).'),
  ESTALE: unavailable('The file is gone from its server (ESTALE).'),
  ELOOP: unavailable('A path has too many links (ELOOP).'),
  EISDIR: unavailable('A folder is where a file should be (EISDIR).'),
  ENOTDIR: unavailable('A file is where a folder should be (ENOTDIR).'),
}

function unavailable(reason: string): { kind: ErrorKind; reason: string } {
  return { kind: 'storageUnavailable', reason }
}

/** Errors are looked for in so many causes of causes. */
const MOST_CAUSES = 10

/** The answer to an error of the operating system, or to one that was caused by such; undefined for any other. */
export function operatingFailureOf(error: unknown): DatabaseError | undefined {
  let at = error
  for (let depth = 0; at instanceof Error && depth < MOST_CAUSES; depth++) {
    const code = 'code' in at ? String(at.code) : ''
    const found = Object.hasOwn(OPERATING_FAILURES, code) ? OPERATING_FAILURES[code] : undefined
    if (found !== undefined) return new DatabaseError(found.kind, found.reason, { cause: error })
    at = at.cause
  }
  return undefined
}
