/** Indexes of Mango as design documents of the language `query` have them, and `_all_docs`, which every database has. */
import { createHash } from 'node:crypto'
import { runAtOnce, type Steps } from '../base/time-slice.ts'
import type { Database, DocumentView } from '../database/api/database.ts'
import { designViews } from '../documents/design-views.ts'
import { viewText } from '../documents/document-text.ts'
import type { FieldsDefinition } from '../indexes/api.ts'
import { isObjectAt, isStringAt, membersOf, stringAt } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { normalize } from '../selector/condition.ts'
import { SelectorError } from '../selector/errors.ts'
import { JsonSlice } from '../selector/json-slice.ts'
import { parsePath } from '../selector/path.ts'
import { type SortFields, sortListText } from './sort.ts'

export interface MangoIndex {
  /** Id of its design document; undefined for `_all_docs`. */
  readonly designId: string | undefined
  readonly name: string
  readonly isPartitioned: boolean
  /** Whether queries use it. As in CouchDB, a view that was written without `options` is a view and no more. */
  readonly isOffered: boolean
  readonly fields: SortFields
  /** Names of the fields. */
  readonly columns: readonly string[]
  /** Canonical JSON of the selector of a partial index. */
  readonly filter: string | undefined
  /** That of the view which the index is in its design document; undefined for none that its rows can have. */
  readonly reduce: '_count' | undefined
  /** As `_index` and `_explain` show it. */
  readonly shown: string
  /** What is asked of who builds it; undefined for `_all_docs`. */
  readonly definition: FieldsDefinition | undefined
}

export const ALL_DOCS: MangoIndex = {
  designId: undefined,
  name: '_all_docs',
  isPartitioned: false,
  isOffered: true,
  fields: [['_id', 'asc']],
  columns: ['_id'],
  filter: undefined,
  reduce: undefined,
  shown: '{"ddoc":null,"name":"_all_docs","type":"special","def":{"fields":[{"_id":"asc"}]}}',
  definition: undefined,
}

const EMPTY = '{}'

interface Known {
  readonly uuid: string
  readonly version: number
  readonly indexes: readonly MangoIndex[]
}

const known = new WeakMap<Database, Known>()

/** `_all_docs` first, then by design document and name. Undefined where they have to be read. */
export function knownIndexes(database: Database): readonly MangoIndex[] | undefined {
  const kept = known.get(database)
  const isCurrent = kept?.uuid === database.uuid && kept.version === database.designVersion
  return isCurrent ? kept.indexes : undefined
}

/** The same, read from the design documents, of which there may be any number. They are known then until one is written. */
export function* indexSteps(database: Database): Steps<readonly MangoIndex[]> {
  // The version first: what is read behind it may be newer, and is then read again.
  const { uuid, designVersion: version, isFresh } = database
  const indexes = [ALL_DOCS]
  for (const view of designViews(database)) {
    const all = yield* designIndexSteps(view, database.properties.partitioned)
    for (const index of all) if (index.isOffered) indexes.push(index)
    yield
  }
  if (isFresh) known.set(database, { uuid, version, indexes })
  return indexes
}

/** What a design document has rows of, by name; nothing where its language is another one. */
export function indexesOfDesign(view: DocumentView, isPartitioned: boolean): readonly MangoIndex[] {
  return runAtOnce(designIndexSteps(view, isPartitioned))
}

/** The same in steps. */
export function* designIndexSteps(view: DocumentView, isPartitioned: boolean): Steps<readonly MangoIndex[]> {
  const text = viewText(view)
  const members = membersAt(new JsonSlice(text, 0))
  if (members.get('language')?.toString() !== '"query"') return []
  const partitioned = memberOf(members.get('options'), 'partitioned')?.toString()
  const isLocal = partitioned === undefined ? isPartitioned : partitioned === 'true'
  const indexes: { readonly index: MangoIndex; readonly name: Buffer }[] = []
  for (const [name, made] of membersAt(members.get('views'))) {
    const index = indexOf(view.id, name, made, isLocal)
    if (index !== undefined) indexes.push({ index, name: Buffer.from(name) })
    yield
  }
  return indexes.sort((a, b) => Buffer.compare(a.name, b.name)).map(({ index }) => index)
}

function membersAt(slice: JsonSlice | undefined): Map<string, JsonSlice> {
  if (slice === undefined || !isObjectAt(slice.text, slice.at)) return new Map()
  return new Map(membersOf(slice.text, slice.at).map(([name, at]) => [name, new JsonSlice(slice.text, at)]))
}

function memberOf(slice: JsonSlice | undefined, name: string): JsonSlice | undefined {
  return membersAt(slice).get(name)
}

/** Undefined for what is no index: whoever writes a design document himself may write anything. */
function indexOf(designId: string, name: string, view: JsonSlice, isLocal: boolean): MangoIndex | undefined {
  const map = membersAt(memberOf(view, 'map'))
  const options = memberOf(view, 'options')
  const columns = membersAt(map.get('fields'))
  if (columns.size === 0) return undefined
  const fields: [string, 'asc' | 'desc'][] = []
  for (const [field, direction] of columns) {
    if (!isStringAt(direction.text, direction.at)) return undefined
    fields.push([field, stringAt(direction.text, direction.at) === 'desc' ? 'desc' : 'asc'])
  }
  const given = (map.get('partial_filter_selector') ?? map.get('selector'))?.toString() ?? EMPTY
  const filter = given === EMPTY || given === '[]' ? undefined : given
  const definition = definitionOf(designId, fields, filter, isLocal)
  if (definition === undefined) return undefined
  return {
    designId,
    name,
    isPartitioned: isLocal,
    isOffered: options !== undefined && isObjectAt(options.text, options.at),
    fields,
    columns: fields.map(([field]) => field),
    filter,
    reduce: memberOf(view, 'reduce')?.toString() === '"_count"' ? '_count' : undefined,
    shown: `{"ddoc":${stringText(designId)},"name":${stringText(name)},"type":"json","partitioned":${isLocal},"def":${shownDefinition(map, fields)}}`,
    definition,
  }
}

function shownDefinition(map: ReadonlyMap<string, JsonSlice>, fields: SortFields): string {
  const members = [...map].flatMap(([name, value]) => {
    if (name === 'fields') return [`"fields":${sortListText(fields)}`]
    const text = value.toString()
    return name === 'partial_filter_selector' && text === EMPTY ? [] : [`${stringText(name)}:${text}`]
  })
  return `{${members.join(',')}}`
}

/** Undefined where a field or the filter cannot be read. */
function definitionOf(
  designDocument: string,
  fields: SortFields,
  filter: string | undefined,
  isPartitioned: boolean,
): FieldsDefinition | undefined {
  try {
    const paths = fields.map(([field]) => parsePath(field))
    if (filter !== undefined) normalize(Buffer.from(filter))
    const said = JSON.stringify({ kind: 'fields', paths, filter, isPartitioned })
    return {
      kind: 'fields',
      signature: createHash('md5').update(said).digest('hex'),
      fields: paths,
      filter: filter === undefined ? undefined : Buffer.from(filter),
      isPartitioned,
      designDocument,
    }
  } catch (error) {
    if (error instanceof SelectorError) return undefined
    throw error
  }
}
