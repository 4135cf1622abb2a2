import { DatabaseError } from '../../../base/errors.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { missing, type Resource } from '../resource.ts'

/** Analyzers of texts: there are none, and the endpoints answer as those of a CouchDB without Clouseau and Nouveau. */

function analyzeQuery({ query }: Exchange): never {
  analyze(query.get('analyzer'), query.get('text'))
}

async function analyzeBody(exchange: Exchange): Promise<never> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const { analyzer, text } = await exchange.jsonObject()
  analyze(analyzer, text)
}

/** As in CouchDB, what is asked for is looked at first. */
function analyze(analyzer: unknown, text: unknown): never {
  if (analyzer === undefined) refuse('analyzer parameter is mandatory')
  if (!isText(analyzer) && !isFilled(analyzer)) refuse('analyzer parameter must be a string or an object')
  if (text === undefined) refuse('text parameter is mandatory')
  if (!isText(text)) refuse('text parameter must be a string')
  throw new DatabaseError('serviceUnavailable', 'Search is not available')
}

/** A list is one in Erlang. */
function isText(value: unknown): boolean {
  return typeof value === 'string' || Array.isArray(value)
}

function isFilled(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

function refuse(reason: string): never {
  throw new DatabaseError('badRequest', reason)
}

export const analyzeResources: Resource[] = [
  {
    route: '_search_analyze',
    endpoint: 'owns-rest',
    allow: 'GET,POST',
    methods: { GET: analyzeQuery, POST: analyzeBody },
  },
  {
    route: '_nouveau_analyze',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: missing },
  },
]
