/**
 * Lives of one database, one after another, each ended by a crash, a failed sync, a close or the end of its
 * process. While a life goes on, every sync (and many a write) is a point at which the power might go: the disks
 * that could be found then are opened and compared with the versions that are acceptable.
 */
import {
  CompactionCancelled,
  type CompactionSource,
  openStore,
  PageCache,
  StorageError,
  type Store,
} from '../native-free-btree/index.ts'
import type { Compression } from '../src/base/compression.ts'
import { DatabaseError } from '../src/base/errors.ts'
import { compact } from '../src/database/compaction/compaction.ts'
import type { StoredDatabase } from '../src/database/database.ts'
import { createDatabase, type DatabaseOptions, openDatabase } from '../src/database/open.ts'
import { type CrashImage, crashImages } from '../src/lab/disk/crash-images.ts'
import { equal } from '../test/support/document-comparison.ts'
import type { Random } from '../test/support/random.ts'
import { SimulatedClock, seededRandomBytes } from '../test/support/simulated-clock.ts'
import { SimulatedDisk } from '../test/support/simulated-disk.ts'
import { noLock } from '../test/support/test-trees.ts'
import type { Coverage } from './coverage.ts'
import {
  assertHolds,
  type DatabaseVersion,
  emptyVersion,
  type PlannedUpdate,
  planUpdate,
  settle,
  shownVersion,
} from './database-versions.ts'

const PATH = '/d/a.nfb'
/** A file may have bodies of each kind. */
const COMPRESSIONS: readonly Compression[] = ['none', 'snappy', 'deflate_1']

interface Opened {
  readonly database: StoredDatabase
  readonly store: Store
}

interface Image extends CrashImage {
  readonly place: string
  readonly acceptable: readonly DatabaseVersion[]
  /** Whether the creation of the database was acknowledged. */
  readonly exists: boolean
  readonly checkpointRunning: boolean
}

export class DatabaseLives {
  readonly #coverage: Coverage
  readonly #compacts: boolean
  #random: Random
  #disk: SimulatedDisk
  #clock = new SimulatedClock()
  #life: Opened | undefined
  #stepsLeft = 0
  /** Of what is written in this life, in `COMPRESSIONS`. */
  #compression = 0
  #committed = 0
  #acknowledged = emptyVersion()
  #inFlight: DatabaseVersion[] = []
  #nextNumber = 1
  #exists = false
  #uuid: string | undefined
  #phase = 'opening'
  #images: Image[] = []
  /** The disk that the crash left. */
  #after: SimulatedDisk | undefined
  #crashChain = 0

  constructor(setup: Random, coverage: Coverage, options: { compacts?: boolean } = {}) {
    this.#compacts = options.compacts === true
    this.#random = setup
    this.#coverage = coverage
    this.#disk = new SimulatedDisk(setup.fork(), { latencyTurns: 2 })
  }

  /** Plays one event for each generator. */
  async play(events: Iterable<Random>): Promise<void> {
    let living = false
    for (const random of events) {
      this.#random = random
      if (!living) await this.#begin()
      living = await this.#goesOn()
      if (!living) await this.#end()
    }
    if (living) await this.#end()
  }

