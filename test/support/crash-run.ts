/**
 * Lives of one store, one after another, each ended by a crash, a failed sync, a close or the end of its process.
 * While a life goes on, every sync (and many a write and truncation) is a point at which the power might go: the
 * disks that could be found then are kept, opened and compared with what was acknowledged. The next life goes on
 * from one of them. Each event draws from a generator of its own, so that a run can be repeated without some.
 */
import type { FileSystem } from '../../native-free-btree/disk/file-system.ts'
import { StorageError, type Store, type StoreOptions } from '../../native-free-btree/index.ts'
import { CrashExamination } from './crash-examination.ts'
import { EMPTY_VERSION, markerOf, type Plan, planTransaction, runPlan, type Version } from './crash-model.ts'
import { newCrashTally } from './crash-tally.ts'
import { CrashVersions } from './crash-versions.ts'
import type { Random } from './random.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'
import { openSimulated, patternBytes } from './test-trees.ts'

const PATH = '/d/store'
/** A chain of lives is given up for a new file when its file is this long. */
const CHAIN_BYTES = 200_000
const CHAIN_EVENTS = 80
const STALE_IMAGES = 6

/** From an opening to whatever ends it. */
interface Life {
  /** Undefined when the opening itself was interrupted. */
  readonly store: Store | undefined
  readonly commitsBefore: number
  stepsLeft: number
}

export interface CrashRunOptions {
  /** What the store sees of the disk; the disk itself when absent. */
  readonly fileSystem?: (disk: SimulatedDisk) => FileSystem
}

