/** What the log did since the last checkpoint is applied after opening, and nobody can tell. */
import t from 'tap'
import type { Cursor, EntryPlace, Store } from '../../native-free-btree/index.ts'
import { MOST_LATE_CHANGES } from '../../native-free-btree/tree/late-changes.ts'
import { flipBit } from '../../src/lab/disk/simulated-damage.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated, patternBytes } from '../support/test-trees.ts'

t.setTimeout(300_000)

const PATH = '/d/store'
const ENTRIES = 8000
/** Nothing but `checkpoint()` starts one. */
const LARGE = { checkpointLogBytes: 2 ** 30, dirtyBytes: 2 ** 30 }

const keyOf = (n: number): Buffer => Buffer.from(`key ${String(n).padStart(6, '0')}`)

function open(disk: SimulatedDisk): Promise<Store> {
  return openSimulated(disk, PATH, new Random(1), LARGE)
}

/** Each tenth entry was changed, and each eleventh deleted, since the checkpoint. */
async function crashed(): Promise<{ disk: SimulatedDisk; expected: Map<number, Buffer> }> {
  const disk = new SimulatedDisk(new Random(2))
  const expected = new Map<number, Buffer>()
  const store = await open(disk)
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n++) {
      expected.set(n, patternBytes(n, 100))
      tx.put('summed', keyOf(n), expected.get(n)!)
    }
  })
  await store.checkpoint()
  for (let first = 0; first < ENTRIES; first += 500) {
    await store.transact((tx) => {
      for (let n = first; n < first + 500; n++) {
        if (n % 11 === 0) tx.delete('summed', keyOf(n))
        else if (n % 10 === 0) tx.put('summed', keyOf(n), patternBytes(n, 300))
        if (n % 11 === 0) expected.delete(n)
        else if (n % 10 === 0) expected.set(n, patternBytes(n, 300))
      }
    })
  }
  const after = disk.crash()
  await store.close()
  return { disk: after, expected }
}

function emptyPlace(): EntryPlace {
  const none = Buffer.alloc(0)
  return { keyBytes: none, keyStart: 0, keyEnd: 0, valueBytes: none, valueStart: 0, valueEnd: 0 }
}

function entriesOf(cursor: Cursor): string[] {
  const entries: string[] = []
  const place = emptyPlace()
  while (cursor.next()) {
    if (cursor.valueLength() !== cursor.value().length) throw new Error('a value of another length')
    cursor.place(place)
    const { keyBytes, keyStart, keyEnd, valueBytes, valueStart, valueEnd } = place
    if (!keyBytes.subarray(keyStart, keyEnd).equals(cursor.key())) throw new Error('a key in another place')
    if (!valueBytes.subarray(valueStart, valueEnd).equals(cursor.value()))
      throw new Error('a value elsewhere')
    entries.push(`${cursor.key()} ${cursor.value().toString('base64')}`)
  }
  return entries
}

function linesOf(expected: ReadonlyMap<number, Buffer>): string[] {
  return [...expected]
    .sort(([a], [b]) => a - b)
    .map(([n, value]) => `${keyOf(n)} ${value.toString('base64')}`)
}

t.test('a snapshot of a store that was just opened stays as it is', async (t) => {
  const { disk, expected } = await crashed()
  const lines = linesOf(expected)
  const store = await open(disk)
  const snapshot = store.snapshot()
  const tree = snapshot.tree('summed')
  const walk = tree.cursor()
  t.ok(walk.next())
  t.equal(walk.key().toString(), keyOf(1).toString(), 'the first was deleted')
  t.notOk(store.has('summed', keyOf(11)))
  t.same(store.get('summed', keyOf(10)), patternBytes(10, 300))
  t.same(store.get('summed', keyOf(12)), patternBytes(12, 100))
  const place = emptyPlace()
  const isPlaced = (n: number): boolean => store.place('summed', keyOf(n), 0, keyOf(n).length, place)
  t.ok(isPlaced(10))
  t.same(place.valueBytes.subarray(place.valueStart, place.valueEnd), patternBytes(10, 300))
  t.notOk(isPlaced(11))
  t.ok(isPlaced(12))
  t.equal(place.valueEnd - place.valueStart, 100)
  const reverse = tree.cursor({ reverse: true, start: keyOf(100), end: keyOf(200), endInclusive: true })
  t.same(
    entriesOf(reverse),
    lines.filter((line) => line >= String(keyOf(100)) && line < String(keyOf(201))).reverse(),
  )
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n += 3) tx.put('summed', keyOf(n), Buffer.from('after'))
  })
  t.same(store.get('summed', keyOf(0)), Buffer.from('after'))
  t.same(tree.get(keyOf(3)), patternBytes(3, 100), 'the snapshot is of before')
  t.notOk(tree.has(keyOf(0)))
  t.same(entriesOf(walk), lines.slice(1), 'and so is a cursor that stood')
  t.same(entriesOf(tree.cursor()), lines)
  t.equal(tree.count(), lines.length)
  t.equal(tree.reduce().count, lines.length)
  snapshot.close()
  t.same((await store.check()).problems, [])
  await store.close()
})

