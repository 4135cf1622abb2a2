/** What a compaction, the open database and whoever watches say to each other. */
import type { SnapshotHandle } from '../../../native-free-btree/index.ts'

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

/** The open store, from wherever the compaction runs. */
export interface CompactionSource {
  readonly path: string
  readonly uuid: string
  readonly salt: bigint
  exportSnapshot(): Promise<SnapshotHandle>
  durableEnd(): Promise<number>
  slowDown(delayMs: number): void
  /** Resolves when the writer's turn has come, with the end of the file; the writer waits until `swap` or `giveBack`. */
  turn(): Promise<number>
  giveBack(): void
  swap(path: string): Promise<void>
}

/** Thrown by `pace`: the compaction is to end. With `keep` its file stays, to be gone on from. */
export class CompactionCancelled extends Error {
  readonly keep: boolean

  constructor(keep: boolean) {
    super('the compaction was cancelled')
    this.keep = keep
  }
}
