/** What the thread of `file-maps.ts` is given, and what it gives. */
import type { DatabaseMap } from '../database/layout/file-map.ts'

export interface MapJob {
  readonly path: string
  readonly buckets: number
}

/** Undefined: there is no such file by now. */
export type MapReport = DatabaseMap | undefined
