import { DatabaseError } from '../../../base/errors.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { absent, type Resource, refusing } from '../resource.ts'

/** Features that are not there say so: an answer that only looks right would cost somebody data. */
async function replicate(exchange: Exchange): Promise<never> {
  if (exchange.method !== 'POST') {
    if (exchange.place.rest.length === 0) throw new DatabaseError('badRequest', 'Missing request body')
    throw new DatabaseError('methodNotAllowed', 'Only POST allowed', { headers: { allow: 'POST' } })
  }
  requireContentType(exchange.header('content-type'), 'application/json')
  await exchange.jsonObject()
  throw new DatabaseError('notImplemented', 'replication by the server is not implemented')
}

const autoPurge = absent('db/_auto_purge', 'purging')

/** No database has settings for it yet. */
const AUTO_PURGE: Resource = {
  ...autoPurge,
  methods: {
    ...autoPurge.methods,
    GET: () => {
      throw new DatabaseError('missing')
    },
  },
}

/** Gone since CouchDB 2, whatever the method. */
const TEMPORARY_VIEW = refusing('db/_temp_view', () => {
  throw new DatabaseError('gone', 'Temporary views are not supported in CouchDB')
})

export const absentResources: Resource[] = [
  {
    route: '_replicate',
    endpoint: 'owns-rest',
    body: 'names',
    allow: 'POST',
    methods: { POST: replicate, GET: replicate },
  },
  AUTO_PURGE,
  TEMPORARY_VIEW,
  absent('db/_find', 'querying'),
  absent('db/_explain', 'querying'),
  absent('db/_index', 'querying'),
  absent('db/_shards', 'sharding'),
  absent('db/_sync_shards', 'sharding'),
  absent('db/_search_cleanup', 'search'),
  absent('db/_nouveau_cleanup', 'search'),
]