t.test('counts of a store that was just opened know of everything', async (t) => {
  const { disk, expected } = await crashed()
  const store = await open(disk)
  const snapshot = store.snapshot()
  const tree = snapshot.tree('summed')
  t.equal(tree.count(), expected.size)
  t.equal(store.stats().trees['summed']!.count, expected.size)
  t.same(entriesOf(tree.cursor({ skip: 100 })), linesOf(expected).slice(100))
  snapshot.close()
  await store.close()
})

t.test(
  'late changes are applied in turns, and who waits for all of them lets others have theirs',
  async (t) => {
    const { disk, expected } = await crashed()
    for (const readOnly of [true, false]) {
      const store = await openSimulated(disk, PATH, new Random(1), { ...LARGE, readOnly })
      let turns = 0
      let isWaiting = true
      const count = (): void => {
        turns += 1
        if (isWaiting) setImmediate(count)
      }
      setImmediate(count)
      await store.settled()
      isWaiting = false
      t.ok(turns >= 2, `${turns} turns for some 1,500 changes`)
      t.equal(store.stats().trees['summed']!.count, expected.size)
      await store.settled()
      const closing = store.close()
      await t.rejects(store.settled(), { code: 'CLOSED' })
      await closing
    }
    const store = await open((await crashed()).disk)
    const [settled] = await Promise.allSettled([store.settled(), store.close()])
    t.match(settled, { status: 'rejected', reason: { code: 'CLOSED' } }, 'closed meanwhile')
  },
)

t.test('a store that is closed before the changes are applied has them all the same', async (t) => {
  const { disk, expected } = await crashed()
  for (let i = 0; i < 3; i++) await (await open(disk)).close()
  const store = await open(disk)
  const snapshot = store.snapshot()
  t.same(entriesOf(snapshot.tree('summed').cursor()), linesOf(expected))
  snapshot.close()
  await store.close()
})

t.test('more changes than are kept beside a tree', async (t) => {
  const disk = new SimulatedDisk(new Random(3))
  const store = await open(disk)
  const count = MOST_LATE_CHANGES + 5000
  await store.transact((tx) => {
    for (let n = 0; n < count; n++) tx.put('plain', keyOf((n * 7919) % count), Buffer.of(n & 255))
  })
  const after = disk.crash()
  await store.close()
  const opened = await open(after)
  const snapshot = opened.snapshot()
  const cursor = snapshot.tree('plain').cursor()
  let found = 0
  while (cursor.next()) if (cursor.key().equals(keyOf(found))) found += 1
  t.equal(found, count)
  t.equal(snapshot.tree('plain').count(), count)
  snapshot.close()
  await opened.close()
})

t.test('a damaged leaf that changes belong to: no wrong answer, and no write', async (t) => {
  const { disk } = await crashed()
  const size = (await disk.open(PATH, 'read')).size()
  const bytes = Buffer.from(disk.inode(PATH).durable.slice(0, size))
  // Of the record and the leaf that the checkpoint wrote, the leaf is the later.
  const neighbour = Buffer.concat([keyOf(999), patternBytes(999, 100)])
  const at = bytes.lastIndexOf(neighbour)
  t.ok(at > bytes.indexOf(neighbour))
  flipBit(disk, PATH, at + 50, 3)
  const store = await open(disk)
  t.same(store.get('summed', keyOf(1000)), patternBytes(1000, 300), 'what the log says needs no leaf')
  t.same(store.get('summed', keyOf(12)), patternBytes(12, 100), 'another leaf')
  t.throws(() => store.get('summed', keyOf(999)), { code: 'DAMAGED' })
  const snapshot = store.snapshot()
  t.throws(() => snapshot.tree('summed').count(), { code: 'DAMAGED' })
  t.throws(() => snapshot.tree('summed').cursor(), { code: 'DAMAGED' })
  t.throws(() => store.get('summed', keyOf(1000)), { code: 'DAMAGED' }, 'half applied, the tree is not read')
  snapshot.close()
  await t.rejects(
    store.transact((tx) => tx.put('plain', keyOf(1), Buffer.of(1))),
    { code: 'DAMAGED' },
  )
  await t.rejects(store.checkpoint(), { code: 'DAMAGED' })
  await t.rejects(store.settled(), { code: 'DAMAGED' })
  await store.close()
})
