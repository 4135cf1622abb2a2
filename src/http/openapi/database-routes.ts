import {
  type DescribedPath,
  type Description,
  jsonAnswer,
  jsonBody,
  OK,
  type Operation,
} from './description.ts'
import { viewPaths } from './design-routes.ts'
import { ASKING, CALLING, READING, RECEIVING, SELECTING, STORING, WRITING } from './errors.ts'
import { CHANGES, LISTING, LOCAL_LISTING } from './listing-parameters.ts'
import { feedAnswer } from './server-routes.ts'

/** Databases, and what is in them but single documents. */

function at(path: `/${string}`, operations: DescribedPath['operations']): DescribedPath {
  return { path, operations }
}

function get(summary: string, name: string, more: Partial<Operation> = {}): Operation {
  return { summary, answers: { 200: jsonAnswer(name, 'What was asked for.') }, ...more }
}

function post(summary: string, body: string, name: string, more: Partial<Operation> = {}): Operation {
  return { ...get(summary, name, more), body: jsonBody(body) }
}

const LIST_ERRORS = ['queryParseError', 'invalidJson', 'illegalPartition'] as const

function listing(path: `/${string}`, what: string, parameters = LISTING): DescribedPath {
  const more = { parameters, errors: LIST_ERRORS }
  return at(path, {
    GET: get(`Ids of ${what}`, 'Listing', more),
    POST: post(`Ids of ${what}, asked for in a body`, 'ListingBody', 'Listing', more),
  })
}

function listings(path: `/${string}`, what: string): DescribedPath {
  const more = { parameters: LISTING, errors: LIST_ERRORS }
  return at(path, { POST: post(`Several queries for ids of ${what}`, 'Queries', 'Listings', more) })
}

const FIND: Operation = post('Finds documents by a selector', 'Query', 'QueryResult', {
  parameters: ['partition'],
  errors: [
    ASKING,
    READING,
    'invalidAggregate',
    'invalidBookmark',
    'noUsableIndex',
    'illegalPartition',
    'clientGone',
  ],
})

const EXPLAIN: Operation = {
  ...FIND,
  summary: 'Which index a query would use, and why',
  answers: { 200: jsonAnswer('Explanation', 'The plan.') },
}

const INDEX_ERRORS = [ASKING, WRITING, 'errorSavingDesign'] as const

const INDEXES: DescribedPath[] = [
  at('/{db}/_index', {
    GET: get('Indexes of Mango', 'Indexes', {
      parameters: ['index.limit', 'skip'],
      errors: ['invalidIndexList'],
    }),
    POST: post('Makes an index', 'WantedIndex', 'MadeIndex', {
      errors: [
        ...INDEX_ERRORS,
        'invalidIndex',
        'invalidDesignLanguage',
        'invalidPartitionedOption',
        'indexServiceUnavailable',
      ],
    }),
  }),
  at('/{db}/_index/_bulk_delete', {
    POST: post('Removes the indexes of design documents', 'DesignNames', 'DeletedIndexes', {
      errors: [...INDEX_ERRORS, 'invalidBulkDocs'],
    }),
  }),
  ...(['/{db}/_index/{ddoc}/json/{index}', '/{db}/_index/_design/{ddoc}/json/{index}'] as const).map((path) =>
    at(path, { DELETE: get('Removes an index', 'Ok', { errors: INDEX_ERRORS }) }),
  ),
]

const PARTITION = '/{db}/_partition/{partition}'
const OF_PARTITIONS = ['illegalPartition', 'missing'] as const

const PARTITIONS: DescribedPath[] = [
  at(PARTITION, {
    GET: get('What there is to say of a partition', 'PartitionInfo', { errors: OF_PARTITIONS }),
  }),
  listing(`${PARTITION}/_all_docs`, 'documents of a partition'),
  listings(`${PARTITION}/_all_docs/queries`, 'documents of a partition'),
  at(`${PARTITION}/_find`, { POST: FIND }),
  at(`${PARTITION}/_explain`, { POST: EXPLAIN }),
  ...viewPaths(PARTITION),
]

const CHANGES_GET: Operation = {
  summary: 'Which documents have changed',
  parameters: CHANGES,
  answers: { 200: feedAnswer('Changes', 'Changes, as a whole or as they come.') },
  errors: [CALLING, SELECTING, 'invalidJson'],
}

