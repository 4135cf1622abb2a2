/**
 * The life of a gateway's database, on real files, with restarts, compactions and crashes within writes, against a plain model.
 * Invariants:
 * - No user is answered anything of a revision that he may not see, by any route.
 * - Every user sees every document that he may see, in listings and in `_changes`, from the beginning and from where he was.
 * - They hold when the sync function was changed, and when it was run again over what is there, as one or not at all.
 * - All of it holds again after a restart, and after a crash that leaves any beginning of what was being written.
 */
import { crashWithinSteps } from '../../test/support/gateway-crash.ts'
import { GatewayRun } from '../../test/support/gateway-run.ts'
import { GatewayServer } from '../../test/support/gateway-server.ts'
import { inDataFolder } from '../data-folder.ts'
import type { Script } from '../script.ts'
import { playerOf, type Target } from '../target.ts'

const RESTART_PROBABILITY = 0.03
const CRASH_PROBABILITY = 0.05
/** Of the crashes, those within a resynchronisation under another function. */
const RESYNC_PROBABILITY = 0.4

async function play(script: Script, folder: string): Promise<void> {
  let server = await GatewayServer.start(folder)
  const run = new GatewayRun(script.setup(), () => server)
  try {
    await run.begin()
    for (const random of script.events()) {
      if (random.bool(CRASH_PROBABILITY)) {
        const isResync = random.bool(RESYNC_PROBABILITY)
        if (isResync) await run.step(random.fork(), 'function')
        const crash = await crashWithinSteps(folder, server, run, random, isResync ? 'resync' : undefined)
        if (crash !== undefined) {
          const where = crash.had < crash.of ? 'crashed within' : 'crashed behind'
          script.coverage.count(isResync ? `resync, ${where}` : where)
        }
      } else await run.step(random)
      if (!random.bool(RESTART_PROBABILITY)) continue
      await server.stop()
      server = await GatewayServer.start(folder)
      script.coverage.count('restarted')
      await run.checkAll()
    }
    await run.checkAll()
    for (const [name, times] of run.counts) script.coverage.count(name, times)
  } finally {
    await server.stop()
  }
}

export const gateway: Target = {
  name: 'gateway',
  summary: 'users of a gateway see what they may and nothing else, across restarts, compactions and crashes',
  caseEvents: 60,
  smokeEvents: 90,
  rarePaths: ['conflict', 'grant', 'crashed within', 'resync'],
  repeats: false,
  hangMs: 120_000,
  open: playerOf((script) => inDataFolder((folder) => play(script, folder))),
}
