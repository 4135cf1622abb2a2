/** Compaction of any store: orders, summaries and references of its trees' own, with writes between its steps. */
import t from 'tap'
import {
  CompactionCancelled,
  type CompactionOptions,
  compact,
  PageCache,
  type Reducer,
  type Rewrite,
  type Store,
  StoreCompactionSource,
} from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock, seededRandomBytes } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes, TEST_TREES } from '../support/test-trees.ts'

const PATH = '/d/store'

type Model = Map<string, Map<string, string>>

/** Every entry of every tree, values behind references read. */
function contents(store: Store): Record<string, [string, string][]> {
  const snapshot = store.snapshot()
  const found: Record<string, [string, string][]> = {}
  for (const tree of Object.keys(TEST_TREES)) {
    found[tree] = []
    const cursor = snapshot.tree(tree).cursor()
    while (cursor.next()) {
      const value = tree === 'refs' ? snapshot.values.read(cursor.value()) : cursor.value()
      found[tree].push([cursor.key().toString(), value.toString('latin1')])
    }
  }
  snapshot.close()
  return found
}

/** Random writes into all trees: short values, values out of line, references. */
async function write(store: Store, random: Random, writes: number, model: Model): Promise<void> {
  await store.transact((tx) => {
    for (let n = 0; n < writes; n++) {
      const tree = random.pick(Object.keys(TEST_TREES))
      const known = model.get(tree) ?? new Map<string, string>()
      model.set(tree, known)
      const key = `k${random.int(400)}`
      if (random.bool(0.3)) {
        tx.delete(tree, Buffer.from(key))
        known.delete(key)
        continue
      }
      const value = patternBytes(random.int(1e6), random.pick([0, 3, 200, 700, 5000]))
      tx.put(tree, Buffer.from(key), tree === 'refs' ? tx.append(value) : value)
      known.set(key, value.toString('latin1'))
    }
  })
}

function expected(model: Model, store: Store): Record<string, [string, string][]> {
  const order = contents(store)
  return Object.fromEntries(
    Object.keys(TEST_TREES).map((tree) => {
      const known = model.get(tree) ?? new Map<string, string>()
      const inOrder = order[tree]!.map(([key]): [string, string] => [
        key,
        known.get(key) ?? 'not in the model',
      ])
      return [tree, inOrder.length === known.size ? inOrder : []]
    }),
  )
}

/** References are named by their copies. */
const following: NonNullable<CompactionOptions['rewrite']> = (_snapshot, copies): Rewrite => ({
  references: (tree, value) => (tree === 'refs' ? [value] : []),
  entry: (appender, tree, _key, value) => (tree === 'refs' ? copies.copy(appender, value) : value),
  changedReferences: (tree, _key, value) => (tree === 'refs' ? [value] : []),
  change: (tx, tree, _key, value) => (tree === 'refs' ? copies.copy(tx, value) : value),
})

/** The clock stands still: a writer that is slowed down would wait for ever. */
class UnhurriedSource extends StoreCompactionSource {
  override slowDown(): void {}
}

const optionsOn = (disk: SimulatedDisk, random: Random): CompactionOptions => ({
  trees: TEST_TREES,
  fileSystem: disk,
  clock: new SimulatedClock(),
  random: seededRandomBytes(random),
  cache: new PageCache(1024 * 1024),
  fillBytes: 8 * 1024,
  markBytes: 32 * 1024,
  turnBytes: 4 * 1024,
  rewrite: following,
})

for (const seed of [1, 2, 3, 4]) {
  t.test(`what is written meanwhile, and interruptions: seed ${seed}`, async (t) => {
    const random = new Random(seed)
    const disk = new SimulatedDisk(seed)
    const store = await openSimulated(disk, PATH, random)
    const model: Model = new Map()
    for (let n = 0; n < 8; n++) await write(store, random, 200, model)
    let attempts = 0
    for (let isDone = false; !isDone; attempts++) {
      const source = new UnhurriedSource(store)
      let stepsLeft = attempts < 4 ? random.int(30) : Number.POSITIVE_INFINITY
      const options = optionsOn(disk, random)
      const compaction = compact(source, {
        ...options,
        pace: async () => {
          stepsLeft -= 1
          if (stepsLeft < 0) throw new CompactionCancelled(random.bool(0.8))
          if (random.bool(0.4)) await write(store, random, random.int(30), model)
        },
      })
      isDone = await compaction.then(
        () => true,
        (error) => {
          if (!(error instanceof CompactionCancelled)) throw error
          return false
        },
      )
      await source.end()
      if (random.bool()) await write(store, random, 20, model)
    }
    t.same(contents(store), expected(model, store))
    t.equal((await store.check()).problemCount, 0)
    await write(store, random, 100, model)
    await store.close()
    const again = await openSimulated(disk, PATH, random, { create: false })
    t.same(contents(again), expected(model, again))
    t.equal((await again.check()).problemCount, 0)
    await again.close()
  })
}