/** A value that a database remembers. */
function setting(path: `/${string}`, what: string, name: string): DescribedPath {
  return at(path, {
    GET: get(`Reads ${what}`, name),
    PUT: { summary: `Sets ${what}`, body: jsonBody(name), answers: { 200: OK }, errors: [STORING] },
  })
}

const DATABASE_PATH: DescribedPath['operations'] = {
  GET: get('What there is to say of a database', 'DatabaseInfo'),
  PUT: {
    summary: 'Makes a database',
    parameters: ['q', 'n', 'placement', 'partitioned', 'engine'],
    answers: { 201: jsonAnswer('Ok', 'It is made.', ['Location']) },
    errors: [STORING, 'databaseExists', 'databaseNameTooLong', 'notImplemented'],
  },
  DELETE: { summary: 'Deletes a database', answers: { 200: OK }, errors: [STORING] },
  POST: {
    summary: 'Writes a document, whose id the server may choose',
    parameters: ['batch', 'w'],
    body: jsonBody('Document'),
    answers: {
      201: jsonAnswer('Written', 'It is written.', ['Location']),
      202: jsonAnswer('Written', 'It will be written, or is written in fewer copies than were asked for.'),
    },
    errors: [WRITING, RECEIVING],
  },
}

const COMPACT: Operation = {
  summary: 'Makes the file as small as what is in it',
  parameters: ['dry_run'],
  answers: {
    200: jsonAnswer('Compaction', 'What would be.'),
    202: jsonAnswer('Compaction', 'It has begun.'),
  },
  errors: [STORING, 'badContentType'],
}

function absent(path: `/${string}`, what: string): Description {
  const operations = { every: { summary: `${what} is not there`, errors: ['notImplemented'] } } as const
  return { tag: 'absent', paths: [{ path, operations }] }
}

