import { DatabaseError } from '../../../base/errors.ts'
import { channelRefusal } from '../../../channels/channelled-database.ts'
import { queryPlans, queryPlansNow } from '../../../mango/branches.ts'
import { explainSteps } from '../../../mango/explain.ts'
import { find } from '../../../mango/find.ts'
import { type FindOptions, readFindOptions } from '../../../mango/find-options.ts'
import { ALL_DOCS, indexSteps, knownIndexes, type MangoIndex } from '../../../mango/mango-index.ts'
import { QueryMembers } from '../../../mango/query-members.ts'
import { JsonSlice } from '../../../selector/json-slice.ts'
import { type Answer, jsonStream, jsonText } from '../../answer/answer.ts'
import { requireObject } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { goneSignal } from '../../request/gone-signal.ts'
import { type Methods, type Resource, withNothingBelow } from '../resource.ts'

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

function optionsOf(exchange: Exchange, text: Buffer, partition: string): FindOptions {
  const { findLimit: limit } = exchange.limits
  const options = readFindOptions(new QueryMembers(bodyOf(text)), { limit, partition })
  requirePartition(exchange, options, partition)
  return options
}

function findIn(partition: string): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    const options = optionsOf(exchange, await exchange.jsonTypedText(), partition)
    const { database, backend, limits } = exchange
    const indexes = atOnce(exchange) ?? (await mangoIndexes(exchange))
    if (exchange.isChannelled && (options.count || options.aggregate !== undefined)) throw channelRefusal()
    const { whole, branches } =
      queryPlansNow(indexes, options, true) ?? (await exchange.inTurns(queryPlans(indexes, options, true)))
    let signal: AbortSignal | undefined
    const context = {
      database,
      indexes: backend.indexes,
      metrics: backend.metrics,
      clock: backend.clock,
      signal: () => {
        signal ??= goneSignal(exchange)
        return signal
      },
      selectorBudgetMs: limits.selectorBudgetMs,
      scanWarningThreshold: limits.scanWarningThreshold,
    }
    const pieces = find(context, options, whole, branches)
    return jsonStream(200, pieces instanceof Promise ? await pieces : pieces)
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

export const findResources: Resource[] = [
  withNothingBelow({
    route: 'db/_find',
    endpoint: 'owns-rest',
    body: 'filter',
    allow: 'POST',
    methods: { POST: findIn('') },
  }),
  withNothingBelow({
    route: 'db/_explain',
    endpoint: 'owns-rest',
    body: 'filter',
    allow: 'POST',
    methods: { POST: explainIn('') },
  }),
]
