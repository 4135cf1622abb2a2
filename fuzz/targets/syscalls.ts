/**
 * The system calls of real servers, recorded by strace, and every kind of crash that could have cut them short. A
 * case records one run: documents alone and in bulk, attachments, databases made, deleted and made again, checkpoints,
 * a stop, a kill and recoveries. Its events go over the run's moments in order (each sync, each acknowledgement); at
 * each the states that a power loss could leave then are built, opened and checked. Invariants:
 * - What the calls come to is what is on the disk: the recording is complete.
 * - Every database opens; no error, and no file of another kind in its place.
 * - What the server had acknowledged, by the order of its own calls, is there; what it had not is there whole or
 *   not at all; one that was deleted is not there; one that was made again is another, with another uuid.
 *
 * This shows that the program calls what the simulation thinks it calls; see fuzz/syscalls/crash-states.ts for the
 * two models of names.
 */
import { readFile } from 'node:fs/promises'
import { findStrace } from '../../src/lab/syscalls/find-strace.ts'
import { inDataFolder } from '../data-folder.ts'
import type { Script } from '../script.ts'
import { Exploration } from '../syscalls/exploration.ts'
import { record } from '../syscalls/recorder.ts'
import type { Target } from '../target.ts'

const CASE_EVENTS = 100

async function play(script: Script, folder: string): Promise<void> {
  const { coverage } = script
  const { dataDir, requests, traces, moments } = await record(folder, script.setup())
  coverage.count('recordings')
  coverage.count('moments', moments)
  const exploration = new Exploration({ dataDir, requests, coverage, folder })
  const events = script.events()
  // The events share the moments.
  const each = Math.ceil(moments / CASE_EVENTS)
  let random = events.next().value ?? undefined
  let passed = 0
  const nextRandom = () => {
    if (passed++ % each === 0 && passed > 1) random = events.next().value ?? undefined
    return random
  }
  for (const trace of traces) {
    if (!(await exploration.play(await readFile(trace, 'latin1'), trace, nextRandom))) break
  }
  const { player, progress } = exploration
  for (const [name, count] of player.calls) coverage.count(`calls:${name}`, count)
  coverage.count('acknowledged', progress.acknowledged.size)
  coverage.count('checkpointsNamed', progress.checkpoints)
}

export const syscalls: Target = {
  name: 'syscalls',
  summary:
    'recorded system calls of the real server, cut short by a power loss at any of them (needs strace)',
  caseEvents: CASE_EVENTS,
  smokeEvents: 0,
  rarePaths: [
    ...['recovered:clean', 'recovered:cut', 'recovered:replayed', 'statesOnDisk', 'checkpointsNamed'],
    ...['calls:unlink', 'calls:rename', 'calls:fsync', 'calls:fdatasync', 'calls:mkdir'],
  ],
  repeats: false,
  hangMs: 120_000,
  open: async () => {
    findStrace()
    return {
      play: (script) => inDataFolder((folder) => play(script, folder)),
      close: async () => {},
    }
  },
}
