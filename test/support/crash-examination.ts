/**
 * Disks that a power loss might have left, kept when it might have come and looked at when the event is over: each is opened, must show
 * what was acknowledged when it was kept, or what was under way, and must be able to go on.
 */
import type { Store } from '../../native-free-btree/index.ts'
import { crashImages } from '../../src/lab/disk/crash-images.ts'
import { assertHolds, markerOf, planTransaction, runPlan } from './crash-model.ts'
import type { CrashTally } from './crash-tally.ts'
import type { CrashVersions } from './crash-versions.ts'
import type { Random } from './random.ts'
import type { SimulatedDisk } from './simulated-disk.ts'

/** Of a commit that a store which was opened after a crash makes. */
const NEXT_MARKER = 0xffff_ffff

interface Image {
  readonly disk: SimulatedDisk
  readonly acceptable: readonly number[]
  readonly place: string
  /** As `crashImages` says it. */
  readonly how: string
  readonly checkpointRunning: boolean
}

export interface Examined {
  /** Of the store. */
  readonly path: string
  readonly tally: CrashTally
  readonly versions: CrashVersions
  open(disk: SimulatedDisk): Promise<Store>
  openReader(disk: SimulatedDisk): Promise<Store>
}

/** Where the power might go. */
export interface Moment {
  readonly disk: SimulatedDisk
  /** What goes on. */
  readonly place: string
  readonly checkpointRunning: boolean
}

export class CrashExamination {
  readonly #examined: Examined
  #images: Image[] = []
  /** How many images with old bytes in new blocks are looked at beside the others. */
  staleImages = 0

  constructor(examined: Examined) {
    this.#examined = examined
  }

  /** Keeps disks that a power loss right now might leave. */
  capture(random: Random, { disk: now, place, checkpointRunning }: Moment): void {
    const { acceptable } = this.#examined.versions
    for (const { disk, how } of crashImages(now, random)) {
      this.#images.push({ disk, acceptable, place, how, checkpointRunning })
    }
    for (let i = 0; i < this.staleImages; i++) {
      const disk = now.afterCrash({ survival: 0, staleness: 1 })
      this.#images.push({ disk, acceptable, place, how: 'stale blocks', checkpointRunning })
    }
  }

  /** Looks at what was kept. Rejects with where and how a store is not as it must be. */
  async run(random: Random): Promise<void> {
    const { tally, versions } = this.#examined
    const images = this.#images
    this.#images = []
    for (const { disk, acceptable, place, how, checkpointRunning } of images) {
      tally.images += 1
      this.#count(disk, how)
      if (checkpointRunning) tally.checkpointsCrossed += 1
      try {
        await this.#examine(random, disk, acceptable)
      } catch (error) {
        throw new Error(`${place}, ${how}: ${(error as Error).message}`, { cause: error })
      }
    }
    versions.forgetOld()
  }

  #count(disk: SimulatedDisk, how: string): void {
    const { tally, path } = this.#examined
    if (how === 'torn by sectors') tally.tornBySectors += 1
    if (how === 'torn by bytes') tally.tornByBytes += 1
    if (how === 'subset') tally.subsets += 1
    if (how === 'random') tally.drawnAtRandom += 1
    if (how === 'stale blocks') tally.staleBlocks += 1
    const paths = disk.paths()
    if (paths.includes(path)) return
    // The rename that gives a new file its name was undone, alone or with the file that it named.
    if (paths.length > 0) tally.renamesUndone += 1
    else tally.creationsUndone += 1
  }

  async #examine(random: Random, disk: SimulatedDisk, acceptable: readonly number[]): Promise<void> {
    const { path, versions, open } = this.#examined
    if (random.bool(0.1) && disk.paths().includes(path)) await this.#examineAsReader(disk, acceptable)
    const store = await open(disk)
    const marker = versions.verify(store, acceptable)
    if (random.bool(0.03)) {
      const { problems } = await store.check()
      if (problems.length > 0) throw new Error(`check: ${JSON.stringify(problems.slice(0, 3))}`)
    }
    if (random.bool(0.12)) {
      // It must be able to go on, and what it then writes must be found by the next opening.
      const plan = planTransaction(random, versions.of(marker), NEXT_MARKER, 3)
      await store.transact((tx) => runPlan(plan, tx))
      const again = disk.crash({ survival: 0 })
      const reopened = await open(again)
      if (markerOf(reopened) !== NEXT_MARKER) throw new Error('a commit after the crash was lost')
      assertHolds(reopened, plan.version)
    }
  }

  /** A reader, which repairs nothing, may be behind, but shows whole commits and none that was refused. */
  async #examineAsReader(disk: SimulatedDisk, acceptable: readonly number[]): Promise<void> {
    const { tally, versions, openReader } = this.#examined
    const reader = await openReader(disk)
    const marker = markerOf(reader)
    const version = versions.find(marker)
    if (version === undefined || marker > Math.max(...acceptable)) {
      throw new Error(`a reader shows version ${marker}, while ${acceptable.join(', ')} were acceptable`)
    }
    assertHolds(reader, version)
    // What a crash leaves is no damage, and what is not as a good close leaves it is told.
    const { problems, leftovers } = await reader.check()
    if (problems.length > 0) throw new Error(`check by a reader: ${JSON.stringify(problems.slice(0, 3))}`)
    const { outcome, badSuperblocks } = reader.recovery
    if ((outcome === 'cut' || badSuperblocks > 0) !== leftovers.length > 0) {
      throw new Error(`opened as ${outcome}, and check says ${JSON.stringify(leftovers)}`)
    }
    if (leftovers.length > 0) tally.leftoversTold += 1
    await reader.close()
    tally.readers += 1
  }
}