export class CrashRun {
  readonly tally = newCrashTally()
  readonly #fileSystem: CrashRunOptions['fileSystem']
  /** Of the event that is being played. */
  #random: Random
  #disk: SimulatedDisk
  #store: Store | undefined
  #clock = new SimulatedClock()
  #firstGroup: number | undefined
  readonly #versions = new CrashVersions()
  readonly #examination = new CrashExamination({
    path: PATH,
    tally: this.tally,
    versions: this.#versions,
    open: (disk) => this.#open(disk),
    openReader: (disk) => this.#openReader(disk),
  })
  #streamed: { reference: Buffer; seed: number; length: number }[] = []
  #phase = 'creation'
  /** The disk that the crash left. */
  #after: SimulatedDisk | undefined
  #crashChain = 0

  constructor(random: Random, options: CrashRunOptions = {}) {
    this.#random = random
    this.#fileSystem = options.fileSystem
    this.#disk = new SimulatedDisk(random.fork())
  }

  /** Plays chain after chain until so many transactions were acknowledged. */
  async run(commits: number): Promise<void> {
    const random = this.#random
    function* events() {
      for (let i = 0; i < CHAIN_EVENTS; i++) yield random.fork()
    }
    while (this.tally.commits < commits || this.tally.beyond32Bits === 0)
      await this.play(random.fork(), events())
  }

  /** Plays one chain of lives, one event for each generator. Ends early when the file has become long. */
  async play(setup: Random, events: Iterable<Random>): Promise<void> {
    this.#startChain(setup)
    let life: Life | undefined
    for (const random of events) {
      this.#random = random
      life ??= await this.#begin()
      if (await this.#goesOn(life)) continue
      await this.#end(life)
      life = undefined
      if (this.#fileBytes - (this.#firstGroup ?? 0) > CHAIN_BYTES) break
    }
    if (life !== undefined) await this.#end(life)
  }

  #startChain(random: Random): void {
    this.#disk = new SimulatedDisk(random.fork(), { latencyTurns: 2 })
    this.#firstGroup = random.bool(0.3) ? 2 ** 32 - 8 * random.int(4000) : undefined
    if (this.#firstGroup !== undefined) this.tally.beyond32Bits += 1
    this.#versions.clear()
    this.#crashChain = 0
    this.#streamed = []
  }

  get #fileBytes(): number {
    return this.#disk.paths().includes(PATH) ? this.#disk.inode(PATH).visible.length : 0
  }

  /** Opens the store of the next life, which has its end drawn already. */
  async #begin(): Promise<Life> {
    const random = this.#random
    this.tally.lives += 1
    this.#after = undefined
    this.#clock = new SimulatedClock()
    this.#streamed = []
    const lifetime = random.bool(0.45) ? random.between(1, 9) : random.between(5, 60)
    const crashAt = this.#disk.operations + lifetime
    const disk = this.#disk
    disk.onOperation = (kind, _path, n) => {
      if (n >= crashAt && this.#after === undefined) {
        this.#after = disk.crash({ tearingAtBytes: random.pick([0, 1]) })
        return
      }
      if (kind === 'sync' || this.#random.bool(0.06)) this.#capture(`${this.#phase}, before a ${kind}`)
    }
    this.#phase = 'opening'
    const store = await this.#whilePowered(async () => {
      const opened = await this.#open(disk)
      this.#accept(opened)
      return opened
    })
    this.#store = store
    return { store, commitsBefore: this.tally.commits, stepsLeft: random.between(1, 14) }
  }

  /** Plays one event; false when the life is over. */
  async #goesOn(life: Life): Promise<boolean> {
    const { store } = life
    let goesOn = false
    if (store !== undefined) {
      goesOn = (await this.#whilePowered(() => this.#step(store))) === true
    }
    await this.#examine()
    life.stepsLeft -= 1
    return goesOn && life.stepsLeft > 0 && this.#disk.hasPower
  }

  /** Undefined when the power went meanwhile. */
  async #whilePowered<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (this.#disk.hasPower) throw error
      return undefined
    }
  }

  /** A store that was not closed may still be at work for itself; its process ends when that is done. */
  async #end(life: Life): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#disk.onOperation = undefined
    await this.#examine()
    this.#store = undefined
    this.#examination.staleImages = 0
    if (this.#disk.hasPower) {
      this.#crashChain = 0
      return
    }
    const committed = this.tally.commits - life.commitsBefore
    if (this.#phase === 'opening') this.tally.recoveriesCrashed += 1
    this.#crashChain = committed <= 1 ? this.#crashChain + 1 : 0
    this.tally.longestCrashChain = Math.max(this.tally.longestCrashChain, this.#crashChain)
    this.#disk = this.#after!
  }

  #options(disk: SimulatedDisk): StoreOptions {
    return this.#fileSystem === undefined ? {} : { fileSystem: this.#fileSystem(disk) }
  }

  async #open(disk: SimulatedDisk): Promise<Store> {
    const options = { clock: this.#clock, partBytes: 6000, ...this.#options(disk) }
    const first = this.#firstGroup
    const store = await openSimulated(
      disk,
      PATH,
      this.#random,
      first === undefined ? options : { ...options, firstGroupPosition: first },
    )
    const { outcome, badSuperblocks } = store.recovery
    if (outcome === 'clean') this.tally.recoveredClean += 1
    if (outcome === 'replayed') this.tally.recoveredByReplay += 1
    if (outcome === 'cut') this.tally.recoveredByCut += 1
    if (badSuperblocks === 1) this.tally.recoveredWithOneSuperblock += 1
    return store
  }

  #accept(store: Store): void {
    this.#phase = 'just opened'
    if (!this.#versions.accept(store)) this.tally.unacknowledgedKept += 1
  }

  /** The store shows what was acknowledged last. */
  #verify(store: Store): void {
    this.#versions.verify(store, [this.#versions.acknowledged])
  }

  /** Keeps disks that a power loss right now might leave. */
  #capture(place: string): void {
    const checkpointRunning = this.#store?.stats().checkpointRunning === true
    this.#examination.capture(this.#random, { disk: this.#disk, place, checkpointRunning })
  }

  #examine(): Promise<void> {
    return this.#examination.run(this.#random)
  }

  #openReader(disk: SimulatedDisk): Promise<Store> {
    return openSimulated(disk, PATH, this.#random, { readOnly: true, ...this.#options(disk) })
  }

  /** Does one thing; false when this life is over. */
  async #step(store: Store): Promise<boolean> {
    const random = this.#random
    const kind = random.int(100)
    // The crash has torn a superblock, and the one that is to take its place may get lost as well.
    const tornSlot = this.#phase === 'just opened' && store.recovery.badSuperblocks === 1
    if (tornSlot && random.bool(0.6)) return this.#failSync(store)
    if (kind < 60) await this.#commit(store, random.pick([1, 1, 1, 2, 4]))
    else if (kind < 68) await this.#stream(store)
    else if (kind < 73) await this.#idle()
    else if (kind < 78) await store.checkpoint()
    else if (kind < 80) await this.#failReads(store)
    else if (kind < 82) await this.#commitOnFullDisk(store)
    else if (kind < 89) return this.#meetFault(store)
    else if (kind < 92) return this.#close(store)
    else if (kind < 96) return this.#failSync(store)
    else await this.#commit(store, 1, random.between(20, 60))
    return true
  }

  #plan(before: Version, writeCount: number): Plan {
    const streamed = this.#streamed.splice(0, this.#random.int(3))
    return this.#versions.plan(this.#random, before, writeCount, streamed)
  }

  async #commit(store: Store, transactions: number, writeCount?: number): Promise<void> {
    const random = this.#random
    this.#phase = 'committing'
    let before = this.#versions.newest
    const all: Promise<unknown>[] = []
    for (let i = 0; i < transactions; i++) {
      const plan = this.#plan(before, writeCount ?? random.between(0, 8))
      before = plan.version
      const { marker } = plan.version
      this.#versions.submitted(marker)
      const done = store
        .transact((tx) => runPlan(plan, tx))
        .then(
          () => this.#acknowledge(marker),
          (error: unknown) => {
            // Refused for certain; of any other failure nobody knows yet what the disk has.
            if (isCode(error, 'WRITE_FAILED')) this.#versions.refuse(marker)
            throw error
          },
        )
      all.push(done)
      if (random.bool(0.1)) all.push(this.#throwing(store))
    }
    // Begun before the store is asked, which it cannot answer when the power has gone: nobody else would hear of the rejections.
    const settling = Promise.allSettled(all)
    if (store.stats().checkpointRunning) this.tally.checkpointsUnderWay += 1
    const results = await settling
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    if ((writeCount ?? 0) > 20) this.tally.commitsInParts += 1
    if (markerOf(store) !== this.#versions.acknowledged)
      throw new Error('an acknowledged commit cannot be read')
  }

  #acknowledge(marker: number): void {
    this.tally.commits += 1
    this.#versions.acknowledge(marker)
  }

  async #throwing(store: Store): Promise<void> {
    const plan = planTransaction(this.#random, EMPTY_VERSION, 0xdead_beef, 5)
    try {
      await store.transact((tx) => {
        runPlan(plan, tx)
        throw new RangeError('changed its mind')
      })
    } catch (error) {
      if (error instanceof RangeError) return
      throw error
    }
    throw new Error('a transaction that threw was committed')
  }

  async #stream(store: Store): Promise<void> {
    this.#phase = 'streaming'
    const random = this.#random
    const length = random.bool(0.1) ? random.between(129 * 1024, 270 * 1024) : random.int(3000)
    const patternSeed = random.next()
    const bytes = patternBytes(patternSeed, length)
    async function* pieces() {
      for (let at = 0; at < length; at += 50_000) yield bytes.subarray(at, at + 50_000)
    }
    const stream = store.appendStream(pieces())
    const together = random.bool() ? this.#commit(store, 1) : undefined
    const [streamed, committed] = await Promise.allSettled([stream, together])
    if (streamed.status === 'rejected') throw streamed.reason
    if (committed.status === 'rejected') throw committed.reason
    const reference = streamed.value
    this.#streamed.push({ reference: Buffer.from(reference), seed: patternSeed, length })
  }

  /** A second passes: the store may write a superblock. */
  async #idle(): Promise<void> {
    this.#phase = 'idle'
    await new Promise((resolve) => setImmediate(resolve))
    this.#clock.advance(1500)
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #commitOnFullDisk(store: Store): Promise<void> {
    this.#phase = 'on a full disk'
    const random = this.#random
    // A write that fails may have written everything.
    const whole = random.bool(0.5)
    const plan = this.#plan(this.#versions.newest, random.between(1, whole ? 3 : 12))
    const fault = { on: 'write', code: 'ENOSPC', after: random.int(2) } as const
    const cancel = this.#disk.inject(whole ? { ...fault, written: Number.POSITIVE_INFINITY } : fault)
    const { marker } = plan.version
    this.#versions.submitted(marker)
    try {
      await store.transact((tx) => runPlan(plan, tx))
      this.#acknowledge(marker)
    } catch (error) {
      if (!this.#disk.hasPower) throw error
      if (!isCode(error, 'WRITE_FAILED')) throw error
      this.tally.full += 1
      this.#versions.refuse(marker)
    }
    cancel()
    if (store.stats().poisoned !== undefined) throw new Error('a full disk poisoned the store')
    this.#verify(store)
    if (!whole) return
    // The group that was refused is in the blocks that were cut off, and these come back as the file grows.
    this.#examination.staleImages = STALE_IMAGES
    await this.#commit(store, 1, 10)
    this.#examination.staleImages = 0
    this.tally.grownOverRefused += 1
  }

  /** Reads fail, once or for good: what is read is right or the error, and all is right when they work again. */
  async #failReads(store: Store): Promise<void> {
    const random = this.#random
    const times = random.bool() ? 1 : Number.POSITIVE_INFINITY
    const cancel = this.#disk.inject({ on: 'read', after: random.int(8), times })
    try {
      const opens = random.bool()
      if (opens) await (await this.#openReader(this.#disk)).close()
      else this.#verify(store)
    } catch (error) {
      if (!isCode(error, 'IO_FAILED')) throw error
      this.tally.readsFailed += 1
    } finally {
      cancel()
    }
    this.#verify(store)
  }

  /** Something that may happen at any time meets a write or a sync that fails. */
  async #meetFault(store: Store): Promise<boolean> {
    const random = this.#random
    const on = random.pick(['write', 'sync'] as const)
    const cancel = this.#disk.inject({ on, code: on === 'write' ? 'ENOSPC' : 'EIO', after: random.int(4) })
    const closing = random.bool(0.25)
    let failed = false
    try {
      if (closing) await store.close()
      else if (random.bool(0.4)) await this.#stream(store)
      else if (random.bool()) await store.checkpoint()
      else await this.#idle()
    } catch (error) {
      if (!isCode(error, 'WRITE_FAILED') && !isCode(error, 'POISONED')) throw error
      failed = true
      this.tally.otherFaults += 1
    }
    // The store goes on for itself after it has answered, and may meet the fault there.
    await new Promise((resolve) => setImmediate(resolve))
    cancel()
    if (closing) return false
    this.#verify(store)
    if (store.stats().poisoned === undefined) return true
    if (!failed && on === 'write') throw new Error('a write that failed poisoned the store')
    await store.close()
    return false
  }

  async #close(store: Store): Promise<false> {
    this.#phase = 'closing'
    await store.close()
    this.#store = undefined
    this.tally.cleanCloses += 1
    const again = await this.#open(this.#disk)
    if (again.recovery.outcome !== 'clean') throw new Error(`closed, then ${again.recovery.outcome}`)
    this.#verify(again)
    return false
  }

  /** A sync fails: the store must serve the last durable commit and refuse writes; then it is reopened. */
  async #failSync(store: Store): Promise<false> {
    this.#phase = 'failing sync'
    const random = this.#random
    const disk = this.#disk
    const plan = this.#plan(this.#versions.newest, random.between(1, 12))
    const { marker } = plan.version
    const forGood = random.bool(0.25)
    const cancel = disk.inject({ on: 'sync', times: forGood ? Number.POSITIVE_INFINITY : 1 })
    this.#versions.submitted(marker)
    await expectCode('POISONED', disk, () => store.transact((tx) => runPlan(plan, tx)))
    if (!forGood) cancel()
    this.tally.poisoned += 1
    this.#verify(store)
    await expectCode('POISONED', disk, () => store.transact((tx) => runPlan(plan, tx)))
    await store.close()
    this.#store = undefined
    if (forGood) {
      await this.#openWithoutSyncs(disk)
      cancel()
      this.tally.syncsFailedForGood += 1
    }
    // The page cache still shows what the disk never got.
    this.tally.sameSystemReopens += 1
    this.#phase = 'opening'
    const again = await this.#open(disk)
    this.#accept(again)
    await this.#commit(again, 1)
    return false
  }

  /** No sync succeeds: the store does not open, or shows what was acknowledged and takes no commit. */
  async #openWithoutSyncs(disk: SimulatedDisk): Promise<void> {
    let store: Store
    try {
      store = await this.#open(disk)
    } catch (error) {
      if (!disk.hasPower || !isCode(error, 'WRITE_FAILED')) throw error
      return
    }
    this.#versions.verify(store)
    const plan = this.#plan(this.#versions.of(markerOf(store)), 1)
    this.#versions.submitted(plan.version.marker)
    await expectCode('POISONED', disk, () => store.transact((tx) => runPlan(plan, tx)))
    await store.close()
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof StorageError && error.code === code
}

async function expectCode(code: string, disk: SimulatedDisk, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (isCode(error, code)) return
    if (!disk.hasPower) throw error
    throw new Error(`${code} was expected`, { cause: error })
  }
  throw new Error(`${code} was expected, and it succeeded`)
}
