import type { AllDocsOptions, AllDocsRow, Database, Rows } from '../../../database/api/database.ts'
import { checkPartition, partitionBounds } from '../../../database/layout/partition.ts'
import { DESIGN_END, DESIGN_START } from '../../../documents/design-views.ts'
import { isDesignId, isLocalId } from '../../../documents/document-id.ts'
import { viewPieces } from '../../../documents/document-text.ts'
import { isStored, ListedRowFiller } from '../../../documents/listed-rows.ts'
import { PAUSE, type RowFiller } from '../../../documents/piece.ts'
import { stringText } from '../../../json/writer.ts'
import { requireLimit } from '../../../views/query.ts'
import { type Answer, jsonStream } from '../../answer/answer.ts'
import { listing, MappedRows, type Page, pageListing, type RowPieces } from '../../answer/view-listing.ts'
import { keyText } from '../../request/exact-keys.ts'
import type { Exchange } from '../../request/exchange.ts'
import { keysOfQuery } from '../../request/parameters.ts'
import { exactKeysOfBody, keysOfBody, queriesOfBody, withExactCounts } from '../../request/view-body.ts'
import {
  idRange,
  parseViewParameters,
  type ViewParameterOptions,
  type ViewParameters,
} from '../../request/view-parameters.ts'
import type { Methods, Resource } from '../resource.ts'
import { localRow } from './local-docs.ts'

/** `_all_docs` and `_design_docs`, with `/queries`. Rows are pulled as the client takes them. */
type Namespace = 'all' | 'design'

function get(namespace: Namespace, partition?: string): (exchange: Exchange) => Answer {
  return (exchange) => {
    const keys = keysOfQuery(exchange.query)
    const parameters = parse(exchange, namespace, partition, undefined, { keys })
    return jsonStream(200, pageListing(openPage(exchange.database, namespace, parameters)))
  }
}

function post(namespace: Namespace, partition?: string): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    await exchange.jsonTypedBody()
    const body = await withExactCounts(exchange, await exchange.jsonObject())
    const keys = await exactKeysOfBody(exchange, keysOfBody(body), 'keys')
    const parameters = parse(exchange, namespace, partition, { ...body, keys }, { keys })
    return jsonStream(200, pageListing(openPage(exchange.database, namespace, parameters)))
  }
}

/** The rows of `_all_docs` that a request asks for, attachments as stubs. Throws as that does. */
export async function allDocsPage(exchange: Exchange, isPost: boolean): Promise<() => Page> {
  const body = isPost ? await withExactCounts(exchange, await exchange.jsonObject()) : {}
  const keys = isPost
    ? await exactKeysOfBody(exchange, keysOfBody(body), 'keys')
    : keysOfQuery(exchange.query)
  const given = isPost ? { ...body, keys } : {}
  const parameters = parse(exchange, 'all', undefined, given, { keys })
  return openPage(exchange.database, 'all', { ...parameters, attachments: {} })
}

function queries(namespace: Namespace): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    const all = queriesOfBody(await exchange.jsonObject())
    const parameters: ViewParameters[] = []
    for (const [index, query] of all.entries()) {
      const given = query['keys']
      const keys = Array.isArray(given)
        ? await exactKeysOfBody(exchange, given, 'queries', index, 'keys')
        : given
      const counted = await withExactCounts(exchange, query, 'queries', index)
      parameters.push(parse(exchange, namespace, undefined, withKeys(counted, keys), { order: 'body-last' }))
    }
    // Each query opens its own snapshot when its turn comes: none is held while others are sent.
    const pages = parameters.map((each) => () => openPage(exchange.database, namespace, each)())
    return jsonStream(200, listing(pages, { results: true }))
  }
}

/** As in CouchDB, one key alone is the range of that key in `queries`, and what the query says of a range changes it. */
function withKeys(query: Record<string, unknown>, keys: unknown): Record<string, unknown> {
  const given = query['keys']
  if (!Array.isArray(given) || given.length !== 1) return { ...query, keys }
  return { key: given[0], ...query, keys: undefined }
}

function parse(
  exchange: Exchange,
  namespace: Namespace,
  partition: string | undefined,
  body: Record<string, unknown> | undefined,
  { order = 'body-first', keys }: ViewParameterOptions = {},
): ViewParameters {
  const partitions = namespace === 'all' && exchange.database.properties.partitioned
  const parameters = parseViewParameters(exchange.query, body, { order, keys, partitions })
  parameters.partition ??= partition
  if (parameters.partition !== undefined) {
    checkPartition(parameters.partition)
    requireLimit(parameters.limit, exchange.backend.settings.get('partitionQueryLimit'))
  }
  return parameters
}

function openPage(database: Database, namespace: Namespace, parameters: ViewParameters): () => Page {
  if (parameters.keys !== undefined) {
    const keys = parameters.keys
    return () => keysPage(database, namespace, keys, parameters)
  }
  const range = idRange(parameters)
  if (namespace === 'design') return () => designPage(database, parameters)
  if (parameters.partition !== undefined) {
    const { start, end } = partitionBounds(parameters.partition)
    const clipped = clip(parameters, start, end)
    return () => rangePage(database, parameters, clipped.options, clipped.empty)
  }
  return () => rangePage(database, parameters, optionsOf(parameters, range), range.empty)
}

function optionsOf(
  parameters: ViewParameters,
  range: { startKey: string | undefined; endKey: string | undefined },
): AllDocsOptions {
  const { inclusiveEnd, descending, skip, limit } = parameters
  return { startKey: range.startKey, endKey: range.endKey, inclusiveEnd, descending, skip, limit }
}

