/**
 * A writer, which is killed, closed and opened again, and readers beside it, all on one simulated disk and with one
 * cache. Readers move on while the writer is in the middle of whatever it does.
 */
import { PageCache, StorageError, type Store } from '../../native-free-btree/index.ts'
import { MortalFileSystem } from '../../src/lab/disk/mortal-file-system.ts'
import { zeroRange } from '../../src/lab/disk/simulated-damage.ts'
import {
  assertHolds,
  EMPTY_VERSION,
  markerOf,
  planTransaction,
  runPlan,
  type Version,
} from '../../test/support/crash-model.ts'
import type { Random } from '../../test/support/random.ts'
import { SimulatedClock } from '../../test/support/simulated-clock.ts'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { openSimulated } from '../../test/support/test-trees.ts'
import type { Coverage } from '../coverage.ts'

const PATH = '/d/store'
const NEIGHBOUR = '/d/neighbour'
const MOST_READERS = 4

interface Reader {
  readonly store: Store
  /** The version that it showed last. */
  marker: number
}

export class BesideWriter {
  readonly #coverage: Coverage
  readonly #disk: SimulatedDisk
  readonly #cache = new PageCache(512 * 1024)
  readonly #clock = new SimulatedClock()
  readonly #versions = new Map<number, Version>([[0, EMPTY_VERSION]])
  #random: Random
  #system: MortalFileSystem
  #writer: Store | undefined
  #readers: Reader[] = []
  #acknowledged = 0
  #next = 1

  constructor(setup: Random, coverage: Coverage) {
    this.#random = setup
    this.#coverage = coverage
    this.#disk = new SimulatedDisk(setup.fork(), { latencyTurns: 4 })
    this.#system = new MortalFileSystem(this.#disk, setup.fork())
  }

  async play(events: Iterable<Random>): Promise<void> {
    for (const random of events) {
      this.#random = random
      await this.#event()
      for (const reader of this.#readers) this.#verify(reader)
    }
    for (const { store } of this.#readers) await store.close()
    if (!this.#system.isDead) await this.#writer?.close()
  }

  #open(readOnly: boolean, path = PATH): Promise<Store> {
    return openSimulated(this.#disk, path, this.#random, {
      readOnly,
      cache: this.#cache,
      clock: this.#clock,
      partBytes: 6000,
      fileSystem: readOnly ? this.#disk : this.#system,
    })
  }

  async #event(): Promise<void> {
    const random = this.#random
    this.#writer ??= await this.#openWriter()
    const kind = random.int(100)
    if (kind < 50) await this.#together(() => this.#commits(random.between(1, 4)))
    else if (kind < 58) await this.#together(() => this.#writer!.checkpoint())
    else if (kind < 63) await this.#together(() => this.#idle())
    else if (kind < 68) await this.#together(() => this.#reopenWriter())
    else if (kind < 78) await this.#together(() => this.#killWriter())
    else if (kind < 88) await this.#openReader()
    else if (kind < 92) await this.#closeReader()
    else if (kind < 95) await this.#lookAtNeighbour()
    else await this.#refreshAll()
  }

  /** Does something with the writer while readers move on. */
  async #together(work: () => Promise<void>): Promise<void> {
    const readers = this.#readers.filter(() => this.#random.bool(0.7))
    const hasRoom = this.#readers.length < MOST_READERS && this.#acknowledged > 0
    const opening = hasRoom && this.#random.bool(0.2) ? this.#openReader() : undefined
    const all = [work(), ...readers.map((reader) => this.#refresh(reader)), opening]
    const failed = (await Promise.allSettled(all)).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #openWriter(): Promise<Store> {
    const store = await this.#open(false)
    const marker = markerOf(store)
    const isKnown =
      marker === this.#acknowledged || (marker > this.#acknowledged && this.#versions.has(marker))
    if (!isKnown)
      throw new Error(`the writer found version ${marker}, and ${this.#acknowledged} was acknowledged`)
    if (store.recovery.outcome === 'cut') this.#coverage.count('tailsCut')
    this.#acknowledged = marker
    for (const other of this.#versions.keys()) if (other > marker) this.#versions.delete(other)
    assertHolds(store, this.#versions.get(marker)!)
    return store
  }

  async #commits(count: number): Promise<void> {
    const random = this.#random
    let before = this.#versions.get(this.#acknowledged)!
    const all: Promise<void>[] = []
    for (let i = 0; i < count; i++) {
      const writes = random.bool(0.1) ? random.between(20, 60) : random.int(8)
      const plan = planTransaction(random, before, this.#next++, writes)
      before = plan.version
      const { marker } = plan.version
      this.#versions.set(marker, plan.version)
      all.push(
        this.#writer!.transact((tx) => runPlan(plan, tx)).then(() => {
          this.#acknowledged = marker
          this.#coverage.count('commits')
        }),
      )
    }
    const failed = (await Promise.allSettled(all)).find((result) => result.status === 'rejected')
    if (failed !== undefined && !this.#system.isDead) throw failed.reason
  }

  async #idle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#clock.advance(1500)
    await new Promise((resolve) => setImmediate(resolve))
  }

  async #reopenWriter(): Promise<void> {
    await this.#writer!.close()
    this.#writer = await this.#openWriter()
    this.#coverage.count('writersReopened')
  }

