/** Late changes, applied in short turns of the event loop: others have theirs between. */
import type { Clock } from '../clock.ts'
import { giveWay } from '../disk/system.ts'
import type { Tree } from '../tree/tree.ts'

/** Late changes are applied so long, and in so many steps, before others have their turn. */
const TURN_MS = 5
const TURN_STEPS = 32

/** Applies the late changes of all trees, as long as `goesOn`. Throws DAMAGED and what a comparator throws. */
export async function settleInTurns(
  trees: Iterable<Tree>,
  clock: Clock,
  goesOn: () => boolean,
): Promise<void> {
  for (const tree of trees) {
    while (tree.isLate && goesOn()) {
      await giveWay()
      const startMs = clock.now()
      let steps = 0
      tree.settleUntil(() => ++steps >= TURN_STEPS || Math.abs(clock.now() - startMs) >= TURN_MS)
    }
  }
}
