/**
 * Who takes packed edits: databases by themselves, and nobody who stands before one and shows less of it, or lets less be written.
 * So it is no method of a database, which such a one would hand on.
 */
import type { Compression } from '../../base/compression.ts'
import type { EditCheck } from '../api/database.ts'
import type { PackedResults } from './apply-packed.ts'
import type { PackedEdits } from './packed-edits.ts'

export interface PackedWay {
  /** How bodies are stored now; undefined: the database takes no packed edits. */
  readonly packs: Compression | undefined
  /**
   * Writes the edits, in parts as `Database.update`, and rejects as it does. Undefined: nothing was written, since they have to
   * be checked; a result `checkOutdated`: so has this one.
   */
  updatePacked(edits: PackedEdits, check: EditCheck): Promise<PackedResults | undefined>
}

const ways = new WeakMap<object, PackedWay>()

export function offerPacked(database: object, way: PackedWay): void {
  ways.set(database, way)
}

export function packedWayOf(database: object): PackedWay | undefined {
  return ways.get(database)
}
