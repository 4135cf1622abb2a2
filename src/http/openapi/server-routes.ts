import {
  type DescribedAnswer,
  type DescribedPath,
  type Description,
  json,
  jsonAnswer,
  jsonBody,
  NOT_MODIFIED,
  OK,
  type Operation,
} from './description.ts'
import { DATABASE, STORING } from './errors.ts'
import type { ParameterKey } from './parameters.ts'
import { string } from './schema.ts'

/** What belongs to no database. */

const NAME_RANGE: readonly ParameterKey[] = [
  'limit',
  'skip',
  'descending',
  'startkey',
  'start_key',
  'endkey',
  'end_key',
  'key',
  'inclusive_end',
]

const FILE: DescribedAnswer = {
  description: 'A file.',
  content: { '*/*': string(undefined, { format: 'binary' }) },
  headers: ['ETag'],
}
const NO_FILE: DescribedAnswer = { description: 'There is no such file.', content: { 'text/*': string() } }
const REDIRECT: DescribedAnswer = { description: 'It is elsewhere.', headers: ['Location'] }

function get(path: DescribedPath['path'], summary: string, more: Partial<Operation>): DescribedPath {
  return { path, operations: { GET: { summary, ...more } } }
}

/** Pages for browsers: the bare name, and the files below it. */
function pages(path: `/${string}`, what: string): DescribedPath[] {
  const answers = { 200: FILE, 304: NOT_MODIFIED, 404: NO_FILE }
  const parameters: ParameterKey[] = ['If-None-Match']
  return [
    get(path, what, { answers: { 301: REDIRECT } }),
    get(`${path}/`, what, { parameters, answers }),
    get(`${path}/{file}`, `Files of ${what}`, { parameters, answers: { ...answers, 302: REDIRECT } }),
  ]
}

const CONFIG_KEY: DescribedPath = {
  path: '/_node/{node}/_config/{section}/{key}',
  operations: {
    GET: {
      summary: 'Reads a value',
      answers: { 200: jsonAnswer('Text', 'The value.') },
      errors: ['missing'],
    },
    PUT: {
      summary: 'Sets a value',
      parameters: ['raw', 'X-Couch-Persist'],
      body: jsonBody('Text'),
      answers: { 200: jsonAnswer('Text', 'The value before; an empty text where there was none.') },
      errors: ['missing', 'forbidden', 'conflict', ...STORING],
    },
    DELETE: {
      summary: 'Takes a value back',
      parameters: ['raw', 'X-Couch-Persist'],
      answers: { 200: jsonAnswer('Text', 'The value before.') },
      errors: ['missing', 'forbidden', 'conflict', ...STORING],
    },
  },
}

const NODE: DescribedPath[] = [
  get('/_node/{node}', 'The name of the node, or its welcome', {
    answers: {
      200: {
        description: 'For `_local` the name, for the name the welcome.',
        content: json('NodeOrWelcome'),
      },
    },
    errors: ['missing'],
  }),
  get('/_node/{node}/_config', 'Reads the configuration', {
    answers: { 200: jsonAnswer('Configuration', 'All sections.') },
    errors: ['missing'],
  }),
  {
    path: '/_node/{node}/_config/_reload',
    operations: {
      POST: {
        summary: 'Reads the files of the configuration anew',
        answers: { 200: OK },
        errors: ['missing'],
      },
    },
  },
  get('/_node/{node}/_config/{section}', 'Reads a section', {
    answers: { 200: jsonAnswer('Section', 'Its values, by their keys.') },
    errors: ['missing'],
  }),
  CONFIG_KEY,
  get('/_node/{node}/_stats', 'Figures', {
    answers: { 200: jsonAnswer('Statistics', 'All figures.') },
    errors: ['missing'],
  }),
  get('/_node/{node}/_stats/{metric}', 'One figure, or several', {
    answers: { 200: jsonAnswer('Statistics', 'The figures of that name.') },
    errors: ['missing'],
  }),
  get('/_node/{node}/_system', 'Memory, threads and queues', {
    answers: { 200: jsonAnswer('System', 'Figures of the process.') },
    errors: ['missing'],
  }),
  get('/_node/{node}/_prometheus', 'Figures for Prometheus', {
    answers: { 200: { description: 'In Prometheus’ text format.', content: { 'text/plain': string() } } },
    errors: ['missing'],
  }),
  get('/_node/{node}/_versions', 'Versions of what it is made of', {
    answers: { 200: jsonAnswer('Versions', 'Versions.') },
    errors: ['missing'],
  }),
  get('/_node/{node}/_smoosh/status', 'Compactions that run and wait', {
    answers: { 200: jsonAnswer('Smoosh', 'Counts, by channel.') },
    errors: ['missing'],
  }),
  {
    path: '/_node/{node}/_restart',
    operations: {
      POST: {
        summary: 'Starts the server anew',
        answers: { 200: OK },
        errors: ['missing', 'notImplemented'],
      },
    },
  },
]

