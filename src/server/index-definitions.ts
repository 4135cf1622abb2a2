/** The indexes of a database that are built without being asked for. */
import type { Steps } from '../base/time-slice.ts'
import type { Database } from '../database/api/database.ts'
import type { DesignDocuments } from '../design/design-documents.ts'
import { designViews } from '../documents/design-views.ts'
import type { IndexDefinition } from '../indexes/api.ts'
import { designIndexSteps } from '../mango/mango-index.ts'
import { viewsOf } from '../views/design-views.ts'

/** Those with equal signatures once. */
export function* definitionSteps(
  designs: DesignDocuments,
  database: Database,
): Steps<readonly IndexDefinition[]> {
  const found = new Map<string, IndexDefinition>()
  const { partitioned } = database.properties
  for (const view of designViews(database)) {
    yield
    const design = designs.of(database, view)
    if (!design.isAutoUpdated) continue
    if (design.isJavaScript) {
      const { definition } = viewsOf(design, view.id, partitioned)
      if (definition.trees.length > 0) found.set(definition.signature, definition)
    }
    for (const { definition } of yield* designIndexSteps(view, partitioned)) {
      if (definition !== undefined) found.set(definition.signature, definition)
    }
  }
  return [...found.values()]
}
