/** `_info`: what there is to say of a design document's views. */
import { createHash } from 'node:crypto'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'
import { openDesign } from './design-call.ts'

const DESIGN_PREFIX = '_design/'

/** Nothing is indexed: every document, deleted ones included, would have to be. */
function info(exchange: Exchange): Answer {
  const { design } = openDesign(exchange)
  const { docCount, docDelCount } = exchange.database.info()
  const pending = docCount + docDelCount
  return json(200, {
    name: exchange.id.slice(DESIGN_PREFIX.length),
    view_index: {
      updates_pending: { minimum: pending, preferred: pending, total: pending },
      waiting_commit: false,
      waiting_clients: 0,
      updater_running: false,
      update_seq: 0,
      sizes: { file: 0, external: 0, active: 0 },
      signature: createHash('md5').update(design.views.design).digest('hex'),
      purge_seq: 0,
      language: design.language,
      compact_running: false,
      collator_versions: [],
    },
  })
}

export const infoResource: Resource = {
  route: 'design/_info',
  endpoint: 'owns-rest',
  allow: 'GET',
  methods: { GET: info },
}
