/** Indexes on their way into design documents: what a request says of one, checked in CouchDB's order, and the texts. */
import { createHash } from 'node:crypto'
import { DatabaseError, referred } from '../base/errors.ts'
import { isObjectAt, membersOf } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { conditionText, normalize } from '../selector/condition.ts'
import { JsonSlice } from '../selector/json-slice.ts'
import { atom, jsonTerm, list, tuple, VERSION } from './external-term.ts'
import { designIdOf } from './planner.ts'
import { plain, QueryMembers, selecting } from './query-members.ts'
import { readSort, sortText } from './sort.ts'

/** An index that somebody wants to be there. */
export interface WantedIndex {
  readonly designId: string
  readonly name: string
  /** JSON of the view that it is in its design document. */
  readonly view: string
  /** Undefined: as the database is. */
  readonly isPartitioned: boolean | undefined
}

const EMPTY = '{}'

/** Throws DatabaseErrors. */
export function readWantedIndex(body: JsonSlice): WantedIndex {
  const members = new QueryMembers(body)
  const definition = members.require('index')
  const type = members.text('type') ?? 'json'
  const name = readName(members, 'name')
  const design = readName(members, 'ddoc')
  const writes = members.positive('w', 2)
  const isPartitioned = readPartitioned(members.take('partitioned'))
  members.finish()
  if (type === 'text' || type === 'nouveau') throw new DatabaseError('indexServiceUnavailable', type)
  if (type !== 'json') throw new DatabaseError('invalidIndex', `Invalid type for index: ${type}`)
  const view = readView(definition)
  const generated = (): string => generatedName(definition, { design, name, isPartitioned, type, writes })
  return {
    designId: designIdOf(design ?? generated()),
    name: name ?? generated(),
    view,
    isPartitioned,
  }
}

function readName(members: QueryMembers, member: string): string | undefined {
  const name = members.text(member)
  if (name === '') throw new DatabaseError('invalidEmptyString')
  return name
}

function readPartitioned(slice: JsonSlice | undefined): boolean | undefined {
  const given = slice?.toString()
  if (given === undefined) return undefined
  if (given === 'true' || given === 'false') return given === 'true'
  const shown = `{invalid_partitioned_value,${plain(slice!)}}`
  throw referred(new DatabaseError('invalidQueryOption', `Unknown Error: mango_opts :: ${shown}`))
}

function readView(definition: JsonSlice): string {
  if (!isObjectAt(definition.text, definition.at)) {
    throw new DatabaseError('invalidIndex', `JSON indexes must be an object, not: ${plain(definition)}`)
  }
  const members = new QueryMembers(definition)
  const fields = readSort(members.require('fields'))
  const filter = members.take('partial_filter_selector')
  members.finish()
  if (fields.length === 0) throw new DatabaseError('invalidIndex', 'An index must have fields.')
  const selector =
    filter === undefined ? EMPTY : selecting(() => conditionText(normalize(Buffer.from(filter.toString()))))
  const map = `{"fields":${sortText(fields)},"partial_filter_selector":${selector}}`
  return `{"map":${map},"reduce":"_count","options":{"def":${definition}}}`
}

/** As CouchDB makes it of all that was said: equal requests get equal names. */
function generatedName(
  definition: JsonSlice,
  said: {
    design: string | undefined
    name: string | undefined
    isPartitioned: boolean | undefined
    type: string
    writes: number
  },
): string {
  const named = (name: string | undefined): Buffer =>
    name === undefined ? atom('auto_name') : jsonTerm(stringText(name))
  const def = jsonTerm(definition.toString())
  const options = list([
    tuple(atom('ddoc'), named(said.design)),
    tuple(atom('def'), def),
    tuple(atom('name'), named(said.name)),
    tuple(
      atom('partitioned'),
      atom(said.isPartitioned === undefined ? 'db_default' : String(said.isPartitioned)),
    ),
    tuple(atom('type'), jsonTerm(stringText(said.type))),
    tuple(atom('w'), jsonTerm(String(said.writes))),
  ])
  const term = Buffer.concat([Buffer.from([VERSION]), tuple(def, options)])
  return createHash('sha1').update(term).digest('hex')
}

/** Names and texts of the members of an object. */
type Members = Map<string, string>

function membersAt(text: Buffer, at: number): Members {
  if (!isObjectAt(text, at)) return new Map()
  return new Map(membersOf(text, at).map(([name, value]) => [name, new JsonSlice(text, value).toString()]))
}

function membersText(members: Members): string {
  return `{${[...members].map(([name, text]) => `${stringText(name)}:${text}`).join(',')}}`
}

function viewsOf(members: Members): Members {
  return membersAt(Buffer.from(members.get('views') ?? EMPTY), 0)
}

/**
 * The body of a design document with an index more; `body` is undefined where there is none yet. The same text where it has
 * it already. Throws invalidDesignLanguage and invalidPartitionedOption.
 */
export function bodyWith(
  body: Buffer | undefined,
  { designId, name, view, isPartitioned }: WantedIndex,
): Buffer {
  const members = body === undefined ? new Map([['language', '"query"']]) : membersAt(body, 0)
  const language = members.get('language')
  if (language !== '"query"') {
    const shown =
      language === undefined ? 'false' : `{${plain(textSlice('"language"'))},${plain(textSlice(language))}}`
    throw new DatabaseError('invalidDesignLanguage', `Existing design doc has an invalid language: ${shown}`)
  }
  const views = viewsOf(members)
  views.set(name, view)
  members.set('views', membersText(views))
  const options = membersAt(Buffer.from(members.get('options') ?? EMPTY), 0)
  const before = options.get('partitioned')
  if (isPartitioned !== undefined && before !== String(isPartitioned)) {
    if (body !== undefined) {
      const reason = `Requested partitioned option does not match existing value on design document ${designId}`
      throw new DatabaseError('invalidPartitionedOption', reason)
    }
    options.set('partitioned', String(isPartitioned))
    members.set('options', membersText(options))
  }
  return Buffer.from(membersText(members))
}

/** The body without some indexes; undefined where nothing is left to say. */
export function bodyWithout(body: Buffer, names: readonly string[]): Buffer | undefined {
  const members = membersAt(body, 0)
  const views = viewsOf(members)
  for (const name of names) views.delete(name)
  if (views.size === 0) members.delete('views')
  else members.set('views', membersText(views))
  const isBare = members.size === 1 && members.get('language') === '"query"'
  return isBare ? undefined : Buffer.from(membersText(members))
}

function textSlice(text: string): JsonSlice {
  return new JsonSlice(Buffer.from(text), 0)
}
