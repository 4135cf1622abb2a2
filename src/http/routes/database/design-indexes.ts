import type { DocumentView } from '../../../database/api/database.ts'
import type { IndexDefinition } from '../../../indexes/api.ts'
import { indexesOfDesign } from '../../../mango/mango-index.ts'
import { viewsOf } from '../../../views/design-views.ts'
import type { Exchange } from '../../request/exchange.ts'

/** The indexes that a design document has: that of its views, or those of Mango. */
export function indexesOf({ backend, lease }: Exchange, view: DocumentView): IndexDefinition[] {
  const { partitioned } = lease.database.properties
  const design = backend.designs.of(lease.database, view)
  if (design.isJavaScript) return [viewsOf(design, view.id, partitioned).definition]
  return indexesOfDesign(view, partitioned).flatMap(({ definition }) => definition ?? [])
}
