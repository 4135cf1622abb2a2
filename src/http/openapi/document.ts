/**
 * The description of the whole API as OpenAPI 3.2 (https://spec.openapis.org/oas/v3.2.0): of the routes' declarations, the
 * table of rights, the table of errors, and what descriptions.ts says beside them. 3.2 is the first that knows methods of
 * any name, as COPY is.
 */
import type { ErrorKind } from '../../base/errors.ts'
import { BODY_BYTES } from '../request/body-limits.ts'
import { type RouteName, rightOf } from '../request/rights.ts'
import { bodyKindOf, type Resource } from '../routes/resource.ts'
import {
  type DescribedAnswer,
  type DescribedPath,
  type Description,
  type Operation,
  TAGS,
} from './description.ts'
import { type ErrorResponse, errorResponses } from './error-responses.ts'
import { errorsOf } from './errors.ts'
import { HEADERS, RIGHTS, SECURITY_SCHEMES, schemesFor } from './fixed-parts.ts'
import { PARAMETERS, type Parameter, parameterName } from './parameters.ts'
import type { Schema } from './schema.ts'
import { SCHEMAS } from './schemas.ts'

type Part = Record<string, unknown>

export interface OpenApiDocument {
  readonly openapi: string
  readonly info: Part
  readonly servers: readonly Part[]
  readonly tags: readonly Part[]
  /** By path, then by method in lower case, or by `additionalOperations` and method. */
  readonly paths: Readonly<Record<string, Readonly<Part>>>
  readonly components: Readonly<Record<string, Readonly<Part>>>
}

/** Methods that have a place of their own in a path. */
const FIXED = new Set(['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE'])

const INFO = `The API of Apache CouchDB, as Davenport has it. docs/COMPATIBILITY.md says where answers differ.

Errors are JSON: \`error\` and \`reason\`. A client that takes HTML and no JSON is sent to the page to sign in on where others are answered with 401. \
With \`[chttpd] require_valid_user\` nothing is open to whom the server does not know.`

/** Throws where a description and its declaration do not fit. */
export function openApiDocument(
  resources: readonly Resource[],
  descriptions: Readonly<Record<RouteName, Description>>,
  version: string,
): OpenApiDocument {
  const parts = new SharedParts()
  const paths: Record<string, Part> = {}
  for (const resource of resources) {
    const description = descriptions[resource.route]
    checkMethods(resource, description)
    for (const each of description.paths) {
      if (Object.hasOwn(paths, each.path)) throw new Error(`${each.path} is described twice`)
      paths[each.path] = pathItem(parts, resource, description, each)
    }
  }
  return {
    openapi: '3.2.0',
    info: {
      title: 'Davenport',
      description: INFO,
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: SCHEMAS,
      parameters: parts.parameters,
      headers: HEADERS,
      responses: parts.responses,
      securitySchemes: SECURITY_SCHEMES,
    },
  }
}

/** Operations of a path by method, HEAD not among them. */
export function operationsOf(
  { methods }: Pick<Resource, 'methods'>,
  { operations }: DescribedPath,
  refuses: readonly string[] = [],
): Map<string, Operation> {
  const found = new Map<string, Operation>()
  for (const method of Object.keys(methods)) {
    const own = operations[method as keyof typeof operations]
    const operation = own ?? (refuses.includes(method) ? undefined : operations.every)
    if (operation !== undefined) found.set(method, operation)
  }
  return found
}

function checkMethods(resource: Resource, { paths, refuses = [] }: Description): void {
  const { route, methods } = resource
  const described = new Set(paths.flatMap((path) => [...operationsOf(resource, path, refuses).keys()]))
  for (const method of Object.keys(methods)) {
    if (described.has(method) === refuses.some((each) => each === method)) {
      throw new Error(`${method} of ${route} is described and refused, or neither`)
    }
  }
  for (const method of paths.flatMap(({ operations }) => Object.keys(operations))) {
    if (method !== 'every' && !Object.hasOwn(methods, method)) {
      throw new Error(`${route} has no ${method}, which is described`)
    }
  }
}

function pathItem(
  parts: SharedParts,
  resource: Resource,
  { tag, refuses }: Description,
  described: DescribedPath,
): Part {
  const item: Part = {}
  const others: Part = {}
  const names = [...described.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `path.${name}`)
  if (names.length > 0) item['parameters'] = names.map((name) => parts.parameter(name))
  for (const [method, operation] of operationsOf(resource, described, refuses)) {
    const made = { tags: [tag], ...operationPart(parts, resource, described.path, { method, operation }) }
    if (FIXED.has(method)) item[method.toLowerCase()] = made
    else others[method] = made
    if (method === 'GET') item['head'] = headOf(made, described.path)
  }
  if (Object.keys(others).length > 0) item['additionalOperations'] = others
  return item
}

