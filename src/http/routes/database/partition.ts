import { DatabaseError } from '../../../base/errors.ts'
import { checkPartition } from '../../../database/layout/partition.ts'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { encodeComponent } from '../../request/path.ts'
import { handlerOf, type Methods, missing, type Resource } from '../resource.ts'
import { allDocsOfPartition } from './all-docs.ts'
import { explainOfPartition, findOfPartition } from './find.ts'

/** `_partition/{p}` and what is under it. */
async function partition(exchange: Exchange): Promise<Answer> {
  const [name, ...rest] = exchange.place.rest
  if (name === undefined) throw new DatabaseError('badRequest', 'invalid_partition_req')
  // CouchDB looks at the name of no other method.
  if (rest.length === 0 && exchange.method === 'POST' && name.startsWith('_')) checkPartition(name)
  if (rest.length === 0) return handlerOf(INFO, exchange.method)(exchange)
  requirePartitioned(exchange)
  checkPartition(name)
  if ((exchange.query.get('partition') ?? name) !== name) {
    throw new DatabaseError('badRequest', 'Conflicting value for `partition` in query string')
  }
  if (rest.length === 1 && rest[0] === '_all_docs') {
    exchange.backend.metrics.count('couchdb.httpd.partition_all_docs_requests')
    return handlerOf(allDocsOfPartition(name), exchange.method)(exchange)
  }
  if (rest[0] === '_design' && rest[2]?.startsWith('_')) {
    exchange.backend.metrics.count('couchdb.httpd.partition_view_requests')
    return withParameter(exchange, name, rest)
  }
  if (rest[0] === '_index' || rest.join('/') === '_all_docs/queries') {
    return withParameter(exchange, name, rest)
  }
  if (rest[0] === '_find') {
    exchange.backend.metrics.count('couchdb.httpd.partition_find_requests')
    exchange.bodyKind = 'query'
    return handlerOf(findOfPartition(name), exchange.method)(exchange)
  }
  if (rest[0] === '_explain') {
    exchange.backend.metrics.count('couchdb.httpd.partition_explain_requests')
    exchange.bodyKind = 'query'
    return handlerOf(explainOfPartition(name), exchange.method)(exchange)
  }
  return missing()
}

/** What the rest of the path is of the database, as if the query string named the partition. */
function withParameter(exchange: Exchange, name: string, rest: readonly string[]): Answer | Promise<Answer> {
  const path = [exchange.place.database ?? '', ...rest].map(encodeComponent).join('/')
  const parameters = [...exchange.query.pairs.filter(([key]) => key !== 'partition'), ['partition', name]]
  const query = parameters.map((pair) => pair.map(encodeComponent).join('=')).join('&')
  return exchange.service.handle(exchange.rewritten({ target: `/${path}?${query}` }))
}

function info(exchange: Exchange): Answer {
  const [name] = exchange.place.rest
  checkPartition(name!)
  requirePartitioned(exchange)
  const { docCount, docDelCount, sizes } = exchange.database.partitionInfo(name!)
  return json(200, {
    db_name: exchange.database.name,
    sizes,
    partition: name,
    doc_count: docCount,
    doc_del_count: docDelCount,
  })
}

function requirePartitioned(exchange: Exchange): void {
  if (exchange.database.properties.partitioned) return
  throw new DatabaseError('badRequest', 'database is not partitioned')
}

const INFO: Methods = { allow: 'GET', methods: { GET: info } }

export const partitionResources: Resource[] = [
  {
    route: 'db/_partition',
    endpoint: 'owns-rest',
    allow: INFO.allow,
    body: 'lookup',
    methods: Object.fromEntries(
      ['GET', 'POST', 'PUT', 'DELETE', 'COPY', 'PATCH'].map((method) => [method, partition]),
    ),
  },
]
