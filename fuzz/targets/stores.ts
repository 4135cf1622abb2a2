/**
 * Any store with an adapter (bench/peers), in a process of its own that commits durably on several lanes and is killed
 * by SIGKILL at random moments, while it opens too. An event is one life of it. Invariants:
 * - The next opening succeeds and holds, of each lane, the last acknowledged commit or the one under way, whole.
 * - Point reads and the scan agree; nothing is there that nobody wrote.
 *
 * `--store` names one: native-free-btree (the default), lmdb, classic-level, better-sqlite3. The kernel outlives the
 * process: this shows nothing about syncs.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { engineNamed, OURS } from '../../bench/peers/engines.ts'
import { startChild } from '../../test/support/child.ts'
import type { Random } from '../../test/support/random.ts'
import { inDataFolder } from '../data-folder.ts'
import type { Script } from '../script.ts'
import { LANES } from '../stores/lanes.ts'
import type { Target } from '../target.ts'

const CHILD = '../../fuzz/stores/child.js'
const MOST_LOAD_MS = 600
const MOST_START_MS = 200

/** One life: returns the commits of each lane that are known to be acknowledged after it. */
async function liveOnce(
  args: readonly string[],
  counts: readonly number[],
  random: Random,
  { coverage }: Script,
): Promise<number[]> {
  const child = startChild(CHILD, [...args, counts.join(',')])
  const diesEarly = random.bool(0.15)
  try {
    if (diesEarly) await delay(random.int(MOST_START_MS))
    else {
      await child.until(/^opened /m)
      await delay(random.int(MOST_LOAD_MS))
    }
  } finally {
    child.process.kill('SIGKILL')
  }
  // What the process wrote into the pipe before it was killed is read to its end.
  const status = await child.ended
  if (status !== null) throw new Error(`it ended by itself: ${child.err}`)
  coverage.count('kills')
  const after = [...(/^opened ([\d,]+)$/m.exec(child.out)?.[1]?.split(',').map(Number) ?? counts)]
  for (const [index, count] of after.entries()) {
    if (count > counts[index]!) coverage.count('unacknowledgedFound')
  }
  for (const [, lane, count] of child.out.matchAll(/^done (\d+) (\d+)\n/gm)) {
    after[Number(lane)] = Number(count)
    coverage.count('acknowledged')
  }
  if (diesEarly) coverage.count('killedAtStart')
  return after
}

async function play(script: Script, store: string, folder: string): Promise<void> {
  const args = [store, join(folder, 'store'), String(script.seed)]
  let counts = Array.from({ length: LANES }, () => 0)
  for (const random of script.events()) counts = await liveOnce(args, counts, random, script)
  // The last state is checked as well.
  const child = startChild(CHILD, [...args, counts.join(',')])
  await child.until(/^opened /m).finally(() => child.process.kill('SIGKILL'))
  await child.ended
}

export const stores: Target = {
  name: 'stores',
  summary: 'a store of your choice (--store), killed while it commits and opened again',
  caseEvents: 20,
  smokeEvents: 4,
  rarePaths: ['kills', 'acknowledged'],
  repeats: false,
  open: async ({ store = OURS } = {}) => {
    engineNamed(store)
    return {
      play: (script) => inDataFolder((folder) => play(script, store, folder)),
      close: async () => {},
    }
  },
}
