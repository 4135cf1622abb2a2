/**
 * The document database over the simulated disk, with crashes at any operation. Invariants:
 * - A database whose creation was acknowledged opens, with its uuid; one whose creation was not is there or is not.
 * - It shows the last acknowledged request or one that was under way, whole: documents, local documents, settings.
 * - All indexes agree, with each other and with a plain model: id tree, update sequence, counts and sizes, revision
 *   trees (winner, leaves, conflicts, histories), bodies, local documents, whether anything validates.
 * - A number of the update sequence, once shown, stays with its change; numbers only rise.
 * - Revision ids are those of a second implementation of the hash.
 * - After a failed sync the last durable version is served and writes are refused; a full disk refuses one request.
 */
import { DatabaseLives } from '../database-lives.ts'
import { playerOf, type Target } from '../target.ts'

export const database: Target = {
  name: 'database',
  summary: 'documents, revision trees and settings under crashes: all indexes agree afterwards',
  caseEvents: 60,
  smokeEvents: 300,
  rarePaths: [
    ...['checkpointsCrossed', 'checks', 'cleanCloses', 'commitsInParts', 'creationsUndone', 'full'],
    ...['groupsOfUpdates', 'images', 'longestCrashChain', 'poisoned', 'recovered:clean', 'recovered:cut'],
    ...['recovered:replayed', 'recoveriesCrashed', 'sameSystemReopens', 'settings', 'unacknowledgedKept'],
    ...['wentOnAfterCrash'],
  ],
  open: playerOf(async (script) => {
    await new DatabaseLives(script.setup(), script.coverage).play(script.events())
  }),
}
