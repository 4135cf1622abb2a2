/**
 * What the core and the thread that writes indexes say to each other. An index is named by the path of its file. Arguments and
 * results are what structured cloning takes.
 */
import type { SharedProgress } from '../../native-free-btree/index.ts'
import type { EventLevel, LogFields } from '../base/log.ts'
import type { SettingName } from '../config/settings.ts'
import type { SharedDatabase } from '../database/api/remote-writer.ts'
import type { Failure as ScriptFailure } from '../scripting/script-error.ts'
import type { IndexDefinition } from './api.ts'
import type { BuildProgress } from './build.ts'

/** Entries that are copied, and the length of the new file, of those known so far. */
export interface CompactionProgress {
  readonly changesDone: number
  readonly totalChanges: number
  readonly bytesDone: number
  readonly bytesTotal: number
}

/** What is needed to open an index. */
export interface IndexPlace {
  readonly path: string
  /** The database's uuid. */
  readonly database: string
  readonly definition: IndexDefinition
}

/** An index that the thread has open. */
export interface OpenedIndex {
  readonly progress: SharedProgress
  readonly updateSeq: number
}

export interface IndexSizes {
  readonly updateSeq: number
  readonly purgeSeq: number
  readonly fileBytes: number
  readonly activeBytes: number
  readonly externalBytes: number
}

/** What the core asks of the thread. */
export interface IndexCalls {
  open: { args: IndexPlace; result: OpenedIndex }
  /** Answered when the index is as new as its database was then, or a map has failed. */
  build: {
    args: IndexPlace & { shared: SharedDatabase }
    result: { opened: OpenedIndex } | { failure: ScriptFailure }
  }
  sizes: { args: IndexPlace; result: IndexSizes }
  /** Answered when the new file has the name. */
  compact: { args: IndexPlace; result: undefined }
  /** Closes and removes indexes. */
  remove: { args: { paths: readonly string[] }; result: undefined }
  /** The file cannot be read: it is made anew when it is asked for. */
  discard: { args: { path: string }; result: undefined }
  stop: { args: undefined; result: undefined }
}

/** What the core tells the thread. */
export interface IndexNotices {
  /** Is to end. */
  cancel: { path: string; what: 'build' | 'compaction' }
  setting: { name: SettingName; value: unknown }
}

/** What the thread tells the core. */
export interface CoreNotices {
  log: { level: EventLevel; message: string; fields: LogFields | undefined }
  building: { path: string; progress: BuildProgress }
  compacting: { path: string; progress: CompactionProgress }
}

export interface IndexVocabulary {
  calls: IndexCalls
  notices: IndexNotices
}

export interface CoreVocabulary {
  calls: object
  notices: CoreNotices
}
