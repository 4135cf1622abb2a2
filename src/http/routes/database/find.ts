import { DatabaseError } from '../../../base/errors.ts'
import type { Metrics } from '../../../base/metrics.ts'
import { channelRefusal } from '../../../channels/channelled-database.ts'
import type { Database } from '../../../database/api/database.ts'
import type { Indexes } from '../../../indexes/api.ts'
import { type QueryPlans, queryPlans, queryPlansNow } from '../../../mango/branches.ts'
import { explainSteps } from '../../../mango/explain.ts'
import { type FindContext, type FindPiece, find } from '../../../mango/find.ts'
import { type FindOptions, readFindOptions } from '../../../mango/find-options.ts'
import { ALL_DOCS, indexSteps, knownIndexes, type MangoIndex } from '../../../mango/mango-index.ts'
import { QueryMembers } from '../../../mango/query-members.ts'
import { JsonSlice } from '../../../selector/json-slice.ts'
import { type Answer, jsonStream, jsonText } from '../../answer/answer.ts'
import { requireObject } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { goneSignal } from '../../request/gone-signal.ts'
import type { Methods, Resource } from '../resource.ts'

/** `_find` and `_explain`, of a database and of a partition. */

const OPEN_BRACE = 0x7b

/** The body of a request of Mango, as it stands in its canonical text. Rejects with badRequest where it is no object. */
export async function queryBody(exchange: Exchange): Promise<JsonSlice> {
  return bodyOf(await exchange.jsonTypedText())
}

function bodyOf(text: Buffer): JsonSlice {
  if (text[0] !== OPEN_BRACE) requireObject(undefined)
  return new JsonSlice(text, 0)
}

/** The database's indexes for queries. Rejects with clientGone. */
export async function mangoIndexes(exchange: Exchange): Promise<readonly MangoIndex[]> {
  return atOnce(exchange) ?? exchange.inTurns(indexSteps(exchange.database))
}

/** Indexes hold rows of all documents: who sees his channels alone has none but the documents that he sees. */
function atOnce(exchange: Exchange): readonly MangoIndex[] | undefined {
  return exchange.isChannelled ? [ALL_DOCS] : knownIndexes(exchange.database)
}

/** `partition` of the query string is that of a path, as in CouchDB, which makes the one of the other. */
function optionsOf(exchange: Exchange, text: Buffer, ofPath: string): FindOptions {
  const { findLimit: limit } = exchange.limits
  const partition = ofPath === '' ? (exchange.query.get('partition') ?? '') : ofPath
  const options = readFindOptions(new QueryMembers(bodyOf(text)), { limit, partition })
  requirePartition(exchange, options, partition)
  return options
}

function findIn(partition: string): (exchange: Exchange) => Promise<Answer> {
  return (exchange) => exchange.jsonTypedText().then((text) => found(exchange, text, partition))
}

/** At once where nothing has to be waited for. */
function found(exchange: Exchange, text: Buffer, partition: string): Answer | Promise<Answer> {
  const options = optionsOf(exchange, text, partition)
  const indexes = atOnce(exchange)
  if (indexes === undefined) return foundLater(exchange, options)
  requireSeen(exchange, options)
  const plans = queryPlansNow(indexes, options, true)
  return plans === undefined ? foundInTurns(exchange, options, indexes) : answered(exchange, options, plans)
}

async function foundLater(exchange: Exchange, options: FindOptions): Promise<Answer> {
  return foundInTurns(exchange, options, await mangoIndexes(exchange))
}

async function foundInTurns(
  exchange: Exchange,
  options: FindOptions,
  indexes: readonly MangoIndex[],
): Promise<Answer> {
  requireSeen(exchange, options)
  const plans = await exchange.inTurns(queryPlans(indexes, options, true))
  return answered(exchange, options, plans)
}

/** Figures would tell of documents that are not seen. Throws forbidden. */
function requireSeen(exchange: Exchange, { count, aggregate }: FindOptions): void {
  if (exchange.isChannelled && (count || aggregate !== undefined)) throw channelRefusal()
}

function answered(
  exchange: Exchange,
  options: FindOptions,
  { whole, branches }: QueryPlans,
): Answer | Promise<Answer> {
  const pieces = find(new ExchangeContext(exchange), options, whole, branches)
  return pieces instanceof Promise ? pieces.then(documentsAnswer) : documentsAnswer(pieces)
}

function documentsAnswer(pieces: Iterator<FindPiece>): Answer {
  return jsonStream(200, pieces)
}

/** What a query is carried out with, for a request. */
class ExchangeContext implements FindContext {
  readonly database: Database
  readonly indexes: Indexes
  readonly metrics: Metrics
  readonly clock: FindContext['clock']
  readonly selectorBudgetMs: number
  readonly scanWarningThreshold: number
  readonly #exchange: Exchange
  #signal: AbortSignal | undefined

  constructor(exchange: Exchange) {
    const { backend, limits } = exchange
    this.#exchange = exchange
    this.database = exchange.database
    this.indexes = backend.indexes
    this.metrics = backend.metrics
    this.clock = backend.clock
    this.selectorBudgetMs = limits.selectorBudgetMs
    this.scanWarningThreshold = limits.scanWarningThreshold
  }

  signal(): AbortSignal {
    this.#signal ??= goneSignal(this.#exchange)
    return this.#signal
  }
}

function explainIn(partition: string): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    const options = optionsOf(exchange, await exchange.jsonTypedText(), partition)
    const { database } = exchange
    const indexes = await mangoIndexes(exchange)
    const { whole, branches } = await exchange.inTurns(queryPlans(indexes, options, false))
    const text = await exchange.inTurns(explainSteps(database, options, whole, branches))
    return jsonText(200, `${text}\n`)
  }
}

/** Throws badRequest. */
function requirePartition({ database }: Exchange, { partition }: FindOptions, ofPath: string): void {
  if (ofPath !== '' && partition !== ofPath) {
    throw new DatabaseError('badRequest', '`partition` must match the partition of the path.')
  }
  if (partition !== '' && !database.properties.partitioned) {
    throw new DatabaseError('badRequest', '`partition` is not supported on this database.')
  }
}

/** `_partition/{p}/_find`. */
export function findOfPartition(partition: string): Methods {
  return { allow: 'POST', methods: { POST: findIn(partition) } }
}

/** `_partition/{p}/_explain`. */
export function explainOfPartition(partition: string): Methods {
  return { allow: 'POST', methods: { POST: explainIn(partition) } }
}

/** What stands behind the name in the path is not looked at, as in CouchDB. */
export const findResources: Resource[] = [
  {
    route: 'db/_find',
    endpoint: 'owns-rest',
    body: 'query',
    allow: 'POST',
    methods: { POST: findIn('') },
  },
  {
    route: 'db/_explain',
    endpoint: 'owns-rest',
    body: 'query',
    allow: 'POST',
    methods: { POST: explainIn('') },
  },
]
