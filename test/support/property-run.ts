/**
 * Random operations on a store and on plain models of its trees, side by side: whatever one of them answers,
 * the other must. Every commit is acknowledged before the next operation, so that after a crash the models are
 * exactly what must be found. Each event draws from a generator of its own, so that a run can be repeated without
 * some of them.
 */

import type { EntryPlace, Store, Transaction, TreeReader } from '../../native-free-btree/index.ts'
import {
  type Cursor,
  type CursorOptions,
  type Range,
  type Snapshot,
  StorageError,
} from '../../native-free-btree/index.ts'
import type { Random } from './random.ts'
import { edges, foldedDescending, mixed } from './test-trees.ts'
import { TreeModel } from './tree-model.ts'

type Models = Record<'plain' | 'folded' | 'mixed' | 'summed', TreeModel>
type TreeName = keyof Models
const NAMES: readonly TreeName[] = ['plain', 'folded', 'mixed', 'summed']

export interface PropertyTarget {
  /** Opens the store as it is; the one before was closed or abandoned. */
  open(): Promise<Store>
  /** The machine fails: what was not synced is gone. Undefined when the target cannot do that. */
  crash?(): Promise<void>
  /** Gives the store another file, which what was appended and no entry names is not in. */
  compact?(): Promise<void>
}

interface Held {
  snapshot: Snapshot
  models: Models
  appended: number
  /** A cursor that stands where it is from one visit to the next, while the tree goes on. */
  walk: { cursor: Cursor; name: string; expected: readonly { key: Buffer; value: Buffer }[]; at: number }
}

