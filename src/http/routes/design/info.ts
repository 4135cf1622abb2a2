/** `_info`: what there is to say of a design document's views. */
import { DESIGN_START } from '../../../documents/design-views.ts'
import type { IndexInfo } from '../../../indexes/api.ts'
import { viewsOf } from '../../../views/design-views.ts'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { indexesOf } from '../database/design-indexes.ts'
import type { Resource } from '../resource.ts'
import { openDesign } from './design-call.ts'

/** Of a design document whose language has no indexes. */
const NOTHING: IndexInfo = {
  updateSeq: 0,
  purgeSeq: 0,
  fileBytes: 0,
  activeBytes: 0,
  externalBytes: 0,
  isBuilding: false,
  isCompacting: false,
  waiting: 0,
}

async function info(exchange: Exchange): Promise<Answer> {
  const { design } = openDesign(exchange)
  const { database, backend } = exchange
  const { definition } = viewsOf(design, exchange.id, database.properties.partitioned)
  const definitions = indexesOf(exchange, database.get(exchange.id))
  const infos = await Promise.all(
    definitions.map((each) => backend.indexes.info(exchange.lease.database, each)),
  )
  const index = infos.length === 0 ? NOTHING : infos.reduce(together)
  const pending = changesBehind(exchange, index.updateSeq)
  const collated = definition.trees.some(({ isRaw }) => !isRaw)
  return json(200, {
    name: exchange.id.slice(DESIGN_START.length),
    view_index: {
      updates_pending: { minimum: pending, preferred: pending, total: pending },
      waiting_commit: false,
      waiting_clients: index.waiting,
      updater_running: index.isBuilding,
      update_seq: index.updateSeq,
      sizes: { file: index.fileBytes, external: index.externalBytes, active: index.activeBytes },
      signature: definition.signature,
      purge_seq: index.purgeSeq,
      language: design.language,
      compact_running: index.isCompacting,
      collator_versions: collated ? [process.versions['icu']] : [],
    },
  })
}

/** Of the files of one design document: what all of them have, and what any of them does. */
function together(a: IndexInfo, b: IndexInfo): IndexInfo {
  return {
    updateSeq: Math.min(a.updateSeq, b.updateSeq),
    purgeSeq: Math.min(a.purgeSeq, b.purgeSeq),
    fileBytes: a.fileBytes + b.fileBytes,
    activeBytes: a.activeBytes + b.activeBytes,
    externalBytes: a.externalBytes + b.externalBytes,
    isBuilding: a.isBuilding || b.isBuilding,
    isCompacting: a.isCompacting || b.isCompacting,
    waiting: a.waiting + b.waiting,
  }
}

/** Documents that changed since. */
function changesBehind({ lease }: Exchange, since: number): number {
  const page = lease.database.changes({ since, limit: 0 })
  page.rows.return?.()
  return page.pending()
}

export const infoResource: Resource = {
  route: 'design/_info',
  endpoint: 'owns-rest',
  allow: 'GET',
  methods: { GET: info },
}
