/** How the groups of a view are reduced by somebody who is asked for it. */
import type { Group } from './groups.ts'

/** JSON, or why there is none: a function's result was too long for what it was made of. */
export type Reduced = Uint8Array | { readonly overflow: string }

export interface Reduction {
  /**
   * Results of the first of the groups: of all, or of at least one where they are long. Rejects when the signal is aborted, and with ScriptError for what ends a
   * function.
   */
  reduce(groups: readonly Pick<Group, 'range' | 'rows'>[], signal: AbortSignal): Promise<Reduced[]>
}

/** So much is held at a time, and one result more. */
export const MOST_RESULT_BYTES = 256 * 1024
