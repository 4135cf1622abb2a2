import type { AllDocsOptions, Database, LocalDocument } from '../../../database/api/database.ts'
import { isLocalId } from '../../../documents/document-id.ts'
import { localText } from '../../../documents/document-text.ts'
import { PAUSE } from '../../../documents/piece.ts'
import { stringText } from '../../../json/writer.ts'
import { type Answer, jsonStream } from '../../answer/answer.ts'
import { listing, MappedRows, type Page, type RowPieces, type RowStep } from '../../answer/view-listing.ts'
import type { Exchange } from '../../request/exchange.ts'
import { keysOfQuery } from '../../request/parameters.ts'
import type { Query } from '../../request/query.ts'
import { keysOfBody, queriesOfBody, withExactCounts } from '../../request/view-body.ts'
import { idRange, parseViewParameters, type ViewParameters } from '../../request/view-parameters.ts'
import type { Resource } from '../resource.ts'

/** Local documents that CouchDB's nodes and indexes keep for themselves. */
const SYSTEM_PREFIXES = ['purge-', 'shard-sync-'] as const

/** The query string alone asks for them, and not that of `queries`. */
function showsSystem(query: Query): boolean {
  return query.last('include_system') === 'true'
}

/** `_local_docs`: neither counted nor in the update sequence, so totals, offsets and sequences are null. */
function get(exchange: Exchange): Answer {
  const keys = keysOfQuery(exchange.query)
  const parameters = parseViewParameters(exchange.query, {}, { keys })
  return jsonStream(
    200,
    listing([() => openPage(exchange.database, parameters, showsSystem(exchange.query))]),
  )
}

async function post(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const body = await withExactCounts(exchange, await exchange.jsonObject())
  const keys = keysOfBody(body)
  const parameters = parseViewParameters(exchange.query, { ...body, keys }, { keys })
  return jsonStream(
    200,
    listing([() => openPage(exchange.database, parameters, showsSystem(exchange.query))]),
  )
}

async function queries(exchange: Exchange): Promise<Answer> {
  const all = queriesOfBody(await exchange.jsonObject())
  const parameters: ViewParameters[] = []
  for (const [index, query] of all.entries()) {
    const counted = await withExactCounts(exchange, query, 'queries', index)
    parameters.push(parseViewParameters(exchange.query, counted, { order: 'body-last' }))
  }
  const pages = parameters.map((each) => () => openPage(exchange.database, each, false))
  return jsonStream(200, listing(pages, { results: true }))
}

function openPage(database: Database, parameters: ViewParameters, isSystemShown: boolean): Page {
  const rows =
    parameters.keys === undefined
      ? rangeRows(database, parameters, isSystemShown)
      : keyRows(database, parameters.keys, parameters)
  return { totalRows: null, offset: null, updateSeq: parameters.updateSeq ? null : undefined, rows }
}

function rangeRows(
  database: Database,
  parameters: ViewParameters,
  isSystemShown: boolean,
): Iterator<RowStep> {
  const range = idRange(parameters)
  if (range.empty) return [].values()
  const { inclusiveEnd, descending, skip, limit } = parameters
  const options: AllDocsOptions = {
    startKey: range.startKey,
    endKey: range.endKey,
    inclusiveEnd,
    descending,
  }
  const rowOf = (document: LocalDocument): RowPieces => rowText(document, parameters)
  if (isSystemShown) return new MappedRows(database.localDocs({ ...options, skip, limit }), rowOf)
  return new PublicRows(database.localDocs(options), rowOf, skip, limit)
}

/** How many rows may be passed over in one step. */
const MOST_PASSED = 128

/** The rows that are not the system's, of which alone `skip` and `limit` speak. */
class PublicRows implements Iterator<RowStep> {
  readonly #documents: Iterator<LocalDocument>
  readonly #rowOf: (document: LocalDocument) => RowPieces
  #skip: number
  #left: number

  constructor(
    documents: Iterator<LocalDocument>,
    rowOf: (document: LocalDocument) => RowPieces,
    skip: number,
    limit = Number.POSITIVE_INFINITY,
  ) {
    this.#documents = documents
    this.#rowOf = rowOf
    this.#skip = skip
    this.#left = limit
  }

  next(): IteratorResult<RowStep> {
    if (this.#left <= 0) return this.return()
    for (let passed = 0; passed < MOST_PASSED; passed++) {
      const { done, value } = this.#documents.next()
      if (done === true) return { done, value: undefined }
      if (SYSTEM_PREFIXES.some((prefix) => value.id.startsWith(prefix))) continue
      if (this.#skip > 0) this.#skip -= 1
      else {
        this.#left -= 1
        return { done: false, value: this.#rowOf(value) }
      }
    }
    return { done: false, value: PAUSE }
  }

  return(): IteratorResult<RowStep> {
    this.#documents.return?.()
    return { done: true, value: undefined }
  }
}

function* keyRows(
  database: Database,
  keys: readonly unknown[],
  parameters: ViewParameters,
): Generator<RowPieces> {
  const { skip, limit, descending } = parameters
  const wanted = keys.filter((key): key is string => typeof key === 'string' && isLocalId(key))
  if (descending) wanted.reverse()
  for (const key of wanted.slice(skip, limit === undefined ? undefined : skip + limit)) {
    yield localRow(database, key, parameters) ?? [`{"key":${stringText(key)},"error":"not_found"}`]
  }
}

/** The row of the local document `id`, its `_local/` included; undefined where there is none. */
export function localRow(database: Database, id: string, parameters: ViewParameters): RowPieces | undefined {
  const document = database.getLocal(id.slice('_local/'.length))
  return document && rowText(document, parameters)
}

function rowText(document: LocalDocument, parameters: ViewParameters): RowPieces {
  const id = stringText(`_local/${document.id}`)
  const head = `{"id":${id},"key":${id},"value":{"rev":${stringText(document.rev)}}`
  return parameters.includeDocs ? [`${head},"doc":`, localText(document), '}'] : [`${head}}`]
}

export const localDocsResources: Resource[] = [
  {
    route: 'db/_local_docs',
    endpoint: 'alone',
    body: 'lookup',
    allow: 'GET,HEAD,POST',
    methods: { GET: get, POST: post },
  },
  {
    route: 'db/_local_docs/queries',
    endpoint: 'alone',
    body: 'lookup',
    allow: 'POST',
    methods: { POST: queries },
  },
]
