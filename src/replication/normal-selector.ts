/**
 * A selector in the normal form of CouchDB's `mango_selector:normalize`, members sorted as `couch_replicator_filters` sorts
 * them: what the id of a replication is made of. A selector that is none is left as it is: its replication fails anyway.
 */
import { compareStringsByBytes } from '../json/collation.ts'
import { OPPOSITES } from '../selector/condition.ts'

type Selector = Readonly<Record<string, unknown>>

const LISTS = new Set(['$and', '$or', '$nor'])
const NESTED = new Set(['$not', '$elemMatch', '$allMatch', '$keyMapMatch'])
/** Deeper ones are not normalized. */
const MOST_LEVELS = 200

export function normalSelector(selector: Selector): unknown {
  if (Object.keys(selector).length === 0) return selector
  try {
    return sorted(negationsDown(fieldsDown(operatorsOf(selector, 0), '')))
  } catch {
    return sorted(selector)
  }
}

function only(selector: unknown): [string, unknown] {
  const entries = Object.entries(selector as Selector)
  if (entries.length !== 1) throw new TypeError('one member')
  return entries[0]!
}

function isSelector(value: unknown): value is Selector {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What is implied is written out. */
function operatorsOf(value: unknown, level: number): unknown {
  if (level > MOST_LEVELS) throw new RangeError('too deep')
  if (!isSelector(value)) return { $eq: value }
  const entries = Object.entries(value)
  if (entries.length === 0) return { $eq: value }
  if (entries.length > 1)
    return { $and: entries.map(([name, each]) => operatorsOf({ [name]: each }, level + 1)) }
  const [name, argument] = entries[0]!
  if (LISTS.has(name)) {
    return { [name]: (argument as unknown[]).map((each) => operatorsOf(each, level + 1)) }
  }
  if (NESTED.has(name)) return { [name]: operatorsOf(argument, level + 1) }
  if (name === '$text') return { $default: { $text: argument } }
  return name.startsWith('$') ? value : { [name]: operatorsOf(argument, level + 1) }
}

/** Names of fields stand right before their operators. */
function fieldsDown(selector: unknown, path: string): unknown {
  const [name, argument] = only(selector)
  if (LISTS.has(name)) return { [name]: (argument as unknown[]).map((each) => fieldsDown(each, path)) }
  if (name === '$not') return { $not: fieldsDown(argument, path) }
  if (name === '$elemMatch' || name === '$allMatch' || name === '$keyMapMatch') {
    return { [path]: { [name]: fieldsDown(argument, '') } }
  }
  if (name === '$default') return selector
  if (name.startsWith('$')) return { [path]: selector }
  return fieldsDown(argument, path === '' ? name : `${path}.${name}`)
}

function negationsDown(selector: unknown): unknown {
  const [name, argument] = only(selector)
  if (name === '$not') return negated(argument)
  if (name === '$nor') return { $and: (argument as unknown[]).map(negated) }
  if (name === '$and' || name === '$or') return { [name]: (argument as unknown[]).map(negationsDown) }
  if (name === '$elemMatch' || name === '$allMatch') return { [name]: negationsDown(argument) }
  return selector
}

function negated(selector: unknown): unknown {
  const [name, argument] = only(selector)
  if (name === '$not') return negationsDown(argument)
  if (name === '$nor') return { $or: (argument as unknown[]).map(negationsDown) }
  if (name === '$and') return { $or: (argument as unknown[]).map(negated) }
  if (name === '$or') return { $and: (argument as unknown[]).map(negated) }
  if (name === '$exists') return { $exists: !(argument as boolean) }
  if (Object.hasOwn(OPPOSITES, name)) return { [OPPOSITES[name]!]: argument }
  return name.startsWith('$') ? { $not: selector } : { [name]: negated(argument) }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isSelector(value)) return value
  const entries = Object.entries(value).sort(([a], [b]) => compareStringsByBytes(a, b))
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]))
}
