/** How the groups of a view are reduced, whoever does it. */
import { runInTurns } from '../base/time-slice.ts'
import type { BuiltinReduction } from '../indexes/reduce/builtin-reduction.ts'
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

/** By a built-in reduce, from the tree's summaries. */
export function builtinReduction(builtin: BuiltinReduction): Reduction {
  return {
    async reduce(groups, signal) {
      const results: Reduced[] = []
      let bytes = 0
      for (const { range, rows } of groups) {
        let result = rows === undefined ? undefined : builtin.resultOfRows(rows)
        result ??= await runInTurns(builtin.resultSteps(range), () => signal.throwIfAborted())
        if (result === undefined) throw new Error('a group without rows')
        results.push(result)
        bytes += result.length
        if (bytes >= MOST_RESULT_BYTES) break
      }
      return results
    },
  }
}