function rangePage(
  database: Database,
  parameters: ViewParameters,
  options: AllDocsOptions,
  empty: boolean,
): Page {
  const page = database.allDocs(empty ? { ...options, limit: 0 } : options)
  return {
    totalRows: page.isUncounted ? null : page.totalRows,
    offset: page.isUncounted ? null : page.offset,
    updateSeq: parameters.updateSeq ? page.updateSeq : undefined,
    rows: new MappedRows(page.rows, (row) => (row.isHidden ? PAUSE : rowText(row, parameters))),
    filler: fillerOf(page.rows, parameters),
  }
}

/** Undefined for rows that are looked at before they are shown, and where data is read while they are sent. */
function fillerOf(rows: Rows<AllDocsRow>, parameters: ViewParameters): RowFiller | undefined {
  const { includeDocs, conflicts = false, attachments } = parameters
  if (!isStored(rows) || attachments.data !== undefined) return undefined
  const pieces = (row: AllDocsRow): RowPieces => rowText(row, parameters)
  return new ListedRowFiller(rows, { includeDocs, conflicts, pieces })
}

/** The range between `low` and `high`, neither of which is an id, and within what the client asked for. */
function clip(
  parameters: ViewParameters,
  low: string,
  high: string,
): { options: AllDocsOptions; empty: boolean } {
  const { descending } = parameters
  const range = idRange(parameters)
  const [first, last] = descending ? [high, low] : [low, high]
  const ahead = (a: string, b: string): boolean => (descending ? a > b : a < b)
  const { startKey: start, endKey: end } = range
  const startKey = start !== undefined && ahead(first, start) ? start : first
  const bounded = end !== undefined && ahead(end, last)
  const endKey = bounded ? end : last
  const inclusiveEnd = bounded ? parameters.inclusiveEnd : descending
  const options = { ...optionsOf(parameters, { startKey, endKey }), inclusiveEnd }
  return { options, empty: range.empty || ahead(endKey, startKey) }
}

/** Counted from the first design document. */
function designPage(database: Database, parameters: ViewParameters): Page {
  const { descending } = parameters
  const [first, last] = descending ? [DESIGN_END, DESIGN_START] : [DESIGN_START, DESIGN_END]
  const { options, empty } = clip(parameters, DESIGN_START, DESIGN_END)
  const before = rank(database, first, descending)
  const totalRows = Math.abs(rank(database, last, descending) - before)
  const page = rangePage(database, parameters, options, empty)
  return { ...page, totalRows, offset: Math.min(totalRows, Math.max(0, page.offset! - before)) }
}

/** Live documents before `key`, in the direction of travel. */
function rank(database: Database, key: string, descending: boolean): number {
  const page = database.allDocs({ startKey: key, descending, limit: 0 })
  page.rows.return?.()
  return page.offset
}

function keysPage(
  database: Database,
  namespace: Namespace,
  keys: readonly unknown[],
  parameters: ViewParameters,
): Page {
  const { skip, limit, descending } = parameters
  const wanted = keys.filter((key) => namespace === 'all' || (typeof key === 'string' && isDesignId(key)))
  if (descending) wanted.reverse()
  const chosen = wanted.slice(skip, limit === undefined ? undefined : skip + limit)
  const page = database.allDocs({ limit: 0 })
  page.rows.return?.()
  const totalRows =
    namespace === 'all'
      ? page.isUncounted
        ? null
        : page.totalRows
      : rank(database, DESIGN_END, false) - rank(database, DESIGN_START, false)
  const updateSeq = parameters.updateSeq ? null : undefined
  return { totalRows, offset: null, updateSeq, rows: keyTexts(database, chosen, parameters) }
}

function* keyTexts(
  database: Database,
  keys: readonly unknown[],
  parameters: ViewParameters,
): Generator<RowPieces> {
  const { partition } = parameters
  const within = partition === undefined ? '' : partitionBounds(partition).start
  for (const key of keys) {
    const row =
      typeof key === 'string' && key.startsWith(within) ? keyRow(database, key, parameters) : undefined
    yield row ?? [`{"key":${keyText(key)},"error":"not_found"}`]
  }
}

/** A local document is in no range, but as in CouchDB a key finds it. */
function keyRow(database: Database, key: string, parameters: ViewParameters): RowPieces | undefined {
  if (isLocalId(key)) return localRow(database, key, parameters)
  const row = database.lookup(key)
  return row && rowText(row, parameters)
}

function rowText(row: AllDocsRow, parameters: ViewParameters): RowPieces {
  const id = stringText(row.id)
  const deleted = row.deleted ? ',"deleted":true' : ''
  const head = `{"id":${id},"key":${id},"value":{"rev":${stringText(row.rev)}${deleted}}`
  if (!parameters.includeDocs) return [`${head}}`]
  if (row.deleted) return [`${head},"doc":null}`]
  const { conflicts = false, attachments } = parameters
  const [start, ...rest] = viewPieces(row.document(), { conflicts, attachments })
  return [`${head},"doc":${start}`, ...rest, '}']
}

/** `_partition/{p}/_all_docs`. */
export function allDocsOfPartition(partition: string): Methods {
  return {
    allow: 'GET,HEAD,POST',
    methods: { GET: get('all', partition), POST: post('all', partition) },
  }
}

function resources(route: 'db/_all_docs' | 'db/_design_docs', namespace: Namespace): Resource[] {
  return [
    {
      route,
      endpoint: 'alone',
      body: 'lookup',
      allow: 'GET,HEAD,POST',
      methods: { GET: get(namespace), POST: post(namespace) },
    },
    {
      route: `${route}/queries`,
      endpoint: 'alone',
      body: 'lookup',
      allow: 'POST',
      methods: { POST: queries(namespace) },
    },
  ]
}

export const allDocsResources: Resource[] = [
  ...resources('db/_all_docs', 'all'),
  ...resources('db/_design_docs', 'design'),
]
