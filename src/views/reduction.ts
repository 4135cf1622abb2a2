/** How the groups of a view are reduced, whoever does it. */
import { runInTurns } from '../base/time-slice.ts'
import type { RowRange } from '../indexes/api.ts'
import type { BuiltinReduction } from '../indexes/reduce/builtin-reduction.ts'

/** JSON, or why there is none: a function's result was too long for what it was made of. */
export type Reduced = Uint8Array | { readonly overflow: string }

export interface Reduction {
  /**
   * One result for each range, none of which is empty. Rejects when the signal is aborted, and with ScriptError for what ends a
   * function.
   */
  reduce(ranges: readonly RowRange[], signal: AbortSignal): Promise<Reduced[]>
}

/** By a built-in reduce, from the tree's summaries. */
export function builtinReduction(builtin: BuiltinReduction): Reduction {
  return {
    async reduce(ranges, signal) {
      const results: Reduced[] = []
      for (const range of ranges) {
        const result = await runInTurns(builtin.resultSteps(range), () => signal.throwIfAborted())
        if (result === undefined) throw new Error('a group without rows')
        results.push(result)
      }
      return results
    },
  }
}
