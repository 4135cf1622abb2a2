/**
 * One life of a store on a simulated disk: it opens, is judged, commits on its lanes while one operation or another may
 * fail, and ends by a close, a kill or a cut of the power, which may come in any operation, of the opening too. Before syncs,
 * and some other operations, the disks that a cut right then might leave are kept, and the store is opened on each.
 */
import type { Coverage } from '../coverage.ts'
import { LaneRun } from '../crash/lane-run.ts'
import { type Bounds, Wrong } from '../crash/verdict.ts'
import { crashImages } from '../disk/crash-images.ts'
import { MortalFileSystem } from '../disk/mortal-file-system.ts'
import type { SimulatedDisk } from '../disk/simulated-disk.ts'
import type { Fault } from '../disk/simulated-fault.ts'
import { messageOf } from '../lab-error.ts'
import type { Opened } from '../opened.ts'
import type { Random } from '../random.ts'
import type { TriedStore } from './tried-store.ts'

const MOST_COMMITS = 25
/** Of the operations that are no syncs those before which the power might be cut. */
const LOOKS = 0.05
const GOES_ON = 0.12

/** What is left for the next opening. */
export interface Left {
  readonly disk: SimulatedDisk
  /** What it shows when it is opened now, in commits. */
  readonly shows: readonly Bounds[]
  /** What it shows when the power is cut before that. */
  readonly afterCut: readonly Bounds[]
  /** Whether all there is is on the platter, and not only in the page cache. */
  readonly isOnPlatter: boolean
  readonly ending: 'closed' | 'killed' | 'power cut'
  /** Whether it was closed, and nothing had failed before: what it says of itself then holds. */
  readonly isSound: boolean
}

interface Image {
  readonly disk: SimulatedDisk
  readonly bounds: readonly Bounds[]
  readonly how: string
}

/** Where any number of commits may be lost. */
export function loosened(bounds: readonly Bounds[]): Bounds[] {
  return bounds.map(({ high }) => ({ low: 0, high }))
}

/** Whether a refusal of this kind may be the answer to a failure. */
function isRefusal(error: unknown): boolean {
  return error instanceof Wrong && ['not opened', 'not read', 'not closed'].includes(error.kind)
}

export class Life {
  readonly #tried: TriedStore
  readonly #before: Left
  readonly #disk: SimulatedDisk
  readonly #lies: boolean
  readonly #random: Random
  readonly #coverage: Coverage
  readonly #fileSystem: MortalFileSystem
  readonly #faultsBefore: number
  readonly #over: Promise<void>
  #isOver: () => void = () => {}
  /** What a crash may leave of each lane. */
  #afterCut: readonly Bounds[]
  /** What each lane shows as long as nothing crashes. */
  #shows: readonly Bounds[]
  #run: LaneRun | undefined
  #images: Image[] = []
  #left: Left | undefined

