/** What the threads that serve requests ask of the core about indexes. All of it can be sent to another thread, and back. */
import type { SharedProgress } from '../../native-free-btree/index.ts'
import type { Failure as ScriptFailure } from '../scripting/script-error.ts'
import type { IndexDefinition, IndexInfo } from './api.ts'

/** An index of a database: of the incarnation with this uuid, which its name may lead to no more. */
export interface IndexOf {
  readonly database: string
  readonly uuid: string
  readonly definition: IndexDefinition
}

/** An index that can be followed, or why a map could not make its rows. */
export type Prepared = { readonly progress: SharedProgress } | { readonly failure: ScriptFailure }

export interface IndexService {
  /**
   * Opens an index, or makes it. With a number of a change it is built up to there first. Rejects when the signal is
   * aborted: the build goes on.
   */
  prepare(index: IndexOf, untilSeq: number | undefined, options: { signal: AbortSignal }): Promise<Prepared>
  /** Has it built, and nobody waits for that. */
  buildLater(index: IndexOf): void
  info(index: IndexOf): Promise<IndexInfo>
  compact(index: IndexOf): Promise<void>
  cleanUp(database: string, uuid: string, signatures: readonly string[]): Promise<void>
  /** Bytes of it are not what was written. Who has it prepared after that gets another one. */
  damaged(index: IndexOf): void
}