  /** The writer's process dies in the middle of something, recovery included; another one takes over. */
  async #killWriter(): Promise<void> {
    const random = this.#random
    this.#system.dieAfter(random.int(5))
    await this.#commits(random.between(1, 3))
    // A writer that lived on is killed when it does nothing.
    for (let life = 0; ; life++) {
      this.#system.kill()
      this.#system = new MortalFileSystem(this.#disk, random.fork())
      const diesToo = life < 3 && random.bool(0.3)
      if (diesToo) this.#system.dieAfter(random.int(6))
      try {
        this.#writer = await this.#openWriter()
        if (!diesToo) break
      } catch (error) {
        if (!this.#system.isDead) throw error
        this.#coverage.count('recoveriesKilled')
      }
    }
    this.#coverage.count('writersKilled')
  }

  async #openReader(): Promise<void> {
    if (this.#readers.length >= MOST_READERS) await this.#closeReader()
    const least = this.#acknowledged
    const store = await this.#open(true)
    const reader = { store, marker: 0 }
    this.#readers.push(reader)
    await this.#moved(reader, least)
    this.#coverage.count('readersOpened')
  }

  async #closeReader(): Promise<void> {
    const [reader] = this.#readers.splice(this.#random.int(this.#readers.length), 1)
    await reader?.store.close()
  }

  async #refreshAll(): Promise<void> {
    for (const reader of this.#readers) await this.#refresh(reader)
  }

  async #refresh(reader: Reader): Promise<void> {
    const least = this.#acknowledged
    await reader.store.refresh()
    await this.#moved(reader, least)
    this.#coverage.count('refreshes')
  }

  /** A reader that began when version `least` was acknowledged shows that or a later one, whole and durable, and never goes back. */
  async #moved(reader: Reader, least: number): Promise<void> {
    const marker = markerOf(reader.store)
    if (marker < least) throw new Error(`a reader shows version ${marker}, and ${least} was acknowledged`)
    if (marker > this.#acknowledged) await this.#assertDurable(marker)
    if (marker < reader.marker) throw new Error(`a reader went back from ${reader.marker} to ${marker}`)
    if (marker > reader.marker) this.#coverage.count('readersMovedOn')
    reader.marker = marker
    this.#verify(reader)
  }

  /** Nothing but what is on the disk by now leads to the version. */
  async #assertDurable(marker: number): Promise<void> {
    this.#coverage.count('shownBeforeAcknowledged')
    const disk = this.#disk.afterCrashSubset(() => false)
    const store = await openSimulated(disk, PATH, this.#random.fork(), { partBytes: 6000 })
    const durable = markerOf(store)
    await store.close()
    if (durable < marker) throw new Error(`a reader shows version ${marker}, and ${durable} is durable`)
  }

  #verify({ store, marker }: Reader): void {
    const version = this.#versions.get(marker)
    if (version === undefined) throw new Error(`a reader shows version ${marker}, which was undone`)
    assertHolds(store, version)
  }

  /** A damaged copy of the file, read through the same cache, does not spoil what the others read. */
  async #lookAtNeighbour(): Promise<void> {
    const random = this.#random
    const content = this.#disk.content(PATH)
    this.#disk.install(NEIGHBOUR, content)
    const length = random.between(1, 3000)
    zeroRange(this.#disk, NEIGHBOUR, 8192 + random.int(Math.max(1, content.length - 8192 - length)), length)
    let neighbour: Store | undefined
    try {
      neighbour = await this.#open(true, NEIGHBOUR)
      const version = this.#versions.get(markerOf(neighbour))
      if (version === undefined) throw new Error('the neighbour shows what never was')
      assertHolds(neighbour, version)
    } catch (error) {
      if (!(error instanceof StorageError)) throw error
      this.#coverage.count(`neighbour:${error.code}`)
    }
    await neighbour?.close()
  }
}
