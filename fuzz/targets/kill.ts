/**
 * The real server in a process of its own, killed by SIGKILL at random moments under load: documents alone and in
 * bulk, attachments, databases made and deleted. An event is one life of it. Invariants:
 * - The next start succeeds, and shows every write that was acknowledged, byte for byte.
 * - A write that was not is there whole or not at all, all documents of its request alike.
 * - Listing, changes, counts and documents agree; a sequence once shown stays, and the order is that of the answers.
 * - Every file passes the engine's check of groups, nodes, order, counts and references, before anything repairs it.
 *
 * The kernel outlives the process, so this shows nothing about syncs: see `syscalls` for those.
 */
import { KillRun } from '../../test/support/kill-run.ts'
import { inDataFolder } from '../data-folder.ts'
import { playerOf, type Target } from '../target.ts'

export const kill: Target = {
  name: 'kill',
  summary: 'the real server, killed under load and started again',
  caseEvents: 20,
  smokeEvents: 3,
  rarePaths: ['acknowledged', 'attachmentsAcknowledged'],
  repeats: false,
  open: playerOf((script) =>
    inDataFolder(async (folder) => {
      const run = new KillRun(folder, script.setup())
      const { coverage } = script
      try {
        await run.begin()
        for (const random of script.events()) {
          const problems = await run.killOnce(random)
          if (problems.length > 0) throw new Error(problems.join('\n'))
          coverage.count('kills')
        }
        const server = run.start()
        const problems = await run.compare(await server.port)
        if (problems.length > 0) throw new Error(problems.join('\n'))
      } finally {
        await run.close()
        coverage.count('killedAtStart', run.killedAtStart)
        coverage.count('acknowledged', run.documents.acknowledged)
        coverage.count('unacknowledgedFound', run.documents.found)
        coverage.count('unacknowledgedMissing', run.documents.missing)
        coverage.count('attachmentsAcknowledged', run.attaching.acknowledged)
      }
    }),
  ),
}