export const DATABASE_ROUTES = {
  database: { tag: 'databases', paths: [at('/{db}', DATABASE_PATH)] },
  'db/_all_docs': { tag: 'bulk', paths: [listing('/{db}/_all_docs', 'documents')] },
  'db/_all_docs/queries': { tag: 'bulk', paths: [listings('/{db}/_all_docs/queries', 'documents')] },
  'db/_design_docs': { tag: 'bulk', paths: [listing('/{db}/_design_docs', 'design documents')] },
  'db/_design_docs/queries': {
    tag: 'bulk',
    paths: [listings('/{db}/_design_docs/queries', 'design documents')],
  },
  'db/_local_docs': { tag: 'bulk', paths: [listing('/{db}/_local_docs', 'local documents', LOCAL_LISTING)] },
  'db/_local_docs/queries': {
    tag: 'bulk',
    paths: [listings('/{db}/_local_docs/queries', 'local documents')],
  },
  'db/_changes': {
    tag: 'changes',
    paths: [
      at('/{db}/_changes', {
        GET: CHANGES_GET,
        POST: { ...CHANGES_GET, body: { ...jsonBody('ChangesBody'), optional: true } },
      }),
    ],
  },
  'db/_partition': { tag: 'bulk', paths: PARTITIONS, refuses: ['PUT', 'DELETE', 'COPY', 'PATCH'] },
  'db/_bulk_get': {
    tag: 'bulk',
    paths: [
      at('/{db}/_bulk_get', {
        POST: post('Reads documents', 'BulkGet', 'BulkGetResults', {
          parameters: ['revs', 'latest', 'attachments', 'att_encoding_info', 'show_exp'],
          errors: ['tooManyDocumentsAsked'],
        }),
      }),
    ],
  },
  'db/_bulk_docs': {
    tag: 'bulk',
    paths: [
      at('/{db}/_bulk_docs', {
        POST: {
          summary: 'Writes documents',
          parameters: ['w'],
          body: jsonBody('BulkDocs'),
          answers: {
            201: jsonAnswer('BulkOutcomes', 'What has become of them.'),
            202: jsonAnswer('BulkOutcomes', 'They are written in fewer copies than were asked for.'),
            400: jsonAnswer('BulkOutcomes', 'With `all_or_nothing`: why nothing was written.'),
            409: jsonAnswer('BulkOutcomes', 'With `all_or_nothing`: why nothing was written.'),
          },
          errors: [WRITING, RECEIVING, 'tooManyDocuments', 'notWritten'],
        },
      }),
    ],
  },
  'db/_revs_diff': {
    tag: 'replication',
    paths: [
      at('/{db}/_revs_diff', {
        POST: post('Which revisions a database has not', 'RevisionsOfDocuments', 'RevsDiff'),
      }),
    ],
  },
  'db/_missing_revs': {
    tag: 'replication',
    paths: [
      at('/{db}/_missing_revs', {
        POST: post('Which revisions a database has not', 'RevisionsOfDocuments', 'MissingRevs'),
      }),
    ],
  },
  'db/_security': {
    tag: 'databases',
    paths: [setting('/{db}/_security', 'who may use the database', 'Security')],
  },
  'db/_revs_limit': {
    tag: 'databases',
    paths: [setting('/{db}/_revs_limit', 'how many revisions are remembered', 'Limit')],
  },
  'db/_purged_infos_limit': {
    tag: 'databases',
    paths: [setting('/{db}/_purged_infos_limit', 'how many purges are remembered', 'Limit')],
  },
  'db/_purged_infos': {
    tag: 'databases',
    paths: [at('/{db}/_purged_infos', { GET: get('Which revisions were purged', 'PurgedInfos') })],
  },
  'db/_purge': {
    tag: 'bulk',
    paths: [
      at('/{db}/_purge', {
        POST: {
          summary: 'Removes revisions as if they had never been',
          parameters: ['w'],
          body: jsonBody('RevisionsOfDocuments'),
          answers: {
            201: jsonAnswer('Purged', 'Those that were there.'),
            202: jsonAnswer('Purged', 'They were removed in fewer copies than were asked for.'),
          },
          errors: [STORING],
        },
      }),
    ],
  },
  'db/_ensure_full_commit': {
    tag: 'databases',
    paths: [
      at('/{db}/_ensure_full_commit', {
        POST: {
          summary: 'Answers when all is on the disk',
          answers: { 201: jsonAnswer('FullCommit', 'It is.') },
          errors: ['badContentType', STORING],
        },
      }),
    ],
  },
  'db/_compact': {
    tag: 'databases',
    paths: [
      at('/{db}/_compact', { POST: COMPACT }),
      at('/{db}/_compact/{ddoc}', {
        POST: {
          summary: 'Makes the files of indexes as small as what is in them',
          answers: { 202: jsonAnswer('Ok', 'It has begun.') },
          errors: [READING, STORING, 'badContentType'],
        },
      }),
    ],
  },
  'db/_view_cleanup': {
    tag: 'databases',
    paths: [
      at('/{db}/_view_cleanup', {
        POST: {
          summary: 'Removes indexes that no design document has any more',
          answers: { 202: jsonAnswer('Ok', 'It is done.') },
          errors: ['clientGone'],
        },
      }),
    ],
  },
  'db/_find': { tag: 'queries', paths: [at('/{db}/_find', { POST: FIND })] },
  'db/_explain': { tag: 'queries', paths: [at('/{db}/_explain', { POST: EXPLAIN })] },
  'db/_index': { tag: 'queries', paths: INDEXES, refuses: ['PUT', 'COPY', 'PATCH', 'OPTIONS', 'TRACE'] },
  'db/_auto_purge': {
    tag: 'absent',
    paths: [
      at('/{db}/_auto_purge', {
        GET: { summary: 'No database has settings for it', errors: ['missing'] },
        every: { summary: 'Purging by itself is not there', errors: ['notImplemented'] },
      }),
    ],
  },
  'db/_temp_view': {
    tag: 'absent',
    paths: [at('/{db}/_temp_view', { every: { summary: 'Temporary views are no more', errors: ['gone'] } })],
  },
  'db/_shards': {
    tag: 'databases',
    paths: [
      at('/{db}/_shards', { GET: get('The shards that CouchDB would divide the database into', 'Shards') }),
      at('/{db}/_shards/{docid}', {
        GET: {
          ...get('The shard that a document would be in', 'ShardOfDocument'),
          errors: ['illegalDocumentId'],
        },
      }),
    ],
  },
  'db/_sync_shards': {
    tag: 'databases',
    paths: [
      at('/{db}/_sync_shards', {
        POST: {
          summary: 'Nothing: there is one copy, which is in step with itself',
          answers: { 202: jsonAnswer('Ok', 'Always.') },
        },
      }),
    ],
  },
  'db/_search_cleanup': absent('/{db}/_search_cleanup', 'Search'),
  'db/_nouveau_cleanup': absent('/{db}/_nouveau_cleanup', 'Search'),
} as const satisfies Record<string, Description>
