/**
 * Rules of rewrites, as CouchDB's `chttpd_rewrite` reads them: the first whose method and path fit says where a request
 * goes. `:name` stands for one part of the path, or for a parameter of the request, and `*` at the end for all that is left.
 */
import { DatabaseError } from '../../../base/errors.ts'
import type { Steps } from '../../../base/time-slice.ts'
import { isUtf8 } from '../../../documents/characters.ts'
import { readJson } from '../../request/parameters.ts'
import { encodeComponent } from '../../request/path.ts'
import type { Query } from '../../request/query.ts'

interface Rule {
  readonly method: string
  readonly from: readonly Part[]
  readonly to: readonly Part[]
  readonly query: readonly (readonly [string, unknown])[]
  readonly formats: Readonly<Record<string, unknown>>
}

type Part = string | { readonly bound: string }

const EVERYTHING = '*'
/** Parameters that are JSON. */
const JSON_NAMES = new Set(['key', 'startkey', 'start_key', 'endkey', 'end_key', 'keys'])
/** So far up a rule stays in its database: from `_design/name`. */
const MOST_UPS = 2

/** In steps, since there may be as many as a document has room for. Throws invalidRewrite, insecureRewrite. */
export function* readRules(rules: readonly unknown[], isSecure: boolean): Steps<Rule[]> {
  const read: Rule[] = []
  for (const rule of rules) {
    if (isObject(rule)) read.push(readRule(rule, isSecure))
    yield
  }
  return read
}

function readRule(rule: Record<string, unknown>, isSecure: boolean): Rule {
  const { method = EVERYTHING, from = EVERYTHING, to, query, formats } = rule
  if (typeof from !== 'string' || typeof to !== 'string' || typeof method !== 'string') {
    throw new DatabaseError('invalidRewrite')
  }
  return {
    method,
    from: partsOf(from, isSecure),
    to: partsOf(to, isSecure),
    query: isObject(query) ? Object.entries(query) : [],
    formats: isObject(formats) ? formats : {},
  }
}

function partsOf(path: string, isSecure: boolean): Part[] {
  let ups = 0
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part): Part => {
      if (part === '..') {
        ups += 1
        if (isSecure && ups > MOST_UPS) throw new DatabaseError('insecureRewrite')
      }
      if (part === EVERYTHING) return { bound: part }
      return part.startsWith(':') ? { bound: part.slice(1) } : part
    })
}

/**
 * Where a request goes, as path and query, relative to the design document and still with its `..`; undefined where no rule
 * fits. `parts` are what is behind `_rewrite`, decoded. Throws badRequest for parameters that are no JSON.
 */
export function* matchRules(
  rules: readonly Rule[],
  method: string,
  parts: readonly string[],
  query: Query,
): Steps<string | undefined> {
  for (const rule of rules) {
    const bound = rule.method === EVERYTHING || rule.method === method ? bind(rule.from, parts) : undefined
    if (bound !== undefined) return targetOf(rule, bound, query)
    yield
  }
  return undefined
}

interface Bound {
  /** The last of a name first. */
  readonly pairs: readonly (readonly [string, unknown])[]
  readonly rest: readonly string[]
}

function bind(from: readonly Part[], parts: readonly string[]): Bound | undefined {
  const pairs: [string, unknown][] = []
  for (const [at, part] of from.entries()) {
    const given = parts[at]
    if (given === undefined) return undefined
    if (typeof part === 'string') {
      if (part !== given) return undefined
      continue
    }
    pairs.unshift([part.bound, given])
    if (part.bound === EVERYTHING && at === from.length - 1) return { pairs, rest: parts.slice(at) }
  }
  return from.length === parts.length ? { pairs, rest: [] } : undefined
}

function targetOf(rule: Rule, { pairs, rest }: Bound, query: Query): string {
  const given = [
    ...pairs,
    ...query.pairs.map(([name, value]) => [name, JSON_NAMES.has(name) ? readJson(value) : value] as const),
  ]
  const values = firstOf(given)
  const own = rule.query.map(([name, value]) => [name, filled(value, values, rule.formats)] as const)
  const named = new Set(own.map(([name]) => name))
  const all = [...given.filter(([name]) => !named.has(name)), ...own.toReversed()]
  const path = pathOf(rule.to, firstOf(all), rest)
  const parameters = all
    .filter(([name]) => name !== EVERYTHING)
    .toReversed()
    .map(([name, value]) => `${quoted(name)}=${quoted(parameterText(name, value))}`)
  return parameters.length === 0 ? path : `${path}?${parameters.join('&')}`
}

function firstOf(pairs: readonly (readonly [string, unknown])[]): Map<string, unknown> {
  const values = new Map<string, unknown>()
  for (const [name, value] of pairs) if (!values.has(name)) values.set(name, value)
  return values
}

function pathOf(to: readonly Part[], values: ReadonlyMap<string, unknown>, rest: readonly string[]): string {
  const parts: string[] = []
  for (const part of to) {
    if (typeof part === 'string') parts.push(part === '..' || part === '.' ? part : quoted(part))
    else if (part.bound === EVERYTHING) return [...parts, ...rest.map(name)].join('/')
    else parts.push(name(plainText(values.has(part.bound) ? values.get(part.bound) : 'undefined')))
  }
  return parts.join('/')
}

function filled(value: unknown, values: ReadonlyMap<string, unknown>, formats: Rule['formats']): unknown {
  if (Array.isArray(value))
    return value.map((each) => (each === EVERYTHING ? each : filled(each, values, formats)))
  if (typeof value !== 'string') return value
  const isVariable = value === EVERYTHING || value.startsWith(':')
  if (!isVariable) return value
  const variable = value === EVERYTHING ? value : value.slice(1)
  const found = values.has(variable) ? values.get(variable) : value
  return formatted(found, Object.hasOwn(formats, variable) ? formats[variable] : undefined)
}

function formatted(value: unknown, format: unknown): unknown {
  if (typeof value !== 'string') return value
  if (format === 'int' && /^[+-]?\d+$/.test(value)) return Number(value)
  if (format === 'bool' && (value === 'true' || value === 'false')) return value === 'true'
  return value
}

function parameterText(name: string, value: unknown): string {
  return JSON_NAMES.has(name) ? JSON.stringify(value) : plainText(value)
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** One part of a path that a client gave: never a step to another place. */
function name(text: string): string {
  return text === '.' || text === '..' ? text.replaceAll('.', '%2E') : quoted(text)
}

/** Throws missing for what no name can be. */
function quoted(text: string): string {
  if (!isUtf8(text)) throw new DatabaseError('missing')
  return encodeComponent(text)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
