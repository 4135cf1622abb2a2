/** The indexes of a database that are built without being asked for. */
import type { Database } from '../database/api/database.ts'
import type { DesignDocuments } from '../design/design-documents.ts'
import type { IndexDefinition } from '../indexes/api.ts'
import { indexesOfDesign } from '../mango/mango-index.ts'
import { viewsOf } from '../views/design-views.ts'

const FIRST_ID = '_design/'
/** Behind every id of a design document. */
const END_ID = '_design0'

/** Those with equal signatures once. */
export function definitionsOf(designs: DesignDocuments, database: Database): readonly IndexDefinition[] {
  const found = new Map<string, IndexDefinition>()
  const { partitioned } = database.properties
  for (const row of database.allDocs({ startKey: FIRST_ID, endKey: END_ID, inclusiveEnd: false }).rows) {
    const view = row.document()
    const design = designs.of(database, view)
    if (!design.isAutoUpdated) continue
    if (design.isJavaScript) {
      const { definition } = viewsOf(design, row.id, partitioned)
      if (definition.trees.length > 0) found.set(definition.signature, definition)
    }
    for (const { definition } of indexesOfDesign(view, partitioned)) {
      if (definition !== undefined) found.set(definition.signature, definition)
    }
  }
  return [...found.values()]
}
