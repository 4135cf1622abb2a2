/**
 * One store and its callers, who misuse it. What a transaction did is known by what each of its operations answered: one
 * that returned has taken effect, one that threw has not. What the store must hold is what was acknowledged.
 */
import {
  type FileSystem,
  openStore,
  PageCache,
  StorageError,
  type Store,
  type StoreOptions,
  type Transaction,
} from '../../native-free-btree/index.ts'
import type { Random } from '../../test/support/random.ts'
import { SimulatedClock, seededRandomBytes } from '../../test/support/simulated-clock.ts'
import { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { noLock, patternBytes } from '../../test/support/test-trees.ts'
import type { Coverage } from '../coverage.ts'
import { Contents, differenceOf, TREE_NAMES, type TreeName } from './contents.ts'
import { misuseFilling } from './filling.ts'
import { CallersError, noCount, noObject } from './hostile-values.ts'
import { MOODS, MoodyTrees } from './moody-trees.ts'
import { failCreations, misuseOpenings, misuseReaders } from './openings.ts'
import { misuseOperation, operate } from './operations.ts'
import { misuseReads } from './reads.ts'
import { awaitRefusal, isCode, refused, typed } from './refusals.ts'
import { misuseStreams } from './streams.ts'
import { PATH, type Subject } from './subject.ts'

/** A transaction that was handed over, and what it turned out to be. */
interface Handed {
  /** What the store holds when it is acknowledged; undefined until its build has returned. */
  after: Contents | undefined
  readonly done: Promise<unknown>
}

export class LibraryMisuse implements Subject {
  readonly coverage: Coverage
  readonly moody: MoodyTrees
  readonly clock = new SimulatedClock()
  readonly cache = new PageCache(1024 * 1024)
  disk: SimulatedDisk
  random: Random
  store!: Store
  acknowledged = new Contents()
  /** What the builds so far have made of it. */
  #working = this.acknowledged
  #transaction: Transaction | undefined

  constructor(setup: Random, coverage: Coverage) {
    this.random = setup
    this.coverage = coverage
    this.disk = new SimulatedDisk(setup.fork())
    this.moody = new MoodyTrees(setup.fork(), (mood) => coverage.count(`callback: ${mood}`))
    this.moody.intrude = () => this.#intrude()
  }

  async play(events: Iterable<Random>): Promise<void> {
    this.store = await this.open()
    for (const random of events) {
      this.random = random
      await this.#event()
      this.moody.calm()
      this.#look()
    }
    await this.#reopen()
  }

  async #event(): Promise<void> {
    const { random } = this
    const kind = random.int(100)
    if (kind < 40) await this.#transactions(random.between(1, 4))
    else if (kind < 52) await this.#moodyTransaction()
    else if (kind < 60) await misuseStreams(this)
    else if (kind < 70) await misuseReads(this)
    else if (kind < 75) await misuseOpenings(this)
    else if (kind < 80) await failCreations(this)
    else if (kind < 86) await misuseReaders(this)
    else if (kind < 90) await this.#faults()
    else if (kind < 92) await misuseFilling(this)
    else if (kind < 94) await this.#turns()
    else if (kind < 98) await this.#reopen()
    else await this.#crash()
  }

  // Opening and looking.

  options(): StoreOptions {
    return {
      trees: this.moody.trees,
      cache: this.cache,
      checkpointLogBytes: 24 * 1024,
      dirtyBytes: 128 * 1024,
      roomBytes: 6000,
      fileSystem: this.disk,
      clock: this.clock,
      random: seededRandomBytes(this.random.fork()),
      lock: noLock,
    }
  }

  async open(): Promise<Store> {
    const { random } = this
    const odd: StoreOptions = {}
    if (random.bool(0.2)) odd.partBytes = random.pick([0, 0.5, 200, 6000, 2 ** 40])
    if (random.bool(0.1)) odd.queueBytes = random.pick([0, 100, 2 ** 52])
    if (random.bool(0.1)) odd.dirtyBytes = random.pick([0, 1, 2 ** 52])
    if (random.bool(0.1)) odd.roomBytes = random.pick([0, 1, 2 ** 20])
    if (random.bool(0.1)) odd.checkpointLogBytes = random.pick([0, 1, 2 ** 52])
    const given = { ...this.options(), ...odd, trees: { ...this.moody.trees } }
    const opening = openStore(PATH, given)
    // Changed while it is looked at: it is taken as it was.
    if (random.bool(0.3))
      Object.assign(given, { trees: null, fileSystem: 5, clock: undefined, partBytes: Number.NaN })
    return opening
  }

  elsewhere(): FileSystem {
    const { disk } = this
    return {
      open: (path, mode) => disk.open(path, mode),
      exists: (path) => disk.exists(path),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      syncDirectory: (path) => disk.syncDirectory(path),
    }
  }

  /** A point of each tree. */
  #look(): void {
    for (const name of TREE_NAMES) {
      const key = this.someKey(name)
      const wanted = this.acknowledged.get(name, key)
      const found = this.store.get(name, key)
      if (
        (found === undefined) !== (wanted === undefined) ||
        (wanted !== undefined && !wanted.equals(found!))
      ) {
        throw new Error(`tree ${name} answers ${found?.length} bytes for a key of ${wanted?.length}`)
      }
    }
  }

  async #assertWhole(): Promise<void> {
    const difference = differenceOf(this.store, this.acknowledged)
    if (difference !== undefined) throw new Error(`what was acknowledged is not there: ${difference}`)
    // A torn superblock is what a crash leaves.
    const problems = (await this.store.check()).problems.filter(({ where }) => where !== 'superblocks')
    if (problems.length > 0) throw new Error(`check: ${JSON.stringify(problems.slice(0, 3))}`)
  }

  async #reopen(): Promise<void> {
    const { store } = this
    const snapshot = this.random.bool(0.3) ? store.snapshot() : undefined
    const closing = Promise.allSettled([store.close(), store.close(0), store.close()])
    await awaitRefusal('a close for a time that is none', () => store.close(noCount(this.random) as number))
    for (const result of await closing) {
      if (result.status === 'rejected' && !isCode(result.reason, 'SNAPSHOTS_OPEN')) throw result.reason
      if ((result.status === 'rejected') !== (snapshot !== undefined))
        throw new Error('snapshots were miscounted')
    }
    await this.#useClosed(store)
    this.store = await this.open()
    this.coverage.count('reopened')
    await this.#assertWhole()
  }

  /** Everything says CLOSED. */
  async #useClosed(store: Store): Promise<void> {
    const key = Buffer.from('k')
    const calls: [string, () => unknown][] = [
      ['get', () => store.get('plain', key)],
      ['has', () => store.has('plain', key)],
      ['snapshot', () => store.snapshot()],
      ['read', () => store.read(Buffer.alloc(16))],
      ['lengthOf', () => store.lengthOf(Buffer.alloc(16))],
      ['readStream', () => store.readStream(Buffer.alloc(16))],
      ['backup', () => store.backup()],
      ['transact', () => store.transact(() => 1)],
      ['appendStream', () => store.appendStream([key] as never)],
      ['checkpoint', () => store.checkpoint()],
      ['check', () => store.check()],
      ['exportSnapshot', () => store.exportSnapshot()],
      ['turn', () => store.turn()],
      ['refresh', () => store.refresh()],
    ]
    for (const [name, call] of calls) await awaitRefusal(`${name} of a closed store`, call, ['CLOSED'])
    this.coverage.count('usedAfterClose')
  }

  async #crash(): Promise<void> {
    const before = this.store
    this.disk = this.disk.crash()
    await before.close().catch(() => undefined)
    this.store = await this.open()
    this.coverage.count('crashes')
    await this.#assertWhole()
  }

  // Transactions.

  someKey(tree: TreeName): Buffer {
    const { random } = this
    if (random.bool(0.01)) return Buffer.alloc(65_536, random.int(4) + 0x61)
    if (random.bool(0.02)) return Buffer.alloc(0)
    const text = `${'k'.repeat(random.int(3))}${random.int(120)}`
    return Buffer.from(tree === 'folded' && random.bool() ? text.toUpperCase() : text)
  }

  someValue(): Buffer {
    const { random } = this
    const length = random.bool(0.6) ? random.int(40) : random.pick([255, 256, 257, 3000, 3000, 70_000])
    return patternBytes(random.next(), random.bool(0.002) ? 2_500_000 : length)
  }

  async #transactions(count: number): Promise<void> {
    this.#working = this.acknowledged
    const handed: Handed[] = []
    for (let i = 0; i < count; i++) this.#handOver(handed)
    const closing = this.random.bool(0.05)
    if (closing)
      await awaitRefusal('options that are none', () =>
        this.store.transact(() => 1, noObject(this.random) as object),
      )
    for (let i = 0; i < handed.length; i++) {
      const { after, done } = handed[i]!
      await done.then(
        () => this.coverage.count('acknowledged'),
        (error: unknown) => {
          if (after !== undefined || handed[i]!.after !== undefined) throw error
          typed('a transaction', error)
        },
      )
    }
    this.acknowledged = this.#working
  }

  #handOver(handed: Handed[]): void {
    const random = this.random.fork()
    const one: Handed = {
      after: undefined,
      done: this.store.transact((tx) => {
        const contents = new Contents(this.#working)
        const ending = random.int(20)
        this.#operations(tx, contents, random)
        if (ending === 0) throw new CallersError('a build of the caller')
        if (ending === 1) return this.#goesOn(tx, random)
        if (ending === 2) return this.#strangeResult(random)
        // In the next group, or behind this one in the same.
        if (ending === 3 && handed.length < 8) this.#handOver(handed)
        if (ending === 4) this.coverage.count('nested')
        one.after = contents
        this.#working = contents
        return undefined
      }, this.#someOptions(random)),
    }
    handed.push(one)
    one.done.catch(() => undefined)
  }

  #someOptions(random: Random): object | undefined {
    const kind = random.int(40)
    if (kind === 0) return { sizeHint: noCount(random) }
    if (kind === 1)
      return {
        signal: random.pick<unknown>([{}, 5, Object.create(AbortSignal.prototype), { aborted: true }]),
      }
    if (kind === 2) return { signal: AbortSignal.abort(new CallersError('given up')) }
    if (kind === 3) {
      return {
        get sizeHint(): number {
          throw new CallersError('a getter of options')
        },
      }
    }
    if (kind === 4) return { sizeHint: random.pick([0, 0.1, 1e300, 2 ** 30]) }
    return undefined
  }

  /** A build that goes on behind an `await`. */
  async #goesOn(tx: Transaction, random: Random): Promise<void> {
    this.coverage.count('asyncBuilds')
    if (random.bool(0.2)) throw new CallersError('an async build')
    await (random.bool() ? undefined : new Promise((resolve) => setImmediate(resolve)))
    const bytes = Buffer.from('late')
    refused('a late put', () => tx.put('plain', bytes, bytes), ['CLOSED'])
    refused('a late get', () => tx.get('plain', bytes), ['CLOSED'])
    refused('a late delete', () => tx.delete('plain', bytes), ['CLOSED'])
    tx.append(bytes)
  }

  #strangeResult(random: Random): unknown {
    this.coverage.count('asyncBuilds')
    const then = random.pick<(done: (value?: unknown) => void, fail: (error: unknown) => void) => void>([
      () => undefined,
      (done) => done(),
      (_done, fail) => fail(new CallersError('a thenable')),
      () => {
        throw new CallersError('a then that throws')
      },
    ])
    const result = random.bool() ? {} : () => undefined
    Object.defineProperty(result, 'then', random.bool(0.9) ? { value: then } : { get: () => then })
    return result
  }

  #operations(tx: Transaction, contents: Contents, random: Random): void {
    this.random = random
    this.#transaction = tx
    for (let left = random.int(12); left > 0; left--) {
      if (random.bool(0.35)) misuseOperation(this, tx)
      else operate(this, tx, contents)
    }
    this.#transaction = undefined
  }

  // Callbacks.

  isMoody = false

  /** One transaction beside callbacks in a mood, which may come out while it is built, written or applied. */
  async #moodyTransaction(): Promise<void> {
    const { random } = this
    await this.#alone(
      async () => {
        this.isMoody = true
        this.moody.set(random.pick(MOODS), random.pick([0, 1, 5, 20, 100, 400]))
        if (random.bool(0.2)) await this.store.checkpoint()
      },
      () => {
        this.moody.calm()
        this.isMoody = false
      },
    )
  }

  /** A transaction with nobody beside it, which need not be acknowledged. */
  async #alone(prepare: () => Promise<void>, relieve: () => void): Promise<void> {
    this.#working = this.acknowledged
    let failure: unknown
    try {
      await prepare()
      const random = this.random.fork()
      await this.store.transact((tx) => {
        const contents = new Contents(this.#working)
        this.#operations(tx, contents, random)
        this.#working = contents
      })
      this.acknowledged = this.#working
    } catch (error) {
      failure = error
      if (!(error instanceof CallersError)) typed('a transaction in trouble', error)
    } finally {
      relieve()
    }
    if (this.store.stats().poisoned !== undefined) await this.#afterPoisoning()
    else if (isCode(failure, 'POISONED')) throw failure
  }

  /** The last transaction is in doubt: it is there as a whole or not at all. */
  async #afterPoisoning(): Promise<void> {
    this.coverage.count('poisoned')
    await this.store.close().catch((error: unknown) => typed('a close', error))
    this.store = await this.open()
    if (differenceOf(this.store, this.acknowledged) !== undefined) this.acknowledged = this.#working
    await this.#assertWhole()
  }

  /** What a callback asks of the library while the library waits for it. */
  #intrude(): void {
    const { store } = this
    const tx = this.#transaction
    const key = Buffer.from('in')
    const calls: (() => unknown)[] = [
      () => store.get('plain', key),
      () => store.has('folded', key),
      () => store.snapshot(),
      () => tx?.get('plain', key) ?? refusedAlready(),
      () => (tx === undefined ? refusedAlready() : tx.put('plain', key, key)),
      () => (tx === undefined ? refusedAlready() : tx.delete('folded', key)),
      () => (tx === undefined ? refusedAlready() : tx.append(key)),
    ]
    for (const call of calls) refused('a call from within a callback', call)
    store
      .transact((inner) => inner.put('plain', key, key))
      .then(
        () => {
          throw new Error('a transaction from within a callback was acknowledged')
        },
        (error: unknown) => typed('a transaction from within a callback', error),
      )
  }

  /** A write or a sync that fails. */
  async #faults(): Promise<void> {
    const { random } = this
    const cancel = this.disk.inject({
      on: random.pick(['write', 'write', 'sync']),
      path: PATH,
      code: random.pick(['ENOSPC', 'EIO']),
      times: random.between(1, 2),
    })
    await this.#alone(async () => undefined, cancel)
    this.coverage.count('faults')
  }

  /** The writer's turn, lent out to somebody who does not know what to do with it. */
  async #turns(): Promise<void> {
    const { random } = this
    const turn = await this.store.turn()
    const waiting = this.store.transact(() => 'done')
    const path = random.pick<unknown>([undefined, 5, '', '/d/none', PATH, {}])
    await awaitRefusal('a file that is no successor', () => turn.replaceWith(path as string))
    turn.giveBack()
    turn.giveBack()
    await awaitRefusal('a turn that is over', () => turn.replaceWith('/d/none'))
    if ((await waiting) !== 'done') throw new Error('what waited for the turn was not done')
    this.coverage.count('turns')
  }
}

function refusedAlready(): never {
  throw new StorageError('INVALID_ARGUMENT', 'there is no transaction to ask')
}
