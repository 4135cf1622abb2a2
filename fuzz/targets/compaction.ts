/**
 * Compactions of the document database over the simulated disk, with updates between their steps and crashes at any
 * operation, those of the compaction's own file and of the swap included. Invariants: all of the target `database`, and
 * - Whichever file has the name after a crash, it shows the last acknowledged request or one that was under way.
 * - A revision that is a leaf keeps its body; the others keep their place in the history.
 * - A compaction that was broken off is gone on with, or begun anew, and ends with the same database.
 * - One that fails (a full disk, a rename that fails) leaves the database as it is; a swap whose folder cannot be
 *   synced poisons the store, which after it was opened again shows everything acknowledged.
 */
import { DatabaseLives } from '../database-lives.ts'
import { playerOf, type Target } from '../target.ts'

export const compaction: Target = {
  name: 'compaction',
  summary: 'compactions under crashes at any operation, broken off, gone on with, swapped in doubt',
  caseEvents: 60,
  smokeEvents: 300,
  rarePaths: [
    ...[
      'compactions',
      'compactionsBrokenOff',
      'compactionsFailed',
      'compactionsResumed',
      'crashes',
      'images',
    ],
    ...['recovered:clean', 'recovered:cut', 'recovered:replayed', 'swapsInDoubt'],
  ],
  open: playerOf(async (script) => {
    await new DatabaseLives(script.setup(), script.coverage, { compacts: true }).play(script.events())
  }),
}