export class PropertyRun {
  operations = 0
  reopened = 0
  crashes = 0
  compactions = 0
  checks = 0
  deepest = 0
  /** Of the event that is being played. */
  #random: Random
  readonly #target: PropertyTarget
  readonly #models: Models = {
    plain: new TreeModel(),
    folded: new TreeModel(foldedDescending.compare),
    mixed: new TreeModel(mixed.compare),
    summed: new TreeModel(Buffer.compare, edges),
  }
  /** What was appended, and its reference. */
  #appended: { reference: Buffer; bytes: Buffer }[] = []
  #held: Held[] = []
  #store!: Store
  /** Keys that exist or once did, so that operations meet. */
  #keys: Buffer[] = [Buffer.alloc(0)]
  /** Grows and shrinks by turns, so that trees become high and empty again. */
  #growing = true
  /** By turns as well: while a snapshot is open no page's memory is used again, and none is changed in its place. */
  #holding = false

  constructor(random: Random, target: PropertyTarget) {
    this.#random = random
    this.#target = target
  }

  /** Plays events until so many operations were compared. */
  async run(operations: number): Promise<void> {
    const random = this.#random
    const isDone = () => this.operations >= operations
    function* events() {
      while (!isDone()) yield random.fork()
    }
    await this.play(events())
  }

  /** Plays one event for each generator; at the end everything is compared, and the store closed. */
  async play(events: Iterable<Random>): Promise<void> {
    this.#store = await this.#target.open()
    for (const random of events) {
      this.#random = random
      await this.#event(random.int(1000))
    }
    await this.#check()
    this.#compareLatest()
    for (const { depth } of Object.values(this.#store.stats().trees)) {
      this.deepest = Math.max(this.deepest, depth)
    }
    await this.#close()
  }

  async #event(kind: number): Promise<void> {
    if (kind < 520) await this.#commit()
    else if (kind < 600) this.#readPoints(this.#store, this.#models)
    else if (kind < 800) this.#readLatest()
    else if (kind < 880) this.#readHeld()
    else if (kind < 940) this.#hold()
    else if (kind < 946) await this.#store.checkpoint()
    else if (kind < 958) await this.#reopen()
    else if (kind < 962) await this.#check()
    else if (kind >= 982 && kind < 994 && this.#target.compact !== undefined) await this.#compact()
    else if (kind < 990) this.#readAppended(this.#store)
    else this.#turn()
  }

  async #compact(): Promise<void> {
    this.compactions += 1
    await this.#target.compact?.()
    this.#appended = []
  }

  #turn(): void {
    this.#growing = this.#random.bool(0.6)
    this.#holding = this.#random.bool(0.5)
    if (!this.#holding) this.#letGo()
  }

  #letGo(): void {
    for (const { snapshot } of this.#held) snapshot.close()
    this.#held = []
  }

  // Keys and values.

  #newKey(): Buffer {
    const random = this.#random
    const kind = random.int(1000)
    if (kind === 0) return Buffer.from(random.bytes(random.pick([65_536, 65_535, 20_000])))
    if (kind < 10) return Buffer.from(random.bytes(random.int(4000)))
    if (kind < 50) return Buffer.alloc(random.int(3))
    if (kind < 300) {
      // Long common beginnings.
      return Buffer.from(`${'common/'.repeat(random.int(6))}${random.int(5000)}`)
    }
    const text = `key${random.int(100_000).toString(36)}`
    if (random.bool(0.3)) return Buffer.from(text.toUpperCase())
    const first = random.pick(['k', 'K'])
    return Buffer.from(first + (random.bool(0.2) ? text.slice(1).toUpperCase() : text.slice(1)))
  }

  #key(): Buffer {
    const random = this.#random
    if (random.bool(0.6) && this.#keys.length > 0) return random.pick(this.#keys)
    return this.#newKey()
  }

  #value(): Buffer {
    const random = this.#random
    const kind = random.int(10_000)
    if (kind === 0) return Buffer.from(random.bytes(1024 * 1024 + random.int(1_200_000)))
    if (kind < 30) return Buffer.from(random.bytes(random.int(60_000)))
    if (kind < 600) return Buffer.from(random.bytes(250 + random.int(12)))
    if (kind < 1200) return Buffer.from(random.bytes(random.int(3000)))
    if (kind < 2000) return Buffer.alloc(0)
    return Buffer.from(random.bytes(random.int(60)))
  }

  // Writing.

  async #commit(): Promise<void> {
    const random = this.#random
    const transactions = random.pick([1, 1, 2, 5])
    const done: Promise<void>[] = []
    // They run in this order, and each may see those before it.
    for (let i = 0; i < transactions; i++) done.push(random.bool(0.06) ? this.#abandoned() : this.#transact())
    await Promise.all(done)
  }

  async #transact(): Promise<void> {
    const appended: { reference: Buffer; bytes: Buffer }[] = []
    await this.#store.transact((tx) => {
      const writes = this.#random.pick([1, 2, 5, 20, 60])
      for (let i = 0; i < writes; i++) this.#write(tx, this.#models, appended)
    })
    this.#appended.push(...appended)
    if (this.#appended.length > 300) this.#appended.splice(0, 100)
  }

  /** Throws in the middle: nothing of it may be seen, not even by the transactions that follow. */
  async #abandoned(): Promise<void> {
    const reason = new RangeError('abandoned')
    try {
      await this.#store.transact((tx) => {
        const models = copyOf(this.#models)
        for (let i = this.#random.int(20); i > 0; i--) this.#write(tx, models, [])
        throw reason
      })
    } catch (error) {
      if (error === reason) return
      throw error
    }
    throw new Error('an abandoned transaction was committed')
  }

  #write(tx: Transaction, models: Models, appended: { reference: Buffer; bytes: Buffer }[]): void {
    const random = this.#random
    this.operations += 1
    const name = random.pick(NAMES)
    const model = models[name]
    const kind = random.int(100)
    const putsBelow = this.#growing ? 70 : 35
    if (kind < putsBelow) {
      const key = this.#key()
      const value = this.#value()
      tx.put(name, key, value)
      model.put(key, value)
      if (this.#keys.length < 4000) this.#keys.push(key)
      else this.#keys[random.int(this.#keys.length)] = key
    } else if (kind < 88) {
      const some = model.entries[random.int(model.entries.length)]
      const key = some !== undefined && random.bool(0.8) ? some.key : this.#key()
      tx.delete(name, key)
      model.delete(key)
    } else if (kind < 96) {
      const key = this.#key()
      same(tx.get(name, key), model.get(key), `${name}: get inside a transaction`)
      same(gotInto(tx, name, key), model.get(key), `${name}: getInto inside a transaction`)
    } else if (kind < 99) {
      const bytes = this.#value()
      appended.push({ reference: Buffer.from(tx.append(bytes)), bytes })
    } else {
      expectKeyTooLarge(() => tx.put(name, Buffer.alloc(65_537), Buffer.alloc(1)))
    }
  }

  // Reading.

  #readPoints(store: Store, models: Models): void {
    for (let i = 0; i < 5; i++) {
      this.operations += 1
      const name = this.#random.pick(NAMES)
      const key = this.#key()
      const expected = models[name].get(key)
      same(store.get(name, key), expected, `${name}: get`)
      same(gotInto(store, name, key), expected, `${name}: getInto`)
      same(placedValue(store, name, key), expected, `${name}: place`)
      if (store.has(name, key) !== (expected !== undefined)) throw new Error(`${name}: has`)
    }
    const name = this.#random.pick(NAMES)
    const { entries } = models[name]
    const first = this.#random.int(entries.length + 1)
    for (const { key, value } of entries.slice(first, first + 1 + this.#random.int(20))) {
      same(placedValue(store, name, key), value, `${name}: place of neighbours`)
    }
  }

  #readLatest(): void {
    const snapshot = this.#store.snapshot()
    try {
      this.#readRandomly(snapshot, this.#models)
    } finally {
      snapshot.close()
    }
  }

  #readHeld(): void {
    if (this.#held.length === 0) return
    const index = this.#random.int(this.#held.length)
    const held = this.#held[index]!
    this.#readRandomly(held.snapshot, held.models)
    this.#walkOn(held.walk)
    if (this.#random.bool(0.25)) {
      this.#compareAll(held.snapshot, held.models)
      held.snapshot.close()
      this.#held.splice(index, 1)
    }
  }

  #hold(): void {
    if (!this.#holding || this.#held.length >= 4) return
    const snapshot = this.#store.snapshot()
    const models = copyOf(this.#models)
    const name = this.#random.pick(NAMES)
    const walk = { cursor: snapshot.tree(name).cursor(), name, expected: models[name].walk({}), at: 0 }
    this.#walkOn(walk)
    this.#held.push({ snapshot, models, appended: 0, walk })
  }

  #walkOn(walk: Held['walk']): void {
    const { cursor, expected, name } = walk
    if (walk.at > 0 && walk.at <= expected.length) {
      same(cursor.key(), expected[walk.at - 1]!.key, `${name}: key under a cursor that stood`)
    }
    for (let left = this.#random.int(12); left > 0 && walk.at <= expected.length; left--) {
      const there = cursor.next()
      if (there !== walk.at < expected.length)
        throw new Error(`${name}: a cursor that stood ends at ${walk.at}`)
      walk.at += 1
      if (!there) return
      const entry = expected[walk.at - 1]!
      same(cursor.key(), entry.key, `${name}: key of a cursor that stood`)
      if (entry.value.length < 300) same(cursor.value(), entry.value, `${name}: value of a cursor that stood`)
    }
  }

  #readRandomly(snapshot: Snapshot, models: Models): void {
    for (let i = 0; i < 3; i++) {
      this.operations += 1
      const random = this.#random
      const name = random.pick(NAMES)
      const model = models[name]
      const tree = snapshot.tree(name)
      const kind = random.int(4)
      const range = this.#range(model)
      if (kind === 0) {
        const key = this.#near(model)
        if (tree.rank(key) !== model.rank(key)) throw new Error(`${name}: rank`)
        same(tree.get(key), model.get(key), `${name}: get in a snapshot`)
      } else if (kind === 1) {
        compareSummaries(tree, model, range, name)
      } else {
        const skip = random.bool(0.4) ? random.int(random.pick([3, 40, model.entries.length + 2])) : undefined
        this.#compareWalk(tree, model, { ...range, reverse: random.bool(), skip }, name)
      }
    }
  }

  #near(model: TreeModel): Buffer {
    const some = model.entries[this.#random.int(model.entries.length)]
    return some !== undefined && this.#random.bool(0.7) ? some.key : this.#newKey()
  }

  #range(model: TreeModel): Range {
    const random = this.#random
    const near = () => (random.bool(0.7) ? this.#near(model) : undefined)
    return {
      start: near(),
      startInclusive: random.pick([undefined, true, false]),
      end: near(),
      endInclusive: random.pick([undefined, true, false]),
    }
  }

  #compareWalk(tree: TreeReader, model: TreeModel, options: CursorOptions, name: string): void {
    const expected = model.walk(options)
    const cursor = tree.cursor(options)
    const most = this.#random.bool(0.1) ? Number.POSITIVE_INFINITY : this.#random.int(80)
    const place = emptyPlace()
    const where = `${name}: cursor ${JSON.stringify({ ...options, start: options.start?.length })}`
    for (let i = 0; i <= expected.length; i++) {
      if (i > most) return
      const isPlaced = i % 3 === 1
      const there = isPlaced ? cursor.nextPlace(place) : cursor.next()
      if (there !== i < expected.length)
        throw new Error(`${where}: ${there} at entry ${i} of ${expected.length}`)
      if (!there) return
      const entry = expected[i]!
      same(cursor.key(), entry.key, `${where}: key ${i}`)
      if (cursor.valueLength() !== entry.value.length) throw new Error(`${where}: length of value ${i}`)
      if (entry.value.length < 300 || this.#random.bool(0.2))
        same(cursor.value(), entry.value, `${where}: value ${i}`)
      if (!isPlaced) continue
      const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd } = place
      same(keyBytes.subarray(keyStart, keyEnd), entry.key, `${where}: place of key ${i}`)
      same(valueBytes.subarray(valueStart, valueEnd), entry.value, `${where}: place of value ${i}`)
    }
  }

  /** What an opening has found in the log is applied to the trees a little later: until then reads look at both. */
  #readLate(): void {
    this.#readPoints(this.#store, this.#models)
    const snapshot = this.#store.snapshot()
    for (const name of NAMES) {
      this.operations += 1
      const model = this.#models[name]
      const tree = snapshot.tree(name)
      this.#compareWalk(tree, model, { ...this.#range(model), reverse: this.#random.bool() }, name)
      const key = this.#near(model)
      same(tree.get(key), model.get(key), `${name}: get in a snapshot`)
      if (tree.has(key) !== (model.get(key) !== undefined)) throw new Error(`${name}: has in a snapshot`)
    }
    snapshot.close()
    this.#hold()
  }

  #readAppended(store: Store): void {
    for (let i = 0; i < 3 && this.#appended.length > 0; i++) {
      this.operations += 1
      const { reference, bytes } = this.#random.pick(this.#appended)
      same(store.read(reference), bytes, 'appended bytes')
      if (store.lengthOf(reference) !== bytes.length) throw new Error('length of appended bytes')
    }
  }

  #compareLatest(): void {
    const snapshot = this.#store.snapshot()
    this.#compareAll(snapshot, this.#models)
    snapshot.close()
  }

  #compareAll(snapshot: Snapshot, models: Models): void {
    for (const name of NAMES) {
      const tree = snapshot.tree(name)
      const model = models[name]
      if (tree.count() !== model.entries.length) throw new Error(`${name}: count`)
      const cursor = tree.cursor()
      for (const [i, entry] of model.entries.entries()) {
        if (!cursor.next()) throw new Error(`${name}: ends at ${i} of ${model.entries.length}`)
        same(cursor.key(), entry.key, `${name}: key ${i}`)
        same(cursor.value(), entry.value, `${name}: value ${i}`)
      }
      if (cursor.next()) throw new Error(`${name}: has too many entries`)
      compareSummaries(tree, model, {}, name)
    }
  }

  // Lives.

  async #check(): Promise<void> {
    this.checks += 1
    const { problems } = await this.#store.check()
    if (problems.length > 0) throw new Error(`check: ${JSON.stringify(problems.slice(0, 4))}`)
  }

  async #close(): Promise<void> {
    this.#letGo()
    await this.#store.close()
  }

  async #reopen(): Promise<void> {
    this.reopened += 1
    if (this.#target.crash !== undefined && this.#random.bool(0.6)) {
      this.crashes += 1
      // The process lives on, unlike that of a machine that fails: open snapshots would count in it for good.
      this.#letGo()
      await this.#target.crash()
      this.#store = await this.#target.open()
    } else {
      await this.#close()
      this.#store = await this.#target.open()
      if (this.#store.recovery.outcome !== 'clean')
        throw new Error(`closed, then ${this.#store.recovery.outcome}`)
    }
    this.#readLate()
    if (this.#random.bool()) this.#compareLatest()
    for (const { reference, bytes } of this.#appended)
      same(this.#store.read(reference), bytes, 'appended bytes')
  }
}

function copyOf(models: Models): Models {
  return {
    plain: models.plain.copy(),
    folded: models.folded.copy(),
    mixed: models.mixed.copy(),
    summed: models.summed.copy(),
  }
}

function same(actual: Uint8Array | undefined, expected: Buffer | undefined, what: string): void {
  if (actual === undefined || expected === undefined) {
    if (actual === expected) return
    throw new Error(`${what}: ${actual === undefined ? 'is missing' : 'should be missing'}`)
  }
  if (!expected.equals(actual))
    throw new Error(`${what}: other bytes (${actual.length} for ${expected.length})`)
}

function compareSummaries(tree: TreeReader, model: TreeModel, range: Range, name: string): void {
  const actual = tree.reduce(range)
  const expected = model.reduce(range)
  if (actual.count !== expected.count || actual.bytes !== expected.bytes) {
    throw new Error(
      `${name}: reduce ${actual.count}/${actual.bytes}, not ${expected.count}/${expected.bytes}`,
    )
  }
  const reduction = expected.reduction === undefined ? undefined : Buffer.from(expected.reduction)
  same(actual.reduction, reduction, `${name}: reduction`)
}

function expectKeyTooLarge(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (error instanceof StorageError && error.code === 'KEY_TOO_LARGE') return
    throw error
  }
  throw new Error('a key of 65,537 bytes was accepted')
}

/** The value that `getInto` copies, to memory that is as long, and nothing to memory that is too short. */
function gotInto(store: Pick<Store, 'getInto'>, name: string, key: Buffer): Buffer | undefined {
  const length = store.getInto(name, key, Buffer.alloc(0))
  if (length < 0) return undefined
  const short = Buffer.alloc(Math.max(0, length - 1), 0xaa)
  store.getInto(name, key, short)
  if (!short.every((byte) => byte === 0xaa)) throw new Error('a part of a value was copied')
  const target = Buffer.alloc(length)
  if (store.getInto(name, key, target) !== length) throw new Error('the length changed')
  return target
}

function emptyPlace(): EntryPlace {
  const none = Buffer.alloc(0)
  return { keyBytes: none, keyStart: 0, keyEnd: 0, valueBytes: none, valueStart: 0, valueEnd: 0 }
}

/** The value where the entry of a key lies that stands between other bytes. */
function placedValue(store: Store, name: string, key: Buffer): Buffer | undefined {
  const place = emptyPlace()
  const around = Buffer.concat([Buffer.from([255, 0]), key, Buffer.from([0, 255])])
  if (!store.place(name, around, 2, 2 + key.length, place)) return undefined
  return Buffer.from(place.valueBytes.subarray(place.valueStart, place.valueEnd))
}
