/** Which view a request means, and which index answers it. */
import { DatabaseError } from '../../../base/errors.ts'
import type { Database } from '../../../database/api/database.ts'
import type { IndexDefinition, IndexInfo } from '../../../indexes/api.ts'
import { indexesOfDesign } from '../../../mango/mango-index.ts'
import type { Design } from '../../../scripting/design.ts'
import { type View, viewNamed, viewsOf } from '../../../views/design-views.ts'
import type { Exchange } from '../../request/exchange.ts'
import { designView } from './design-call.ts'

export interface ViewTarget {
  readonly design: Design
  readonly definition: IndexDefinition
  readonly view: View
  readonly name: string
  /** Of the design document. */
  readonly id: string
}

/** An index that lacks no more changes than this takes no time to speak of to be there. */
const FEW_CHANGES = 1000
/** Revisions of a design document that are looked at, the newest first. */
const MOST_REVISIONS = 20
/** Of design documents whose views are indexes of Mango: such a view has their rows. */
const MANGO_LANGUAGE = 'query'

/** Throws missing_named_view. */
export function viewTarget(exchange: Exchange, design: Design, id: string, name: string): ViewTarget {
  const { partitioned } = exchange.database.properties
  if (design.language === MANGO_LANGUAGE) {
    const indexes = indexesOfDesign(designView(exchange, id), partitioned)
    const index = indexes.find((each) => each.name === name)
    if (index?.definition === undefined) throw new DatabaseError('noView')
    const view = { tree: 0, isRaw: false, reduce: index.reduce }
    return { design, definition: index.definition, view, name, id }
  }
  const views = viewsOf(design, id, partitioned)
  return { design, definition: views.definition, view: viewNamed(views, name), name, id }
}

/**
 * The same view of the design document as it was before it was changed, as long as the index that it has now is far from
 * being built and the one that it had is not. The new one is built meanwhile.
 */
export async function targetBeforeSwitch(exchange: Exchange, target: ViewTarget): Promise<ViewTarget> {
  const { indexes } = exchange.backend
  const database = exchange.lease.database
  const { definition } = target
  const info = await indexes.info(database, definition)
  if (lacking(database, info) <= FEW_CHANGES) return target
  for (const former of formerTargets(exchange, target)) {
    const formerInfo = await indexes.info(database, former.definition)
    if (formerInfo.updateSeq <= info.updateSeq) continue
    const building = new AbortController()
    const opening = indexes.open(database, definition, { freshness: 'lazy', signal: building.signal })
    exchange.service.background(opening.then((snapshot) => snapshot.close()).catch(() => {}))
    return former
  }
  return target
}

function lacking({ updateSeqNumber }: Database, { updateSeq }: IndexInfo): number {
  return updateSeqNumber - updateSeq
}

/** Those with other views, the newest first, as far as their texts are still there. */
function* formerTargets(exchange: Exchange, { id, name, definition }: ViewTarget): Generator<ViewTarget> {
  const { database } = exchange
  const seen = new Set([definition.signature])
  const revisions = database
    .get(id)
    .revsInfo()
    .slice(1, 1 + MOST_REVISIONS)
  for (const { rev, status } of revisions) {
    if (status !== 'available') continue
    const [opened] = database.openRevs(id, [rev])
    if (opened === undefined || !('ok' in opened)) continue
    const design = exchange.backend.designs.of(database, opened.ok)
    const former = viewsOf(design, id, database.properties.partitioned)
    const view = former.views.get(name)
    if (view === undefined || !design.isJavaScript || seen.has(former.definition.signature)) continue
    seen.add(former.definition.signature)
    yield { design, definition: former.definition, view, name, id }
  }
}
