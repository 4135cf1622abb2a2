import type { AllDocsOptions, Database, LocalDocument } from '../../../database/api/database.ts'
import { isLocalId } from '../../../documents/document-id.ts'
import { localText } from '../../../documents/document-text.ts'
import { stringText } from '../../../json/writer.ts'
import { type Answer, jsonStream } from '../../answer/answer.ts'
import { listing, MappedRows, type Page, type RowPieces } from '../../answer/view-listing.ts'
import type { Exchange } from '../../request/exchange.ts'
import { keysOfQuery } from '../../request/parameters.ts'
import { keysOfBody, queriesOfBody } from '../../request/view-body.ts'
import { idRange, parseViewParameters, type ViewParameters } from '../../request/view-parameters.ts'
import type { Resource } from '../resource.ts'

/** `_local_docs`: neither counted nor in the update sequence, so totals and offsets are null. */
function get(exchange: Exchange): Answer {
  const keys = keysOfQuery(exchange.query)
  const parameters = parseViewParameters(exchange.query, {}, { keys })
  return jsonStream(200, listing([() => openPage(exchange.database, parameters)]))
}

async function post(exchange: Exchange): Promise<Answer> {
  await exchange.jsonTypedBody()
  const body = await exchange.jsonObject()
  const keys = keysOfBody(body)
  const parameters = parseViewParameters(exchange.query, { ...body, keys }, { keys })
  return jsonStream(200, listing([() => openPage(exchange.database, parameters)]))
}

async function queries(exchange: Exchange): Promise<Answer> {
  const all = queriesOfBody(await exchange.jsonObject())
  const parameters = all.map((query) => parseViewParameters(exchange.query, query, { order: 'body-last' }))
  const pages = parameters.map((each) => () => openPage(exchange.database, each))
  return jsonStream(200, listing(pages, { results: true }))
}

function openPage(database: Database, parameters: ViewParameters): Page {
  const rows =
    parameters.keys === undefined
      ? rangeRows(database, parameters)
      : keyRows(database, parameters.keys, parameters)
  return { totalRows: null, offset: null, updateSeq: undefined, rows }
}

function rangeRows(database: Database, parameters: ViewParameters): Iterator<RowPieces> {
  const range = idRange(parameters)
  if (range.empty) return [].values()
  const { inclusiveEnd, descending, skip, limit } = parameters
  const options: AllDocsOptions = {
    startKey: range.startKey,
    endKey: range.endKey,
    inclusiveEnd,
    descending,
    skip,
    limit,
  }
  return new MappedRows(database.localDocs(options), (document) => rowText(document, parameters))
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