const LIST_PAGE: readonly ParameterKey[] = ['limit', 'skip']

const SCHEDULER: DescribedPath[] = [
  get('/_scheduler/jobs', 'Replications that are to run', {
    parameters: LIST_PAGE,
    answers: { 200: jsonAnswer('Jobs', 'Jobs.') },
    errors: ['queryParseError'],
  }),
  get('/_scheduler/jobs/{job}', 'One of them', {
    answers: { 200: jsonAnswer('Job', 'The job.') },
    errors: ['missing'],
  }),
  get('/_scheduler/docs', 'Documents of `_replicator`, with their states', {
    parameters: [...NAME_RANGE, 'states'],
    answers: { 200: jsonAnswer('ReplicationDocuments', 'Documents.') },
    errors: ['queryParseError', DATABASE],
  }),
  get('/_scheduler/docs/{replicator}', 'Documents of another such database, with their states', {
    parameters: [...NAME_RANGE, 'states'],
    answers: { 200: jsonAnswer('ReplicationDocuments', 'Documents.') },
    errors: ['queryParseError', DATABASE],
  }),
  get('/_scheduler/docs/{replicator}/{docid}', 'One document, with its state', {
    answers: { 200: jsonAnswer('ReplicationDocument', 'The document.') },
    errors: ['missing', DATABASE],
  }),
]

const RESHARD: DescribedPath[] = [
  get('/_reshard', 'Whether shards are split', {
    answers: { 200: jsonAnswer('Resharding', 'Counts of jobs.') },
  }),
  {
    path: '/_reshard/state',
    operations: {
      GET: { summary: 'Whether shards may be split', answers: { 200: jsonAnswer('ReshardingState', 'It.') } },
      PUT: {
        summary: 'Says whether they may be',
        body: jsonBody('WantedReshardingState'),
        answers: { 200: OK },
      },
    },
  },
  {
    path: '/_reshard/jobs',
    operations: {
      GET: {
        summary: 'Jobs, of which there are none',
        answers: { 200: jsonAnswer('ReshardingJobs', 'None.') },
      },
      POST: {
        summary: 'Says what is wrong with a job, or that a database is one file here',
        body: jsonBody('WantedReshardingJob'),
        errors: ['missing', 'notImplemented'],
      },
    },
  },
  {
    path: '/_reshard/jobs/{job}',
    operations: {
      GET: { summary: 'There is no such job', errors: ['missing'] },
      DELETE: { summary: 'There is no such job to be ended', errors: ['missing'] },
    },
  },
  {
    path: '/_reshard/jobs/{job}/state',
    operations: {
      GET: { summary: 'There is no such job', errors: ['missing'] },
      PUT: {
        summary: 'There is no such job to be stopped',
        body: jsonBody('WantedReshardingState'),
        errors: ['missing'],
      },
    },
  },
]

const SESSION: DescribedPath = {
  path: '/_session',
  operations: {
    GET: {
      summary: 'Who one is',
      parameters: ['basic'],
      answers: { 200: jsonAnswer('Session', 'The user, and how he was recognised.') },
    },
    POST: {
      summary: 'Signs in',
      parameters: ['next', 'fail'],
      body: {
        content: {
          ...json('Credentials'),
          'application/x-www-form-urlencoded': json('Credentials')['application/json']!,
        },
      },
      answers: {
        200: jsonAnswer('SignedIn', 'With a cookie.', ['Set-Cookie']),
        302: { description: 'To `next`, or to `fail`.', headers: ['Location', 'Set-Cookie'] },
      },
    },
    DELETE: {
      summary: 'Signs out',
      parameters: ['next'],
      answers: {
        200: jsonAnswer('Ok', 'The cookie is taken back.', ['Set-Cookie']),
        302: { description: 'To `next`.', headers: ['Location', 'Set-Cookie'] },
      },
    },
  },
}

