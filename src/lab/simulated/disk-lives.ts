/**
 * The third depth: lives of a store on a simulated disk in memory, one after another, each on what the one before has
 * left. Each draws from a generator of its own, so that some can be left out.
 */
import type { Store } from '../api.ts'
import type { Coverage } from '../coverage.ts'
import { makeLanes } from '../crash/lanes.ts'
import type { Settings } from '../crash/subject.ts'
import { Wrong } from '../crash/verdict.ts'
import { SimulatedDisk } from '../disk/simulated-disk.ts'
import { derivedSeed, Random } from '../random.ts'
import { damage, type FaultName, LIVE_FAULTS, LYING, liveFault, REST_FAULTS } from './faults.ts'
import { type Left, Life, loosened } from './life.ts'
import { TriedStore } from './tried-store.ts'

/** Copies of what a life has left that are damaged, each in one place. */
const DAMAGED_COPIES = 4

export interface DiskCase {
  readonly seed: number
  /** Numbers of the lives. */
  readonly lives: readonly number[]
  /** What may go wrong beside the power. */
  readonly faults: readonly FaultName[]
}

/** Rejects with Wrong for what must not be. `goesOn` is asked before each life. */
export async function playDiskLives(
  store: Store,
  settings: Settings,
  { seed, lives, faults }: DiskCase,
  coverage: Coverage,
  goesOn: (life: number) => boolean,
): Promise<void> {
  const lanes = makeLanes(seed, store.capabilities)
  const tried = new TriedStore(store, settings, lanes)
  const nothing = lanes.map(() => ({ low: 0, high: 0 }))
  let left: Left = {
    disk: new SimulatedDisk(derivedSeed(seed, 0xd15c), { latencyTurns: 2 }),
    shows: nothing,
    afterCut: nothing,
    isOnPlatter: true,
    ending: 'closed',
    isSound: true,
  }
  for (const number of lives) {
    if (!goesOn(number)) return
    const random = new Random(derivedSeed(seed, number))
    const live = LIVE_FAULTS.filter((name) => faults.includes(name))
    if (faults.includes(LYING) && random.bool(0.15)) await lie(tried, left, random.fork(), coverage)
    const fault = random.bool() && live.length > 0 ? random.pick(live) : undefined
    try {
      if (fault !== undefined) coverage.count(`lives with ${fault}`)
      const failures = fault === undefined ? [] : liveFault(fault, random)
      left = await new Life(tried, left, false, random, coverage).play(failures)
    } catch (error) {
      throw told(error, fault === undefined ? '' : ` [${fault}]`)
    }
    await damageCopies(tried, left, faults, random, coverage)
    if (left.ending !== 'power cut' && random.bool(0.3)) left.disk.dropCaches()
  }
}

/** The same with more behind it. */
function told(error: unknown, more: string): unknown {
  return error instanceof Wrong ? new Wrong(error.kind, `${error.what}${more}`) : error
}

/** A life on a copy of the disk that lies, and what a cut of the power leaves of it. */
async function lie(tried: TriedStore, left: Left, random: Random, coverage: Coverage): Promise<void> {
  coverage.count(`lives with ${LYING}`)
  const before = { ...left, disk: left.disk.copy() }
  try {
    const after = await new Life(tried, before, true, random, coverage).play(liveFault(LYING, random))
    const disk = after.ending === 'power cut' ? after.disk : after.disk.crash()
    coverage.count('states')
    if (await tried.judgeDamaged(disk, loosened(after.afterCut))) coverage.count('states refused after a lie')
    disk.powerOff()
  } catch (error) {
    throw told(error, ` [${LYING}]`)
  }
}

/**
 * Damages copies of what is left. After a close what was acknowledged is there, or there is an error. After a crash, or
 * a failure, nobody can tell damage to what was written last from a write that was torn: there commits may be missing, the
 * last ones first.
 */
async function damageCopies(
  tried: TriedStore,
  { disk, shows, ending, isSound }: Left,
  faults: readonly FaultName[],
  random: Random,
  coverage: Coverage,
): Promise<void> {
  const kinds = REST_FAULTS.filter((name) => faults.includes(name))
  const { rebuiltFiles = [] } = tried.store
  const isSpared = (path: string) => rebuiltFiles.some((end) => path.endsWith(end))
  const bounds = isSound ? shows : loosened(shows)
  for (let left = kinds.length === 0 ? 0 : DAMAGED_COPIES; left > 0; left--) {
    const kind = random.pick(kinds)
    const copy = disk.copy()
    const how = damage(copy, kind, random, isSpared)
    if (how === undefined) return
    coverage.count('states')
    coverage.count(`states with ${kind}`)
    try {
      if (await tried.judgeDamaged(copy, bounds)) coverage.count('damaged states refused')
    } catch (error) {
      throw told(error, ` [${kind} after it was ${ending}: ${how}]`)
    } finally {
      copy.powerOff()
    }
  }
}
