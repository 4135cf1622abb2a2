/** The process of one step: `node child.js JOB`, answers by messages. */
import { join } from 'node:path'
import { serveStep } from '../../src/lab/measure/step-process.ts'
import { engineNamed } from '../peers/engines.ts'
import type { Figures, Job, Step } from './step.ts'
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

await serveStep<Job, Figures>((job, progress) => {
  const run = STEPS[job.step]
  if (run === undefined) throw new Error(`there is no step ${job.step}`)
  return run({ ...job, path: join(job.folder, 'store'), open: () => engineNamed(job.engine), progress })
})
