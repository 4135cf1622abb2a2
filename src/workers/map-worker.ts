/** Runs in a thread of its own: maps a database's file beside its writer. */
import { openInspection } from '../../native-free-btree/index.ts'
import { describeError } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import { restIfDue, restOften } from '../base/rest.ts'
import { databaseMap, mapValues } from '../database/layout/file-map.ts'
import { TREE_OPTIONS } from '../database/layout/tree-options.ts'
import { giveWayToOthers } from './give-way.ts'
import type { MapJob, MapReport } from './map-job.ts'

const mapValuesWithRests: typeof mapValues = (tree, value) => {
  restIfDue()
  return mapValues(tree, value)
}

export default async function runMap({ path, buckets }: MapJob): Promise<MapReport> {
  giveWayToOthers()
  restOften()
  try {
    const inspection = await openInspection(path, { trees: TREE_OPTIONS })
    try {
      return databaseMap(await inspection.map({ buckets, values: mapValuesWithRests }))
    } finally {
      await inspection.close()
    }
  } catch (error) {
    if (hasCode(error, 'NOT_FOUND')) return undefined
    // Of an error of a class of ours another thread would get half.
    throw new Error(describeError(error))
  }
}
