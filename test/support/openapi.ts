/** The document of `/_openapi.json`, and whether answers of a server are what it says. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { OpenApiDocument } from '../../src/http/openapi/document.ts'
import type { Reply } from './http-request.ts'

type Part = Record<string, unknown>

/** An operation of the document. */
export interface DocumentedOperation {
  readonly path: string
  /** In upper case. */
  readonly method: string
  readonly operation: Part
}

/** Parameters of a path that may have slashes. */
const LONG = new Set(['{file}', '{rest}', '{attachment}', '{metric}', '{replicator}'])
/** Other names that begin with an underscore are those of endpoints. */
const DATABASES = /^(?:[^_]|_users$|_replicator$)/
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch']

export class DocumentedApi {
  readonly document: OpenApiDocument
  readonly operations: readonly DocumentedOperation[]
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: false })
  readonly #validators = new Map<string, ValidateFunction>()
  /** `METHOD path status` of answers that had the shape that the document says. */
  readonly seen = new Set<string>()

  constructor(document: OpenApiDocument) {
    this.document = document
    this.#ajv.addSchema(closed(document) as Part, 'api')
    this.operations = operationsOf(document)
  }

  /** What a `#/…` leads to; the part itself where it is no reference. Throws where there is nothing. */
  resolved(part: unknown): Part {
    const reference = (part as Part)['$ref']
    if (typeof reference !== 'string') return part as Part
    let found: unknown = this.document
    for (const name of reference.slice(2).split('/')) found = (found as Part | undefined)?.[unescaped(name)]
    if (typeof found !== 'object' || found === null) throw new Error(`${reference} leads nowhere`)
    return found as Part
  }

  /** The operation that a request is meant for; `path` as it is sent, without a query. */
  find(method: string, path: string): DocumentedOperation | undefined {
    const parts = path.split('/').slice(1)
    const fitting = this.operations.filter((each) => each.method === method && fits(each.path, parts))
    return fitting.sort((a, b) => (rankOf(a.path) < rankOf(b.path) ? -1 : 1))[0]
  }

  /** Undefined where the answer is one that the document says; else what is wrong with it. */
  fault(line: string, { status, headers, text, json }: Reply): string | undefined {
    const [method, target] = line.split(' ') as [string, string]
    const operation = this.find(method, target.split('?', 1)[0]!)
    if (operation === undefined) return `${line} is not described (${status} ${text})`
    const name = `${method} ${operation.path} ${status}`
    const responses = operation.operation['responses'] as Part
    if (!Object.hasOwn(responses, String(status))) return `${name} is not described: ${line}: ${text}`
    const content = this.resolved(responses[String(status)])['content'] as Part | undefined
    if (method !== 'HEAD' && text !== '') {
      const type = (headers['content-type'] ?? '').split(';', 1)[0]!.trim()
      const found = content && mediaTypeFor(content, type)
      if (found === undefined) return `${name} may not be ${type}: ${line}: ${text}`
      if (type === 'application/json' && json !== undefined && found === type) {
        const errors = this.#errors(operation, status, json)
        if (errors !== undefined) return `${name}: ${line}: ${errors}: ${text.slice(0, 500)}`
      }
    } else if (content !== undefined && status === 200) return `${name} has no body`
    this.seen.add(name)
    return undefined
  }

  #errors(
    { path, method, operation }: DocumentedOperation,
    status: number,
    value: unknown,
  ): string | undefined {
    const response = (operation['responses'] as Part)[String(status)] as Part
    const reference = response['$ref']
    const place =
      typeof reference === 'string'
        ? reference.slice(2)
        : ['paths', path, ...placeOf(method), 'responses', String(status)].map(escaped).join('/')
    const pointer = `api#/${place}/content/application~1json/schema`
    let validate = this.#validators.get(pointer)
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: pointer })
      this.#validators.set(pointer, validate)
    }
    return validate(value) ? undefined : told(validate.errors)
  }
}

function operationsOf({ paths }: OpenApiDocument): DocumentedOperation[] {
  return Object.entries(paths).flatMap(([path, item]) => {
    const others = Object.entries((item['additionalOperations'] ?? {}) as Part)
    const fixed = METHODS.filter((method) => method in item).map((method) => [
      method.toUpperCase(),
      item[method],
    ])
    return [...fixed, ...others].map(([method, operation]) => ({
      path,
      method: method as string,
      operation: operation as Part,
    }))
  })
}

function placeOf(method: string): string[] {
  const isFixed = METHODS.includes(method.toLowerCase())
  return isFixed ? [method.toLowerCase()] : ['additionalOperations', method]
}

function told(errors: ErrorObject[] | null | undefined): string {
  return (errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ')
}

/** In the order of what is said first. */
function mediaTypeFor(content: Part, type: string): string | undefined {
  const [main] = type.split('/')
  return [type, `${main}/*`, '*/*'].find((each) => Object.hasOwn(content, each))
}

function fits(path: string, parts: readonly string[]): boolean {
  const wanted = path.split('/').slice(1)
  const isLong = LONG.has(wanted.at(-1)!)
  if (isLong ? parts.length < wanted.length : parts.length !== wanted.length) return false
  return wanted.every((each, at) => matches(each, parts[at]!))
}

function matches(wanted: string, part: string): boolean {
  if (wanted === '{db}') return DATABASES.test(part)
  const open = wanted.indexOf('{')
  if (open < 0) return wanted === decoded(part)
  const before = wanted.slice(0, open)
  return part.toLowerCase().startsWith(before.toLowerCase()) && (part !== '' || wanted === '{rest}')
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The less of a path is open, and the later, the better it fits: the first in the order of these. */
function rankOf(path: string): string {
  return path
    .split('/')
    .map((part) => (part.startsWith('{') ? (LONG.has(part) ? '2' : '1') : '0'))
    .join('')
    .padEnd(16, '3')
}

function escaped(name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))
}

function unescaped(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}

/** Where an object names its members and does not say that there may be others, there are none. */
function closed(part: unknown, isPartOfOne = false): unknown {
  if (Array.isArray(part)) return part.map((each) => closed(each, isPartOfOne))
  if (typeof part !== 'object' || part === null) return part
  const copy: Part = {}
  for (const [name, value] of Object.entries(part)) copy[name] = closed(value, name === 'allOf')
  const isClosed = copy['type'] === 'object' && 'properties' in copy && !('additionalProperties' in copy)
  return isClosed && !isPartOfOne ? { ...copy, additionalProperties: false } : copy
}
