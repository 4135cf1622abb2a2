/** The process of one step: `node child.js JOB`, answers by messages. */
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { engineNamed } from '../peers/engines.ts'
import type { Job, Step } from './step.ts'
import { batches } from './steps/batches.ts'
import { commits } from './steps/commits.ts'
import { gets } from './steps/gets.ts'
import { load } from './steps/load.ts'
import { partialScans } from './steps/partial-scans.ts'
import { reopen } from './steps/reopen.ts'
import { scans } from './steps/scans.ts'
import { asyncSyncs, syncs } from './steps/syncs.ts'
import { updates } from './steps/updates.ts'
import { victim } from './steps/victim.ts'
import { writers } from './steps/writers.ts'

const STEPS: Record<string, Step> = {
  load,
  gets,
  scans,
  'partial-scans': partialScans,
  commits,
  writers,
  batches,
  updates,
  victim,
  reopen,
  syncs,
  'async-syncs': asyncSyncs,
}
const PROGRESS_MS = 200

export type Message = { progress: number } | { figures: Record<string, number> } | { error: string }

function tell(message: Message): void {
  process.send?.(message)
}

/** The last message: the channel, which would keep the process alive, is closed behind it. */
function end(message: Message): void {
  if (process.send === undefined) {
    if ('error' in message) process.stderr.write(`${message.error}\n`)
  } else process.send(message, () => process.disconnect())
}

// Whoever asked for the step is gone, or has got its answer.
process.once('disconnect', () => process.exit())

const job = JSON.parse(process.argv[2] ?? '{}') as Job
let told = 0
const run = STEPS[job.step]
try {
  if (run === undefined) throw new Error(`there is no step ${job.step}`)
  const figures = await run({
    ...job,
    path: join(job.folder, 'store'),
    open: () => engineNamed(job.engine),
    progress(done) {
      const now = performance.now()
      if (now - told < PROGRESS_MS) return
      told = now
      tell({ progress: done })
    },
  })
  end({ figures })
} catch (error) {
  end({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  process.exitCode = 1
}
