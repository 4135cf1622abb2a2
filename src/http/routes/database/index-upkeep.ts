/** `_view_cleanup` and `_compact/{design document}`: the upkeep of indexes. */
import type { Steps } from '../../../base/time-slice.ts'
import { viewsOf } from '../../../views/design-views.ts'
import { type Answer, ok } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

const FIRST_ID = '_design/'
/** Behind every id of a design document. */
const END_ID = '_design0'

async function viewCleanup(exchange: Exchange): Promise<Answer> {
  requireContentType(exchange.header('content-type'), 'application/json')
  const signatures = await exchange.inTurns(usedSignatures(exchange))
  await exchange.backend.indexes.cleanUp(exchange.lease.database, signatures)
  return ok(202)
}

/** Of the indexes that design documents have. */
function* usedSignatures({ backend, lease: { database } }: Exchange): Steps<string[]> {
  const signatures = new Set<string>()
  const { rows } = database.allDocs({ startKey: FIRST_ID, endKey: END_ID, inclusiveEnd: false })
  try {
    for (const row of rows) {
      const design = backend.designs.of(database, row.document())
      signatures.add(viewsOf(design, row.id, database.properties.partitioned).definition.signature)
      yield
    }
  } finally {
    rows.return?.()
  }
  return [...signatures]
}

/** Throws missing, deleted. */
export async function compactViews(exchange: Exchange, name: string): Promise<Answer> {
  const { backend, lease } = exchange
  const design = backend.designs.named(lease.database, name)
  const { definition } = viewsOf(design, `${FIRST_ID}${name}`, lease.database.properties.partitioned)
  if (design.isJavaScript) await backend.indexes.compact(lease.database, definition)
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