const CLUSTER_SETUP: DescribedPath = {
  path: '/_cluster_setup',
  operations: {
    GET: {
      summary: 'Whether the node is set up',
      parameters: ['ensure_dbs_exist'],
      answers: { 200: jsonAnswer('ClusterState', 'Its state.') },
      errors: ['invalidJson'],
    },
    POST: {
      summary: 'Sets the node up',
      body: jsonBody('ClusterAction'),
      answers: { 201: OK },
      errors: [
        'notImplemented',
        'databaseExists',
        'illegalDatabaseName',
        'databaseNameTooLong',
        'forbidden',
        'missing',
        'conflict',
        STORING,
      ],
    },
  },
}

export const SERVER_ROUTES = {
  welcome: {
    tag: 'server',
    paths: [get('/', 'What the server is', { answers: { 200: jsonAnswer('Welcome', 'Welcome.') } })],
  },
  _up: {
    tag: 'server',
    paths: [
      get('/_up', 'Whether it takes requests', {
        answers: { 200: jsonAnswer('Up', 'It does.'), 404: jsonAnswer('Down', 'It wants none.') },
      }),
    ],
  },
  _uuids: {
    tag: 'server',
    paths: [
      get('/_uuids', 'New ids', {
        parameters: ['count'],
        answers: { 200: jsonAnswer('Uuids', 'Ids.', ['ETag']) },
      }),
    ],
  },
  _session: { tag: 'server', paths: [SESSION] },
  'favicon.ico': {
    tag: 'pages',
    paths: [get('/favicon.ico', 'A picture for browsers', { answers: { 200: FILE } })],
  },
  _utils: { tag: 'pages', paths: pages('/_utils', 'Fauxton') },
  _dashboard: {
    tag: 'pages',
    paths: [
      ...pages('/_dashboard', 'the dashboard'),
      get('/_dashboard/events', 'What feeds the dashboard', {
        answers: {
          200: {
            description: 'A stream of events, for as long as it is taken.',
            content: { 'text/event-stream': string() },
          },
        },
        errors: ['serviceUnavailable'],
      }),
      get('/_dashboard/map', 'Where in the file of a database lies what', {
        parameters: ['db'],
        answers: { 200: jsonAnswer('FileMap', 'The map, as of the last commit or a little before.') },
        errors: ['noDatabase', 'mapsBusy'],
      }),
    ],
  },
  '_dashboard/api': { tag: 'pages', paths: pages('/_dashboard/api', 'the page that shows this document') },
  '_openapi.json': {
    tag: 'server',
    paths: [
      get('/_openapi.json', 'This document', {
        parameters: ['If-None-Match'],
        answers: { 200: jsonAnswer('OpenApi', 'OpenAPI 3.2.', ['ETag']), 304: NOT_MODIFIED },
        errors: ['missing'],
      }),
    ],
  },
  _replicate: {
    tag: 'replication',
    paths: [
      {
        path: '/_replicate',
        operations: {
          GET: { summary: 'A replication is asked for by POST' },
          POST: {
            summary: 'Replicates',
            body: jsonBody('Replication'),
            answers: {
              200: jsonAnswer('ReplicationResult', 'It has ended.'),
              202: jsonAnswer('ReplicationResult', 'It is continuous, and runs.'),
            },
            errors: ['missing', 'invalidReplication', 'tooManyReplications', 'forbidden', DATABASE],
          },
        },
      },
    ],
  },
  _all_dbs: {
    tag: 'databases',
    paths: [
      get('/_all_dbs', 'Names of databases', {
        parameters: [...NAME_RANGE, 'If-None-Match'],
        answers: { 200: jsonAnswer('DatabaseNames', 'Names.', ['ETag']), 304: NOT_MODIFIED },
        errors: ['missing', 'invalidJson', 'queryParseError'],
      }),
    ],
  },
  _dbs_info: {
    tag: 'databases',
    paths: [
      {
        path: '/_dbs_info',
        operations: {
          GET: {
            summary: 'What there is to say of all databases',
            parameters: NAME_RANGE,
            answers: { 200: jsonAnswer('DatabaseInfos', 'Databases.', ['ETag']) },
            errors: ['missing', 'invalidJson', 'queryParseError', DATABASE],
          },
          POST: {
            summary: 'What there is to say of some databases',
            body: jsonBody('DatabaseKeys'),
            answers: { 200: jsonAnswer('DatabaseInfos', 'Databases, in the order of their names.') },
            errors: ['missing', DATABASE],
          },
        },
      },
    ],
  },
  _db_updates: {
    tag: 'changes',
    paths: [
      get('/_db_updates', 'Which databases have changed', {
        parameters: ['events.feed', 'since', 'limit', 'descending', 'heartbeat', 'timeout', 'Last-Event-ID'],
        answers: { 200: feedAnswer('DatabaseEvents', 'Events.') },
      }),
    ],
  },
  _backup: {
    tag: 'databases',
    paths: [
      get('/_backup/{db}', 'The file of a database', {
        parameters: ['Range', 'If-Range'],
        answers: {
          200: { description: 'The whole file.', content: BINARY(), headers: ['ETag'] },
          206: { description: 'A part of it.', content: BINARY(), headers: ['ETag', 'Content-Range'] },
        },
        errors: ['noDatabaseFile', 'rangeNotSatisfiable'],
      }),
    ],
  },
  _active_tasks: {
    tag: 'server',
    paths: [
      get('/_active_tasks', 'What runs', {
        parameters: ['history'],
        answers: { 200: jsonAnswer('Tasks', 'Tasks.') },
      }),
      {
        path: '/_active_tasks/{pid}',
        operations: {
          DELETE: {
            summary: 'Asks a task to end',
            answers: { 202: jsonAnswer('Ok', 'It is asked.') },
            errors: ['missing'],
          },
        },
      },
    ],
  },
  _node: { tag: 'server', paths: NODE },
  _membership: {
    tag: 'server',
    paths: [
      get('/_membership', 'The nodes, of which there is one', {
        answers: { 200: jsonAnswer('Membership', 'Names.') },
        errors: ['missing'],
      }),
    ],
  },
  _cluster_setup: { tag: 'server', paths: [CLUSTER_SETUP] },
  _scheduler: { tag: 'replication', paths: SCHEDULER },
  _reload_query_servers: {
    tag: 'server',
    paths: [
      {
        path: '/_reload_query_servers',
        operations: {
          POST: {
            summary: 'Has functions compiled anew, as they always are',
            answers: { 200: OK },
            errors: ['badContentType'],
          },
        },
      },
    ],
  },
  _search_analyze: {
    tag: 'absent',
    paths: [
      {
        path: '/_search_analyze',
        operations: {
          GET: {
            summary: 'Search is not there',
            parameters: ['analyzer', 'text'],
            errors: ['badRequest', 'serviceUnavailable'],
          },
          POST: {
            summary: 'Search is not there',
            errors: ['badRequest', 'badContentType', 'serviceUnavailable'],
          },
        },
      },
    ],
  },
  _nouveau_analyze: {
    tag: 'absent',
    paths: [
      {
        path: '/_nouveau_analyze',
        operations: { POST: { summary: 'Search is not there', errors: ['missing'] } },
      },
    ],
  },
  _reshard: { tag: 'server', paths: RESHARD, refuses: ['COPY', 'PATCH'] },
} as const satisfies Record<string, Description>

function BINARY(): Record<string, ReturnType<typeof string>> {
  return { 'application/octet-stream': string(undefined, { format: 'binary' }) }
}

/** Of a feed: JSON as a whole, or a line or an event for each. */
export function feedAnswer(name: string, description: string): DescribedAnswer {
  return { description, content: { ...json(name), 'text/event-stream': string() } }
}