  /** @param lies the disk does, about its syncs: any number of commits may be lost then, and the store may refuse. */
  constructor(tried: TriedStore, before: Left, lies: boolean, random: Random, coverage: Coverage) {
    this.#tried = tried
    this.#before = before
    this.#disk = before.disk
    this.#lies = lies
    this.#random = random
    this.#coverage = coverage
    this.#afterCut = before.afterCut
    this.#shows = before.shows
    this.#faultsBefore = before.disk.faultsMet
    this.#over = new Promise((resolve) => {
      // What is under way on the disk comes to its end before the next opening.
      this.#isOver = () => setImmediate(resolve)
    })
    this.#fileSystem = new MortalFileSystem(this.#disk, random.fork(), () => this.#end('killed', this.#disk))
  }

  /** Rejects with Wrong. */
  async play(faults: readonly Fault[]): Promise<Left> {
    const random = this.#random
    const disk = this.#disk
    const heals = faults.map((fault) => disk.inject(fault))
    const crash = random.pick(['cut', 'cut', 'kill', 'none'])
    const operations = random.bool(0.3) ? random.between(1, 9) : random.between(5, 150)
    if (crash === 'kill') this.#fileSystem.dieAfter(operations)
    const cutAt = crash === 'cut' ? disk.operations + operations : Number.POSITIVE_INFINITY
    const hook = random.fork()
    disk.onOperation = (kind, _path, n) => {
      if (this.#left !== undefined) return
      if (n >= cutAt) this.#cut(hook)
      else if (kind === 'sync' || hook.bool(LOOKS)) this.#keep(kind, hook)
    }
    try {
      await this.#work()
    } finally {
      disk.onOperation = undefined
      for (const heal of heals) heal()
    }
    if (this.#isExcused) this.#coverage.count('lives with a failure that was met')
    this.#coverage.count(this.#left!.ending)
    return this.#left!
  }

  /** Whether an operation of the disk has failed in this life: what the store is asked may be refused from then on. */
  get #isExcused(): boolean {
    return this.#disk.faultsMet > this.#faultsBefore && !this.#lies
  }

  /** Opens, commits, ends; what comes first leaves `#left`. */
  async #work(): Promise<void> {
    const opened = await this.#unlessOver(this.#tried.open(this.#fileSystem))
    await this.#examine()
    if (opened !== undefined) await this.#use(opened)
    if (this.#left === undefined) {
      this.#coverage.count('openings, reads and closes refused after a failure')
      this.#fileSystem.isDead = true
      this.#end('killed', this.#disk)
    }
    await this.#over
    await this.#examine()
  }

  async #use(opened: Opened): Promise<void> {
    const random = this.#random
    let shown = await this.#judge(opened)
    if (shown === undefined) return
    this.#settle(shown)
    let refusals = 0
    for (let rounds = random.between(1, 4); rounds > 0 && refusals < 2; rounds--) {
      const run = await this.#commit(opened, shown)
      if (this.#left !== undefined) return
      if (run.refusals > 0) refusals += 1
      shown = await this.#judge(opened)
      if (shown === undefined) return
    }
    if (random.bool(0.3)) {
      this.#cut(random)
      return
    }
    const closed = opened.close().then(
      () => true,
      (error: unknown) => {
        throw new Wrong('not closed', messageOf(error))
      },
    )
    if ((await this.#unlessOver(closed)) === true) this.#end('closed', this.#disk)
  }

  async #commit(opened: Opened, shown: readonly number[]): Promise<LaneRun> {
    const durable = this.#afterCut.map(({ low }) => low)
    const run = new LaneRun(this.#tried.lanes, shown, durable, () => this.#isExcused)
    this.#run = run
    const commits = 1 + this.#random.int(MOST_COMMITS)
    const isDone = () => this.#left !== undefined || run.refusals > 0
    await this.#unlessOver(run.run(opened, (acknowledged) => acknowledged < commits && !isDone()))
    this.#coverage.count('commits acknowledged', run.acknowledged)
    this.#coverage.count('commits refused after a failure', run.refusals)
    this.#afterCut = this.#withEarlier(run.bounds)
    this.#shows = this.#isExcused ? this.#afterCut : this.#withEarlier(run.boundsWithoutCrash)
    this.#run = undefined
    await this.#examine()
    return run
  }

  /** What `work` gives; undefined when the life is over, or when it was refused with an excuse. */
  async #unlessOver<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await Promise.race([work, this.#over.then(() => undefined)])
    } catch (error) {
      if (this.#left !== undefined || (this.#isExcused && isRefusal(error))) return undefined
      throw error
    }
  }

  /** Undefined when the life is over, or when it was refused with an excuse. */
  #judge(opened: Opened): Promise<number[] | undefined> {
    return this.#unlessOver(this.#tried.judge(opened, this.#shows))
  }

  /** What was shown once is held against the store from then on. */
  #settle(shown: readonly number[]): void {
    this.#shows = shown.map((count) => ({ low: count, high: count }))
    this.#afterCut = shown.map((count, index) => {
      const { low } = this.#afterCut[index]!
      return {
        low: this.#before.isOnPlatter ? count : Math.max(low, this.#lastDurable(index, count)),
        high: count,
      }
    })
  }

  /** Number of the last commit up to `count` that has to be durable; 0 for none. */
  #lastDurable(index: number, count: number): number {
    let number = count
    while (number > 0 && !this.#tried.lanes[index]!.commit(number).durable) number -= 1
    return number
  }

  /** A commit that was begun in an earlier round and refused may still show. */
  #withEarlier(bounds: readonly Bounds[]): Bounds[] {
    return bounds.map(({ low, high }, index) => ({ low, high: Math.max(high, this.#afterCut[index]!.high) }))
  }

  // Crashes.

  /** What a crash right now may leave of each lane. */
  #afterCutNow(): readonly Bounds[] {
    const bounds = this.#run === undefined ? this.#afterCut : this.#withEarlier(this.#run.bounds)
    return this.#lies ? loosened(bounds) : bounds
  }

  #end(ending: Left['ending'], disk: SimulatedDisk): void {
    if (this.#left !== undefined) return
    const afterCut = this.#afterCutNow()
    const isSound = ending === 'closed' && this.#disk.faultsMet === this.#faultsBefore
    const shows = ending === 'closed' ? this.#shows : afterCut
    this.#left = { disk, shows, afterCut, isOnPlatter: ending === 'power cut', ending, isSound }
    this.#isOver()
  }

  #cut(random: Random): void {
    this.#end('power cut', this.#disk.crash({ tearingAtBytes: random.pick([0, 1]) }))
  }

  #keep(before: string, random: Random): void {
    const bounds = this.#afterCutNow()
    for (const { disk, how } of crashImages(this.#disk, random)) {
      this.#images.push({
        disk,
        bounds,
        how: `power cut before a ${before}, of the unsynced operations: ${how}`,
      })
    }
  }

  async #examine(): Promise<void> {
    const images = this.#images
    this.#images = []
    for (const image of images) {
      this.#coverage.count('states')
      try {
        if (this.#lies) await this.#examineLoosely(image)
        else await this.#examineImage(image)
      } catch (error) {
        if (error instanceof Wrong) throw new Wrong(error.kind, `${error.what} (${image.how})`)
        throw error
      } finally {
        image.disk.powerOff()
      }
    }
  }

  async #examineLoosely({ disk, bounds }: Image): Promise<void> {
    if (await this.#tried.judgeDamaged(disk, bounds)) this.#coverage.count('states refused after a lie')
  }

  async #examineImage({ disk, bounds }: Image): Promise<void> {
    const tried = this.#tried
    const opened = await tried.open(disk)
    const shown = await tried.judge(opened, bounds)
    if (!this.#random.bool(GOES_ON)) return
    // It has to go on, and what it acknowledges then has to be there after another cut.
    const run = new LaneRun(tried.lanes, shown)
    await run.run(opened, (acknowledged) => acknowledged < 3)
    const next = disk.crash({ survival: 0 })
    await tried.judge(await tried.open(next), run.bounds)
    next.powerOff()
    this.#coverage.count('went on after a cut')
  }
}