  async #begin(): Promise<void> {
    const random = this.#random
    const disk = this.#disk
    this.#coverage.count('lives')
    this.#after = undefined
    this.#clock = new SimulatedClock()
    this.#stepsLeft = random.between(1, 12)
    this.#committed = 0
    const crashAt =
      disk.operations +
      (random.bool(0.45) ? random.between(1, 9) : random.between(5, this.#compacts ? 300 : 60))
    this.#compression = crashAt % COMPRESSIONS.length
    disk.onOperation = (kind, _path, n) => {
      if (n >= crashAt && this.#after === undefined) this.#after = disk.crash()
      else if (kind === 'sync' || this.#random.bool(0.15)) this.#capture(`${this.#phase}, before a ${kind}`)
    }
    this.#phase = 'opening'
    this.#life = await this.#whilePowered(() => this.#openLive(disk))
  }

  async #openLive(disk: SimulatedDisk): Promise<Opened> {
    const opened = await this.#open(disk, this.#exists, true)
    if (opened === undefined) throw new Error('the database was not created')
    this.#exists = true
    this.#uuid = opened.database.uuid
    const shown = shownVersion(opened.database, this.#acceptable)
    if (shown !== this.#acknowledged) this.#coverage.count('unacknowledgedKept')
    settle(opened.database, shown)
    this.#acknowledged = shown
    this.#inFlight = []
    return opened
  }

  async #goesOn(): Promise<boolean> {
    const life = this.#life
    const goesOn = life !== undefined && (await this.#whilePowered(() => this.#step(life))) === true
    await this.#examine()
    this.#stepsLeft -= 1
    return goesOn && this.#stepsLeft > 0 && this.#disk.hasPower
  }

  /** A store that was not closed may still be at work for itself; its process ends when that is done. */
  async #end(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#disk.onOperation = undefined
    await this.#examine()
    this.#life = undefined
    if (this.#disk.hasPower) {
      this.#crashChain = 0
      return
    }
    this.#coverage.count('crashes')
    if (this.#phase === 'opening') this.#coverage.count('recoveriesCrashed')
    this.#crashChain = this.#committed <= 1 ? this.#crashChain + 1 : 0
    this.#coverage.most('longestCrashChain', this.#crashChain)
    this.#disk = this.#after!
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

  get #acceptable(): DatabaseVersion[] {
    return [this.#acknowledged, ...this.#inFlight]
  }

  // Opening.

  #options(disk: SimulatedDisk, keep: (store: Store) => void): DatabaseOptions {
    return {
      store: {
        fileSystem: disk,
        lock: noLock,
        cache: new PageCache(1024 * 1024),
        checkpointLogBytes: 12 * 1024,
        dirtyBytes: 128 * 1024,
        partBytes: 6000,
        roomBytes: 12_000,
        aheadBytes: 4000,
      },
      clock: this.#clock,
      random: seededRandomBytes(this.#random),
      compression: () => COMPRESSIONS[this.#compression]!,
      openStore: async (path, options) => {
        const store = await openStore(path, options)
        keep(store)
        return store
      },
    }
  }

  /** Undefined when there is none and none is to be made. Throws when one that must be there is not. */
  async #open(disk: SimulatedDisk, exists: boolean, creates: boolean): Promise<Opened | undefined> {
    let store: Store | undefined
    const options = this.#options(disk, (opened) => {
      store = opened
    })
    let database: StoredDatabase
    try {
      database = await openDatabase(PATH, 'a', options)
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.kind !== 'noDatabase') throw error
      if (exists) throw new Error('the database is gone', { cause: error })
      if (!creates) return undefined
      this.#coverage.count('creations')
      database = await createDatabase(PATH, 'a', options)
    }
    if (exists) equal(database.uuid, this.#uuid, 'uuid')
    this.#coverage.count(`recovered:${store!.recovery.outcome}`)
    return { database, store: store! }
  }

  // Crashes.

  #capture(place: string): void {
    const checkpointRunning = this.#life?.store.stats().checkpointRunning === true
    const seen = { place, acceptable: this.#acceptable, exists: this.#exists, checkpointRunning }
    for (const image of crashImages(this.#disk, this.#random)) this.#images.push({ ...image, ...seen })
  }

  async #examine(): Promise<void> {
    const images = this.#images
    this.#images = []
    for (const image of images) {
      this.#coverage.count('images')
      if (image.checkpointRunning) this.#coverage.count('checkpointsCrossed')
      try {
        await this.#examineImage(image)
      } catch (error) {
        throw new Error(`${image.place}, ${image.how}: ${(error as Error).message}`, { cause: error })
      }
    }
  }

  async #examineImage({ disk, acceptable, exists }: Image): Promise<void> {
    const random = this.#random
    const opened = await this.#open(disk, exists, false)
    if (opened === undefined) {
      this.#coverage.count('creationsUndone')
      return
    }
    const { database, store } = opened
    const shown = shownVersion(database, acceptable)
    if (random.bool(0.05)) {
      const { problems } = await store.check()
      const real = problems.filter(({ where }) => where !== 'superblocks')
      if (real.length > 0) throw new Error(`check: ${JSON.stringify(real.slice(0, 3))}`)
      this.#coverage.count('checks')
    }
    if (random.bool(0.15)) {
      // It must be able to go on, and what it then writes must be found by the next opening.
      const plan = planUpdate(random, shown, 0xffff_ffff, false)
      await this.#send(database, plan)
      const again = await this.#open(disk.crash({ survival: 0 }), false, false)
      if (again === undefined) throw new Error('the database is gone')
      shownVersion(again.database, [plan.version])
      this.#coverage.count('wentOnAfterCrash')
    }
  }

  // Events.

  /** False when the life is over. */
  async #step({ database, store }: Opened): Promise<boolean> {
    const random = this.#random
    if (this.#compacts && random.bool(0.3)) return this.#compact(database)
    const kind = random.int(100)
    if (kind < 54) await this.#update(database, 1, false)
    else if (kind < 66) await this.#update(database, random.between(2, 4), false)
    else if (kind < 70) await this.#update(database, 2, true)
    else if (kind < 77) await this.#set(database)
    else if (kind < 82) await this.#idle()
    else if (kind < 86) await this.#checkpoint(store)
    else if (kind < 90) await this.#updateOnFullDisk(database)
    else if (kind < 94) return this.#failSync(database)
    else if (kind < 98) return this.#close(database)
    else return false
    assertHolds(database, this.#acknowledged)
    return true
  }

  /** Submits an update and checks what it answers. */
  async #send(database: StoredDatabase, { edits, newEdits, revs }: PlannedUpdate): Promise<void> {
    const results = await database.update(edits, { newEdits })
    for (const [index, rev] of revs.entries()) {
      if (!newEdits) break
      const result = results[index]!
      equal(result.ok, rev !== undefined, `edit ${index} of ${edits[index]!.id}`)
      if (rev !== undefined) equal(result.rev, rev, `revision of edit ${index}`)
    }
  }

  async #update(database: StoredDatabase, requests: number, large: boolean): Promise<void> {
    this.#phase = large ? 'updating in parts' : 'updating'
    let before = this.#acknowledged
    const all: Promise<void>[] = []
    for (let i = 0; i < requests; i++) {
      const plan = planUpdate(this.#random, before, this.#nextNumber++, large)
      before = plan.version
      this.#inFlight.push(plan.version)
      all.push(this.#send(database, plan).then(() => this.#acknowledge(plan.version)))
    }
    const failed = (await Promise.allSettled(all)).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    settle(database, this.#acknowledged)
    if (requests > 1) this.#coverage.count('groupsOfUpdates')
    if (large) this.#coverage.count('commitsInParts')
  }

  #acknowledge(version: DatabaseVersion): void {
    this.#committed += 1
    this.#coverage.count('updates')
    this.#acknowledged = version
    this.#inFlight = this.#inFlight.filter((other) => other.number > version.number)
  }

  /** The revision limit (that one, if it is given), or the security object: transactions of their own. */
  async #set(database: StoredDatabase, limit?: number): Promise<void> {
    this.#phase = 'settings'
    const { model, security, settled } = this.#acknowledged
    const number = this.#nextNumber++
    const limits = limit !== undefined || this.#random.bool()
    const version = { number, model: model.copy(), security, settled }
    const next = limits ? version : { ...version, security: JSON.stringify({ number }) }
    if (limits) next.model.revsLimit = limit ?? this.#random.between(1, 5)
    this.#inFlight.push(next)
    if (limits) await database.setRevsLimit(next.model.revsLimit)
    else await database.setSecurity(Buffer.from(next.security!))
    this.#acknowledge(next)
    this.#coverage.count('settings')
  }

  /** A second passes: the store may write a superblock. */
  async #idle(): Promise<void> {
    this.#phase = 'idle'
    await new Promise((resolve) => setImmediate(resolve))
    this.#clock.advance(1500)
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #checkpoint(store: Store): Promise<void> {
    this.#phase = 'checkpoint'
    await store.checkpoint()
    this.#coverage.count('checkpoints')
  }

  async #updateOnFullDisk(database: StoredDatabase): Promise<void> {
    this.#phase = 'on a full disk'
    const plan = planUpdate(this.#random, this.#acknowledged, this.#nextNumber++, false)
    const cancel = this.#disk.inject({ on: 'write', code: 'ENOSPC', after: this.#random.int(2) })
    this.#inFlight.push(plan.version)
    try {
      await this.#send(database, plan)
      this.#acknowledge(plan.version)
      settle(database, plan.version)
    } catch (error) {
      if (!this.#disk.hasPower || !isCode(error, 'WRITE_FAILED')) throw error
      this.#coverage.count('full')
      this.#inFlight = []
    } finally {
      cancel()
    }
  }

  /** A sync fails: the last durable version is served, writes are refused, and another opening goes on. */
  async #failSync(database: StoredDatabase): Promise<false> {
    this.#phase = 'failing sync'
    const plan = planUpdate(this.#random, this.#acknowledged, this.#nextNumber++, false)
    const cancel = this.#disk.inject({ on: 'sync' })
    this.#inFlight.push(plan.version)
    for (let tries = 0; tries < 2; tries++) {
      try {
        await this.#send(database, plan)
      } catch (error) {
        if (!this.#disk.hasPower || !isCode(error, 'POISONED')) throw error
        continue
      }
      throw new Error('a write was acknowledged though its sync failed')
    }
    cancel()
    this.#coverage.count('poisoned')
    return this.#openAgain(database)
  }

  /** After a failure that poisoned the store, in the same system. */
  async #openAgain(database: StoredDatabase): Promise<false> {
    assertHolds(database, this.#acknowledged)
    await database.close()
    this.#life = undefined
    // The page cache still shows what the disk never got.
    this.#phase = 'opening'
    const again = await this.#openLive(this.#disk)
    this.#life = again
    this.#coverage.count('sameSystemReopens')
    await this.#update(again.database, 1, false)
    return false
  }

  /**
   * A compaction with updates between its steps, and one that waits for the writer while the files are swapped. It
   * may be broken off, find the disk full, or lose the folder's sync after the rename.
   */
  async #compact(database: StoredDatabase): Promise<boolean> {
    const random = this.#random
    const disk = this.#disk
    // A history that is longer than the limit is cut or not, depending on which file a crash leaves.
    const longest = this.#acknowledged.model.longestHistory()
    if (longest > database.revsLimit()) await this.#set(database, longest)
    this.#phase = 'compacting'
    for (const { model } of this.#acceptable) model.compacted = true
    const fault = random.int(100)
    let stepsLeft = random.bool(0.35) ? random.int(25) : Number.POSITIVE_INFINITY
    let waiting: Promise<void> | undefined
    const cancels: (() => void)[] = []
    const store = database.beginCompaction()
    const source: CompactionSource = {
      path: store.path,
      uuid: store.uuid,
      salt: store.salt,
      exportSnapshot: () => store.exportSnapshot(),
      durableEnd: () => store.durableEnd(),
      // The clock stands still: a writer that waits for it would wait for ever.
      slowDown: (delayMs) => this.#coverage.count(delayMs > 0 ? 'slowedDown' : 'notSlowedDown'),
      turn: () => store.turn(),
      giveBack: () => store.giveBack(),
      swap: async (path) => {
        this.#phase = 'swapping'
        for (const cancel of cancels.splice(0)) cancel()
        if (fault < 8) cancels.push(disk.inject({ on: 'syncDirectory' }))
        else if (fault < 12) cancels.push(disk.inject({ on: 'rename' }))
        if (random.bool()) {
          waiting = this.#update(database, 1, false)
          waiting.catch(() => undefined)
        }
        await store.swap(path)
      },
    }
    const pace = async (): Promise<void> => {
      if (random.bool(0.2)) await this.#update(database, 1, false)
      this.#phase = 'compacting'
      stepsLeft -= 1
      if (stepsLeft < 0) throw new CompactionCancelled(random.bool(0.85))
    }
    if (fault >= 90) {
      const after = random.int(40)
      cancels.push(disk.inject({ on: 'write', path: /compact$/, code: 'ENOSPC', after }))
    }
    try {
      const { resumed } = await compact(source, {
        fileSystem: disk,
        clock: this.#clock,
        random: seededRandomBytes(random),
        cache: new PageCache(1024 * 1024),
        markBytes: random.between(200, 4000),
        fillBytes: random.between(300, 3000),
        stretchBytes: random.pick([300, 3000, 100_000]),
        turnBytes: random.pick([0, 1000, 10_000]),
        compression: COMPRESSIONS[(this.#compression + this.#stepsLeft) % COMPRESSIONS.length],
        pace,
      })
      this.#coverage.count('compactions')
      if (resumed) this.#coverage.count('compactionsResumed')
    } catch (error) {
      if (!disk.hasPower) throw error
      if (error instanceof CompactionCancelled) this.#coverage.count('compactionsBrokenOff')
      else if (isCode(error, 'WRITE_FAILED') || isCode(error, 'SYNC_FAILED') || fault >= 90)
        this.#coverage.count('compactionsFailed')
      else if (!isCode(error, 'POISONED')) throw error
      else {
        this.#coverage.count('swapsInDoubt')
        await database.endCompaction()
        await waiting?.catch(() => undefined)
        this.#inFlight = []
        return await this.#openAgain(database)
      }
    } finally {
      for (const cancel of cancels) cancel()
      await database.endCompaction()
    }
    await waiting
    this.#phase = 'after a compaction'
    assertHolds(database, this.#acknowledged)
    return true
  }

  async #close(database: StoredDatabase): Promise<false> {
    this.#phase = 'closing'
    await database.close()
    this.#life = undefined
    const again = await this.#openLive(this.#disk)
    if (again.store.recovery.outcome !== 'clean')
      throw new Error(`closed, then ${again.store.recovery.outcome}`)
    this.#coverage.count('cleanCloses')
    return false
  }
}

/** The engine's error, or the database's for it. */
function isCode(error: unknown, code: string): boolean {
  const cause = error instanceof DatabaseError ? error.cause : error
  return cause instanceof StorageError && cause.code === code
}