t.test('entries stay as they are where nobody says otherwise, and references are refused', async (t) => {
  const random = new Random(9)
  const disk = new SimulatedDisk(9)
  const store = await openSimulated(disk, PATH, random)
  await store.transact((tx) => {
    for (let n = 0; n < 300; n++) tx.put('folded', Buffer.from(`K${n}`), patternBytes(n, 300))
  })
  const before = contents(store)
  const { rewrite: _, ...plain } = optionsOn(disk, random)
  const result = await compact(new StoreCompactionSource(store), plain)
  t.same(contents(store), before)
  t.equal(result.resumed, false)
  await store.transact((tx) => tx.put('refs', Buffer.from('r'), tx.append(Buffer.from('value'))))
  await t.rejects(compact(new StoreCompactionSource(store), plain), {
    code: 'INVALID_ARGUMENT',
    message: /hold references/,
  })
  t.equal((await store.check()).problemCount, 0, 'and the store goes on')
  await store.close()
})

t.test('wrong arguments are refused before anything is touched', async (t) => {
  const random = new Random(8)
  const disk = new SimulatedDisk(8)
  const store = await openSimulated(disk, PATH, random)
  const options = optionsOn(disk, random)
  const source = new StoreCompactionSource(store)
  for (const [what, wrongSource, wrongOptions] of [
    ['no source', undefined, options],
    ['a source without methods', { path: PATH }, options],
    ['no options', source, undefined],
    ['bytes that are none', source, { ...options, turnBytes: Number.NaN }],
    ['a pace that is no function', source, { ...options, pace: 5 }],
  ] as const) {
    await t.rejects(compact(wrongSource as never, wrongOptions as never), { code: 'INVALID_ARGUMENT' }, what)
  }
  await source.end()
  await t.rejects(source.exportSnapshot(), { code: 'CLOSED' })
  t.notOk(await disk.exists(`${PATH}.compact`))
  await store.close()
})

t.test(
  'sums that depend on their order are those that a leaf as a whole gives, with long values between',
  async (t) => {
    const double = (number: number): Uint8Array => new Uint8Array(new Float64Array([number]).buffer)
    const read = (bytes: Uint8Array): number => new DataView(bytes.slice().buffer).getFloat64(0, true)
    const sum = (numbers: number[]): Uint8Array =>
      double(numbers.reduce((total, number) => total + number, 0))
    const sums: Reducer = {
      name: 'sums',
      version: 1,
      maxBytes: 8,
      map: (_key, value) => double(read(value.subarray(0, 8))),
      mapAll: (bytes, bounds) =>
        sum(
          Array.from({ length: bounds.length / 4 }, (_, i) =>
            read(bytes.slice(bounds[4 * i + 2], bounds[4 * i + 2]! + 8)),
          ),
        ),
      combine: (parts) => sum(parts.map(read)),
    }
    const trees = { sums: { reducer: sums } }
    const random = new Random(11)
    const disk = new SimulatedDisk(11)
    const store = await openSimulated(disk, PATH, random, { trees })
    for (let n = 0; n < 3; n++) {
      await store.transact((tx) => {
        for (let i = 0; i < 300; i++) {
          const number = random.pick([1e16, -1e16, 1 / 3, 7, 1e-9]) * (1 + random.int(1000))
          const more = Buffer.alloc(random.pick([0, 0, 0, 0, 30, 400]))
          tx.put('sums', Buffer.from(`k${n}${i}`), Buffer.concat([double(number), more]))
        }
      })
    }
    // A mark comes after some entries of a leaf.
    const options = { ...optionsOn(disk, random), trees, rewrite: undefined, markBytes: 500, fillBytes: 300 }
    const source = new UnhurriedSource(store)
    await compact(source, options)
    await source.end()
    const report = await store.check()
    t.equal(report.problemCount, 0, JSON.stringify(report.problems))
    await store.close()
  },
)

t.test(
  'who waits for a writer that was slowed down waits no longer than that is so, nor for the close',
  async (t) => {
    for (const end of ['slowed down no more', 'closed']) {
      const store = await openSimulated(new SimulatedDisk(1), PATH, new Random(1))
      store.slowDown(1000)
      let isWritten = false
      const written = write(store, new Random(2), 10, new Map()).then(() => {
        isWritten = true
      })
      for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
      t.notOk(isWritten, 'the clock stands still')
      if (end === 'closed') await store.close()
      else store.slowDown(0)
      await written
      t.ok(isWritten, end)
      await store.close()
    }
  },
)
