/**
 * The engine under crashes. Invariants:
 * - After any crash the store opens, and shows the last acknowledged commit or one that was under way: nothing
 *   acknowledged is lost, nothing refused appears, no commit is seen in part, in any tree.
 * - A commit that an opening has shown stays.
 * - A crash during recovery changes nothing of this, however many follow each other.
 * - A reader, which repairs nothing, shows a whole commit that was not refused.
 * - After a failed sync the store serves the last durable commit and refuses writes; after a full disk it goes on.
 * - A store that was closed opens clean; what is committed after a recovery survives the next crash.
 */
import { CrashRun } from '../../test/support/crash-run.ts'
import { playerOf, type Target } from '../target.ts'

export const crash: Target = {
  name: 'crash',
  summary:
    'crashes at any operation of the engine: commits, checkpoints, streams, openings, closings, faults',
  caseEvents: 60,
  smokeEvents: 480,
  rarePaths: [
    'images',
    'beyond32Bits',
    'checkpointsCrossed',
    'commitsInParts',
    'full',
    'grownOverRefused',
    'leftoversTold',
    'longestCrashChain',
    'otherFaults',
    'poisoned',
    'readers',
    'recoveredByCut',
    'recoveredByReplay',
    'recoveredClean',
    'recoveredWithOneSuperblock',
    'recoveriesCrashed',
    'sameSystemReopens',
    'unacknowledgedKept',
    ...['tornBySectors', 'tornByBytes', 'subsets', 'drawnAtRandom', 'staleBlocks', 'renamesUndone'],
    ...['creationsUndone', 'readsFailed', 'syncsFailedForGood'],
  ],
  open: playerOf(async (script) => {
    const run = new CrashRun(script.setup())
    try {
      await run.play(script.setup(), script.events())
    } finally {
      script.coverage.add(Object.entries(run.tally))
    }
  }),
}
