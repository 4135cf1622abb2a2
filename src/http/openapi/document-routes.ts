import {
  type DescribedAnswer,
  type DescribedPath,
  type Description,
  json,
  jsonAnswer,
  jsonBody,
  NOT_MODIFIED,
  type Operation,
} from './description.ts'
import { READING, RECEIVING, WRITING } from './errors.ts'
import type { ParameterKey } from './parameters.ts'
import { ref, string } from './schema.ts'

/** Documents, their attachments, local documents. */

const BYTES = string(undefined, { format: 'binary' })

const READS: readonly ParameterKey[] = [
  'rev',
  'revs',
  'revs_info',
  'conflicts',
  'deleted_conflicts',
  'local_seq',
  'meta',
  'latest',
  'deleted',
  'open_revs',
  'attachments',
  'att_encoding_info',
  'atts_since',
  'show_exp',
  'If-None-Match',
]

const written = (status: 200 | 201): Record<number, DescribedAnswer> => ({
  [status]: jsonAnswer('Written', 'It is written.', ['ETag', 'Location']),
  202: jsonAnswer('Written', 'It will be written, or is written in fewer copies than were asked for.'),
})

const DELETED = jsonAnswer('Written', 'It is deleted.', ['ETag', 'Location'])

const READ: Operation = {
  summary: 'Reads a document',
  parameters: READS,
  answers: {
    200: {
      description: 'The document; with `open_revs` its revisions.',
      content: {
        'application/json': { anyOf: [ref('Document'), { type: 'array', items: ref('OpenRevision') }] },
        'multipart/related': BYTES,
        'multipart/mixed': BYTES,
      },
      headers: ['ETag'],
    },
    304: NOT_MODIFIED,
  },
  errors: [READING],
}

const PUT: Operation = {
  summary: 'Writes a document',
  parameters: ['edit.rev', 'new_edits', 'batch', 'w', 'If-Match'],
  body: { content: { ...json('Document'), 'multipart/related': BYTES } },
  answers: { ...written(201), 200: DELETED },
  errors: [WRITING, RECEIVING],
}

const DELETE: Operation = {
  summary: 'Deletes a document',
  parameters: ['edit.rev', 'w', 'If-Match'],
  answers: written(200),
  errors: [READING, WRITING],
}

const FORM: Operation = {
  summary: 'Takes the files of a web form',
  parameters: ['edit.rev', 'w', 'If-Match', 'Referer'],
  body: {
    content: {
      'multipart/form-data': {
        type: 'object',
        properties: { _doc: ref('Document'), _rev: string(), _attachments: { type: 'array', items: BYTES } },
      },
    },
  },
  answers: written(201),
  errors: [WRITING, RECEIVING],
}

const COPY: Operation = {
  summary: 'Copies a document',
  parameters: ['edit.rev', 'If-Match', 'Destination'],
  answers: { 201: jsonAnswer('Written', 'It is written.', ['ETag', 'Location']) },
  errors: [READING, WRITING],
}

const PATCH: Operation = {
  summary: 'Changes a document',
  parameters: ['edit.rev', 'w', 'If-Match'],
  body: {
    content: {
      'application/merge-patch+json': { type: 'object' },
      'application/json-patch+json': { type: 'array', items: { type: 'object' } },
    },
  },
  answers: { ...written(201), 200: DELETED },
  errors: [READING, WRITING, RECEIVING, 'patchFailed', 'methodNotAllowed'],
}

const ATTACHMENT: DescribedPath['operations'] = {
  GET: {
    summary: 'Reads an attachment',
    parameters: ['rev', 'Range', 'If-Range', 'If-None-Match'],
    answers: {
      200: { description: 'Its bytes.', content: { '*/*': BYTES }, headers: ['ETag'] },
      206: {
        description: 'Some of its bytes.',
        content: { '*/*': BYTES },
        headers: ['ETag', 'Content-Range'],
      },
      304: NOT_MODIFIED,
    },
    errors: [READING, 'rangeNotSatisfiable', 'notAcceptable'],
  },
  PUT: {
    summary: 'Writes an attachment',
    parameters: ['edit.rev', 'w', 'If-Match'],
    body: { content: { '*/*': BYTES } },
    answers: written(201),
    errors: [WRITING, RECEIVING, 'missingRevision'],
  },
  DELETE: {
    summary: 'Removes an attachment',
    parameters: ['edit.rev', 'w', 'If-Match'],
    answers: written(200),
    errors: [READING, WRITING, 'missingRevision'],
  },
}

const LOCAL: DescribedPath['operations'] = {
  GET: {
    summary: 'Reads a local document',
    parameters: ['revs', 'If-None-Match'],
    answers: { 200: jsonAnswer('Document', 'The document.', ['ETag']), 304: NOT_MODIFIED },
    errors: ['missing'],
  },
  PUT: {
    summary: 'Writes a local document',
    parameters: ['edit.rev', 'w', 'If-Match'],
    body: jsonBody('Document'),
    answers: { ...written(201), 200: DELETED },
    errors: [WRITING],
  },
  DELETE: { ...DELETE, summary: 'Removes a local document' },
  POST: { ...FORM, summary: 'Takes a web form' },
  COPY: { ...COPY, summary: 'Copies a local document' },
}

function refusing(path: `/${string}`, summary: string): Description {
  return { tag: 'documents', paths: [{ path, operations: { every: { summary, errors: [] } } }] }
}

export const DOCUMENT_ROUTES = {
  'db/document': {
    tag: 'documents',
    paths: ['/{db}/{docid}', '/{db}/_design/{ddoc}'].map((path) => ({
      path: path as `/${string}`,
      operations: { GET: READ, PUT, DELETE, POST: FORM, COPY, PATCH },
    })),
  },
  'db/attachment': {
    tag: 'attachments',
    paths: ['/{db}/{docid}/{attachment}', '/{db}/_design/{ddoc}/{attachment}'].map((path) => ({
      path: path as `/${string}`,
      operations: ATTACHMENT,
    })),
  },
  'db/local': { tag: 'documents', paths: [{ path: '/{db}/_local/{docid}', operations: LOCAL }] },
  'db/local-nameless': refusing('/{db}/_local', 'A local document without a name: refused'),
  'db/local-attachment': refusing(
    '/{db}/_local/{docid}/{attachment}',
    'Local documents have no attachments: refused',
  ),
  'db/design-redirect': {
    tag: 'documents',
    paths: (['/{db}/_design%2F{ddoc}', '/{db}/_design%2F{ddoc}/{rest}'] as const).map((path) => ({
      path,
      operations: {
        GET: {
          summary: 'Leads to the usual spelling',
          answers: { 301: { description: 'To `_design/`.', headers: ['Location'] } },
        },
      },
    })),
  },
} as const satisfies Record<string, Description>
