/**
 * What is said of a route beside its declaration, as data. What its declaration says already is not said again: its
 * methods, who may call it, what a body is taken for. The document is made of both (document.ts).
 */
import type { ErrorKind } from '../../base/errors.ts'
import type { ParameterKey } from './parameters.ts'
import { ref, type Schema } from './schema.ts'

/** What an answer, or a body, may be: schemas by media type. */
export type Content = Readonly<Record<string, Schema>>

export interface DescribedAnswer {
  readonly description: string
  /** Undefined for one without a body. */
  readonly content?: Content
  /** Headers that tell something of it. */
  readonly headers?: readonly HeaderName[]
}

export type HeaderName = 'ETag' | 'Location' | 'Set-Cookie' | 'Content-Range'

export interface DescribedBody {
  readonly content: Content
  /** Default: it must be there. */
  readonly optional?: boolean
}

export interface Operation {
  readonly summary: string
  readonly parameters?: readonly ParameterKey[]
  readonly body?: DescribedBody
  /** By status. None for what has no answer but errors. */
  readonly answers?: Readonly<Record<number, DescribedAnswer>>
  /** Of the one table, beside those that follow from the rest: errors.ts. */
  readonly errors?: readonly (ErrorKind | readonly ErrorKind[])[]
}

/** A path of a route, and what its methods do there. */
export interface DescribedPath {
  readonly path: `/${string}`
  /** By method; HEAD is described by GET. `every` is each method that the route has and that does not stand here. */
  readonly operations: Readonly<Partial<Record<Method | 'every', Operation>>>
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'COPY' | 'PATCH' | 'OPTIONS' | 'TRACE'

export interface Description {
  readonly tag: Tag
  readonly paths: readonly DescribedPath[]
  /** Methods that the route has and that it always answers with 405. */
  readonly refuses?: readonly Method[]
}

export const TAGS = {
  server: 'The server: what it is, what it does, what is configured.',
  databases: 'Databases, and what they remember about themselves.',
  documents: 'Documents, one at a time.',
  attachments: 'Files that belong to documents.',
  bulk: 'Many documents at once.',
  changes: 'What has changed, and what changes.',
  queries: 'Queries and indexes of Mango.',
  views: 'Views, and what else design documents do.',
  replication: 'What a replicator asks, and replications of the server’s own.',
  pages: 'Pages for browsers.',
  absent: 'What is not here: answers say so.',
} as const

export type Tag = keyof typeof TAGS

/** By the name of a schema of schemas.ts. */
export function json(name: string): Content {
  return { 'application/json': ref(name) }
}

export function jsonBody(name: string): DescribedBody {
  return { content: json(name) }
}

export function jsonAnswer(
  name: string,
  description: string,
  headers?: readonly HeaderName[],
): DescribedAnswer {
  return headers === undefined
    ? { description, content: json(name) }
    : { description, content: json(name), headers }
}

export const OK = jsonAnswer('Ok', 'Done.')
export const NOT_MODIFIED: DescribedAnswer = { description: 'The client has it already.', headers: ['ETag'] }