function operationPart(
  parts: SharedParts,
  resource: Resource,
  path: string,
  { method, operation }: { method: string; operation: Operation },
): Part {
  const right = rightOf(resource.route, method, path.split('/').slice(2))
  const { summary, parameters = [], body } = operation
  return {
    operationId: idOf(method, path),
    summary,
    description: RIGHTS[right],
    security: schemesFor(right),
    parameters: parameters.map((key) => parts.parameter(key)),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            description: lengthOf(resource, method),
            required: body.optional !== true,
            content: contentPart(body.content),
          },
        }),
    responses: responsesPart(parts, operation, errorsOf(operation, right, path.includes('{db}'))),
  }
}

function idOf(method: string, path: string): string {
  return `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9_.]+/g, '-')}`
}

function lengthOf(resource: Resource, method: string): string {
  const kind = bodyKindOf(resource, method)
  return kind === 'documents'
    ? 'As long as the settings of the server say.'
    : `At most ${BODY_BYTES[kind]} bytes where it is held in memory.`
}

function contentPart(content: Readonly<Record<string, Schema>>): Part {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]))
}

function responsesPart(parts: SharedParts, { answers = {} }: Operation, kinds: readonly ErrorKind[]): Part {
  const responses: Part = {}
  for (const [status, answer] of Object.entries(answers)) responses[status] = answerPart(answer)
  for (const [status, error] of parts.errors(kinds)) {
    const { description, schema, examples } = error
    const answer: DescribedAnswer | undefined = answers[status]
    if (answer === undefined) {
      responses[status] = parts.response(error)
      continue
    }
    const own = answer.content?.['application/json']
    const either = own === undefined ? schema : { anyOf: [own, schema] }
    const content = { ...contentPart(answer.content ?? {}), 'application/json': { schema: either, examples } }
    responses[status] = { description: `${answer.description} Or:\n\n${description}`, content }
  }
  return responses
}

function answerPart({ description, content, headers = [] }: DescribedAnswer): Part {
  return {
    description,
    ...(headers.length === 0
      ? {}
      : { headers: Object.fromEntries(headers.map((name) => [name, refTo('headers', name)])) }),
    ...(content === undefined ? {} : { content: contentPart(content) }),
  }
}

/** The same as GET without a body; of its errors the statuses are left. */
function headOf(get: Part, path: string): Part {
  const responses = Object.entries(get['responses'] as Record<string, Part>).map(([status, response]) => {
    const { content: _, ...rest } = response
    const isError = '$ref' in rest
    return [status, isError ? { description: 'As GET answers it, without a body.' } : rest]
  })
  return { ...get, operationId: idOf('HEAD', path), responses: Object.fromEntries(responses) }
}

function refTo(section: string, name: string): Part {
  return { $ref: `#/components/${section}/${name}` }
}

/** What several operations have: said once, and referred to. */
class SharedParts {
  readonly parameters: Part = {}
  readonly responses: Part = {}
  readonly #errors = new Map<string, ReadonlyMap<number, ErrorResponse>>()
  /** Of responses, by their keys. */
  readonly #names = new Map<string, string>()

  parameter(key: string): Part {
    if (!Object.hasOwn(PARAMETERS, key)) throw new Error(`there is no parameter ${key}`)
    const parameter: Parameter = PARAMETERS[key as keyof typeof PARAMETERS]
    const { required = parameter.in === 'path', ...rest } = parameter
    this.parameters[key] = { name: parameterName(key), ...rest, required }
    return refTo('parameters', key)
  }

  /** Most operations have the kinds of another one. */
  errors(kinds: readonly ErrorKind[]): ReadonlyMap<number, ErrorResponse> {
    const key = kinds.join()
    const found = this.#errors.get(key) ?? errorResponses(kinds)
    this.#errors.set(key, found)
    return found
  }

  /** Named by its status and how many of that status were there before. */
  response({ key, status, description, schema, examples }: ErrorResponse): Part {
    const known = this.#names.get(key)
    if (known !== undefined) return refTo('responses', known)
    const before = Object.keys(this.responses).filter((name) => name.startsWith(`${status}-`)).length
    const name = `${status}-${before + 1}`
    this.#names.set(key, name)
    this.responses[name] = { description, content: { 'application/json': { schema, examples } } }
    return refTo('responses', name)
  }
}
