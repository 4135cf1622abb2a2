/**
 * The first depth: the store's process is killed while it commits, while it opens, at random moments, and started again
 * on what it left. The kernel outlives the process: this shows nothing about syncs.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Coverage } from '../coverage.ts'
import { messageOf } from '../lab-error.ts'
import { derivedSeed, Random } from '../random.ts'
import { LaneRun } from './lane-run.ts'
import { type Lane, makeLanes } from './lanes.ts'
import type { LivesCase } from './lives-search.ts'
import { judgeStore } from './reading.ts'
import type { CrashSubject } from './subject.ts'
import { type Bounds, Wrong } from './verdict.ts'

const DIES_OPENING = 0.15
const MOST_OPENING_MS = 150
const MOST_COMMITS = 120

/**
 * Plays a case in a new folder within `folder`. Rejects with Wrong for what must not be, with the life in which it was
 * seen; `onLife` is told when a life is over.
 */
export async function playKills(
  subject: CrashSubject,
  { seed, lives }: LivesCase,
  folder: string,
  coverage: Coverage,
  onLife: (life: number) => boolean = () => true,
): Promise<void> {
  const lanes = makeLanes(seed, subject.introduction.capabilities)
  const place = join(folder, `case-${seed}`)
  await mkdir(place, { recursive: true })
  let bounds: Bounds[] = lanes.map(() => ({ low: 0, high: 0 }))
  for (const life of lives) {
    bounds = await liveOnce(subject, place, lanes, bounds, new Random(derivedSeed(seed, life)), coverage)
    if (!onLife(life)) return
  }
  // What the last kill left is judged as well.
  const process = subject.start()
  try {
    await openAndJudge(subject, process, place, lanes, bounds)
  } finally {
    await process.kill()
  }
}

async function openAndJudge(
  subject: CrashSubject,
  process: ReturnType<CrashSubject['start']>,
  folder: string,
  lanes: readonly Lane[],
  bounds: readonly Bounds[],
) {
  let opened: Awaited<ReturnType<CrashSubject['open']>>
  try {
    opened = await subject.open(process, folder)
  } catch (error) {
    throw new Wrong('not opened', `the store does not open after a kill: ${messageOf(error)}`)
  }
  const shown = await judgeStore(opened, subject.introduction.capabilities, lanes, bounds)
  return { opened, shown }
}

/** One life: it opens, is judged, commits and is killed. Returns what is known of each lane then. */
async function liveOnce(
  subject: CrashSubject,
  folder: string,
  lanes: readonly Lane[],
  bounds: Bounds[],
  random: Random,
  coverage: Coverage,
): Promise<Bounds[]> {
  const process = subject.start()
  try {
    if (random.bool(DIES_OPENING)) {
      const opening = subject.open(process, folder).catch(messageOf)
      await delay(random.int(MOST_OPENING_MS))
      await process.kill()
      await opening
      coverage.count('killed while opening')
      return bounds
    }
    const { opened, shown } = await openAndJudge(subject, process, folder, lanes, bounds)
    for (const [index, count] of shown.entries()) {
      if (count > bounds[index]!.low) coverage.count('commits found that were not acknowledged')
    }
    const run = new LaneRun(lanes, shown)
    const commits = 1 + random.int(MOST_COMMITS)
    let isKilled = false
    const running = run.run(opened, () => !isKilled && !process.hasEnded)
    const over = running.then(() => {
      if (!isKilled) throw new Wrong('ended by itself', run.ending?.message ?? 'while it committed')
    })
    await Promise.race([run.acknowledges(commits).then(() => delay(random.int(4))), over])
    isKilled = true
    await process.kill()
    await over
    coverage.count('kills')
    coverage.count('commits acknowledged', run.acknowledged)
    return run.bounds
  } finally {
    await process.kill()
  }
}
