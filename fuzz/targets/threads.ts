/**
 * A server with threads that serve, in a process of its own, under many clients on few documents: documents alone and in bulk,
 * listings, feeds, attachments, local documents, settings, patches in contention, a database that is deleted and made again.
 * An event is some load in which databases are compacted, fronts end, the process is killed or stopped, and a look at all of
 * it afterwards. Invariants:
 * - A read that begins after a write was acknowledged to anybody, or shown to anybody, shows it or what came after it,
 *   over any connection; so do listings, changes, `_local`, `_security` (and what it allows) and `_revs_limit`.
 * - A generation of a document is one revision with one body; a refused write is never seen; a conflict has a cause.
 * - A feed tells of each document's newest revision once, in order, over cuts; the last of each within seconds.
 * - With nothing under way all connections agree, counts included, with what was acknowledged before any kill.
 * - No answer is a failure of the server's or takes 30 s; no connection is cut but by the end of its front or process.
 */

import { inDataFolder } from '../data-folder.ts'
import { playerOf, type Target } from '../target.ts'
import { ThreadsRun } from '../threads/threads-run.ts'
import { Traffic } from '../threads/traffic.ts'

const DEFAULT_THREADS = 4

export const threads: Target = {
  name: 'threads',
  summary: 'the real server with threads, whose fronts end, read and written by many at once',
  caseEvents: 20,
  smokeEvents: 6,
  rarePaths: ['acknowledged', 'frontsKilled', 'compactions', 'remade', 'rowsOfFeeds'],
  // Where the core takes the requests itself there is none to be ended.
  barredPaths: ({ threads: count }) => (count === 0 ? ['frontsKilled'] : []),
  repeats: false,
  hangMs: 120_000,
  open: async (settings) => {
    const count = settings?.threads ?? DEFAULT_THREADS
    return playerOf((script) =>
      inDataFolder(async (folder) => {
        const run = new ThreadsRun(folder, count, new Traffic(), script.coverage)
        try {
          await run.begin()
          for (const random of script.events()) await run.play(random)
        } catch (error) {
          throw new Error(`${(error as Error).message}\nthe server's log: ${run.log.slice(-3000)}`, {
            cause: error,
          })
        } finally {
          await run.close()
        }
      }),
    )()
  },
}
