/**
 * The real server with four fronts, in a process of its own, under clients that write and read the same few documents on
 * many connections, each of which lands on some front. An event is one life of the process: a load with compactions, with
 * databases made again under their names, with fronts ended, then a SIGKILL or a stop. Invariants:
 * - A read that began after a write was acknowledged, on whatever connection, shows that write or a later one; so it is with a
 *   write that a read has shown. That holds for documents, listings, changes, attachments, local documents, security
 *   objects, members written by patches in contention, databases that are deleted and made again.
 * - While nobody writes, the counts of a database are exact, and its sequence is the same on all fronts.
 * - Continuous feeds show rising sequences and each revision once, resumed by `since`, and come to where the database is.
 * - What was acknowledged is there in the next life.
 * - No answer of 500 and above, none that hangs; connections are cut only where a front or the process was ended.
 */
import { inDataFolder } from '../data-folder.ts'
import { playerOf, type Target } from '../target.ts'
import { ThreadRun } from '../threads/thread-run.ts'

export const threads: Target = {
  name: 'threads',
  summary: 'the real server with fronts: what was acknowledged to one client, read by the others',
  caseEvents: 20,
  smokeEvents: 2,
  rarePaths: [
    'frontsEnded',
    'kills',
    'compactions',
    'databasesCycled',
    'patches',
    'bulkWrites',
    'attachmentWrites',
    'localWrites',
    'securityWrites',
    'feedRows',
    'feedsCut',
  ],
  repeats: false,
  hangMs: 120_000,
  open: playerOf((script) =>
    inDataFolder(async (folder) => {
      const run = new ThreadRun(folder, script.setup(), script.coverage)
      try {
        await run.begin()
        for (const random of script.events()) {
          const problems = await run.live(random)
          if (problems.length > 0) throw new Error(problems.join('\n'))
          script.coverage.count('lives')
        }
      } finally {
        await run.close()
      }
    }),
  ),
}
