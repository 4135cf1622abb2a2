import { DatabaseError } from '../../../base/errors.ts'
import { absent, missing, type Resource, refusing } from '../resource.ts'

/** Features that are not there say so: an answer that only looks right would cost somebody data. */
const autoPurge = absent('db/_auto_purge', 'purging')

/** No database has settings for it yet. */
const AUTO_PURGE: Resource = {
  ...autoPurge,
  methods: { ...autoPurge.methods, GET: missing },
}

/** Gone since CouchDB 2, whatever the method. */
const TEMPORARY_VIEW = refusing('db/_temp_view', () => {
  throw new DatabaseError('gone', 'Temporary views are not supported in CouchDB')
})

export const absentResources: Resource[] = [
  AUTO_PURGE,
  TEMPORARY_VIEW,
  absent('db/_search_cleanup', 'search'),
  absent('db/_nouveau_cleanup', 'search'),
]
