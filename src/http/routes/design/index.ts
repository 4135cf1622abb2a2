import { DatabaseError } from '../../../base/errors.ts'
import type { Answer } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { RouteName } from '../../request/rights.ts'
import type { Resource } from '../resource.ts'
import { ANY_METHOD, openDesign } from './design-call.ts'
import { infoResource } from './info.ts'
import { listResource } from './list.ts'
import { rewriteResource } from './rewrite.ts'
import { showResource } from './show.ts'
import { updateResource } from './update.ts'
import { viewResource } from './view.ts'

/** What is not there says so, once the design document is found to be. */
function absent(route: RouteName, name: string): Resource {
  const refuse = (exchange: Exchange): Answer => {
    openDesign(exchange)
    throw new DatabaseError('notImplemented', `${name} is not implemented`)
  }
  return {
    route,
    endpoint: 'owns-rest',
    allow: ANY_METHOD.join(','),
    methods: Object.fromEntries(ANY_METHOD.map((method) => [method, refuse])),
  }
}

/** Behind a design document. Other names are those of its attachments, as in CouchDB. */
export const designResources: readonly Resource[] = [
  showResource,
  updateResource,
  infoResource,
  rewriteResource,
  listResource,
  viewResource,
  absent('design/_search', '_search'),
  absent('design/_search_info', '_search_info'),
  absent('design/_search_disk_size', '_search_disk_size'),
  absent('design/_nouveau', '_nouveau'),
  absent('design/_nouveau_info', '_nouveau_info'),
  absent('design/_geo', '_geo'),
  absent('design/_geo_info', '_geo_info'),
]
