/** How far a compaction is, in the terms of `_active_tasks`. */

export const COMPACTION_PHASES = ['document_copy', 'docid_copy', 'tree_copy', 'catch_up', 'swap'] as const

export type CompactionPhase = (typeof COMPACTION_PHASES)[number]

export interface CompactionProgress {
  phase: CompactionPhase
  /** Entries copied and changes caught up with, of those known so far. */
  changesDone: number
  totalChanges: number
  /** Length of the new file, and about what it will be. */
  bytesDone: number
  bytesTotal: number
  /** It goes on from where an earlier one was interrupted. */
  resumed: boolean
}
