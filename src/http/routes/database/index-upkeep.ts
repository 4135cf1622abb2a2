/** `_view_cleanup` and `_compact/{design document}`: the upkeep of indexes. */
import type { Steps } from '../../../base/time-slice.ts'
import { DESIGN_START, designViews } from '../../../documents/design-views.ts'
import { type Answer, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'
import { indexesOf } from './design-indexes.ts'

async function viewCleanup(exchange: Exchange): Promise<Answer> {
  const signatures = await exchange.inTurns(usedSignatures(exchange))
  await exchange.backend.indexes.cleanUp(exchange.lease.database, signatures)
  return ok(202)
}

/** Of the indexes that design documents have. */
function* usedSignatures(exchange: Exchange): Steps<string[]> {
  const { database } = exchange.lease
  const signatures = new Set<string>()
  for (const view of designViews(database)) {
    for (const { signature } of indexesOf(exchange, view)) signatures.add(signature)
    yield
  }
  return [...signatures]
}

/** Throws missing, deleted. */
export async function compactViews(exchange: Exchange, name: string): Promise<Answer> {
  const { backend, lease } = exchange
  for (const definition of indexesOf(exchange, lease.database.get(`${DESIGN_START}${name}`))) {
    await backend.indexes.compact(lease.database, definition)
  }
  return ok(202)
}

export const indexUpkeepResources: Resource[] = [
  {
    route: 'db/_view_cleanup',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: viewCleanup },
  },
]
