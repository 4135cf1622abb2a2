import { type DescribedPath, type Description, jsonAnswer, jsonBody, type Operation } from './description.ts'
import { CALLING, READING, WRITING } from './errors.ts'
import { VIEW } from './listing-parameters.ts'
import { string } from './schema.ts'

/** What is behind a design document. */

const DESIGN = '/{db}/_design/{ddoc}'
const ANYTHING = { '*/*': string(undefined, { format: 'binary' }) }

const READ_VIEW: Operation = {
  summary: 'Rows of a view',
  parameters: VIEW,
  answers: { 200: jsonAnswer('ViewRows', 'Rows.') },
  errors: [CALLING, 'noView', 'queryParseError', 'invalidJson'],
}

/** The paths of a view, `_partition` before them or not. */
export function viewPaths(before: string): DescribedPath[] {
  const path = `${before}/_design/{ddoc}/_view/{view}` as const
  return [
    {
      path: path as `/${string}`,
      operations: {
        GET: READ_VIEW,
        POST: { ...READ_VIEW, body: jsonBody('ListingBody') },
      },
    },
    {
      path: `${path}/queries` as `/${string}`,
      operations: {
        POST: {
          ...READ_VIEW,
          summary: 'Rows of several queries of a view',
          body: jsonBody('Queries'),
          answers: { 200: jsonAnswer('ViewsRows', 'Rows, for each query.') },
        },
      },
    },
  ]
}

function calling(summary: string, more: Partial<Operation> = {}): Operation {
  return {
    summary,
    answers: {
      200: { description: 'What the function says; it may choose another status.', content: ANYTHING },
    },
    errors: [CALLING],
    body: { content: ANYTHING, optional: true },
    ...more,
  }
}

const LIST_GET: Operation = {
  summary: 'Rows of a view, as a function shows them',
  parameters: VIEW,
  answers: {
    200: { description: 'What the function says; it may choose another status.', content: ANYTHING },
  },
  errors: [CALLING, 'listError', 'noView', 'queryParseError', 'invalidJson'],
}

function list(path: `/${string}`): DescribedPath {
  return { path, operations: { GET: LIST_GET, POST: { ...LIST_GET, body: jsonBody('ListingBody') } } }
}

const SHOW = calling('A document, as a function shows it', {
  answers: {
    200: {
      description: 'What the function says; it may choose another status.',
      content: ANYTHING,
      headers: ['ETag'],
    },
    304: { description: 'The client has it already.', headers: ['ETag'] },
  },
  errors: [CALLING, 'showError'],
})

const UPDATE = calling('A function makes a document of the request', {
  parameters: ['w'],
  answers: {
    200: { description: 'Nothing was written, or the function says so.', content: ANYTHING },
    201: { description: 'The document was written.', content: ANYTHING },
  },
  errors: [CALLING, WRITING, 'updateError'],
})

const REWRITE = calling('The request goes where the rules of the design document say', {
  errors: [CALLING, 'rewriteError', 'insecureRewrite', 'invalidRewrite'],
})

/** For an endpoint that has one answer. */
function absent(name: string): Description {
  const path = `${DESIGN}/${name}/{index}` as const
  const operations = {
    every: { summary: `\`${name}\` is not there`, errors: [READING, 'notImplemented'] },
  } as const
  return { tag: 'absent', paths: [{ path, operations }] }
}

export const DESIGN_ROUTES = {
  'design/_show': {
    tag: 'views',
    paths: [
      { path: `${DESIGN}/_show/{function}`, operations: { every: SHOW } },
      { path: `${DESIGN}/_show/{function}/{docid}`, operations: { every: SHOW } },
    ],
  },
  'design/_list': {
    tag: 'views',
    paths: [list(`${DESIGN}/_list/{function}/{view}`), list(`${DESIGN}/_list/{function}/{viewddoc}/{view}`)],
  },
  'design/_update': {
    tag: 'views',
    paths: [
      { path: `${DESIGN}/_update/{function}`, operations: withoutGet() },
      { path: `${DESIGN}/_update/{function}/{docid}`, operations: withoutGet() },
    ],
    refuses: ['GET'],
  },
  'design/_rewrite': {
    tag: 'views',
    paths: [{ path: `${DESIGN}/_rewrite/{rest}`, operations: { every: REWRITE } }],
  },
  'design/_info': {
    tag: 'views',
    paths: [
      {
        path: `${DESIGN}/_info`,
        operations: {
          GET: {
            summary: 'What there is to say of the indexes of a design document',
            answers: { 200: jsonAnswer('DesignInfo', 'Its indexes.') },
            errors: [READING],
          },
        },
      },
    ],
  },
  'design/_view': { tag: 'views', paths: viewPaths('/{db}'), refuses: ['PUT', 'DELETE', 'COPY', 'PATCH'] },
  'design/_search': absent('_search'),
  'design/_search_info': absent('_search_info'),
  'design/_search_disk_size': absent('_search_disk_size'),
  'design/_nouveau': absent('_nouveau'),
  'design/_nouveau_info': absent('_nouveau_info'),
  'design/_geo': absent('_geo'),
  'design/_geo_info': absent('_geo_info'),
} as const satisfies Record<string, Description>

function withoutGet(): DescribedPath['operations'] {
  return { POST: UPDATE, PUT: UPDATE, DELETE: UPDATE, COPY: UPDATE, PATCH: UPDATE }
}
