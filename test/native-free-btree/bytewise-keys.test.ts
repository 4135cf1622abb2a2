/** A comparator that leaves some of its keys to the engine. */
import { join } from 'node:path'
import t from 'tap'
import { openFollower, openStore } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { seed } from '../support/test-run.ts'

const BELOW = 0x40

/** Bytewise, but descending from BELOW on; it refuses what it is not to be asked. */
const strict = {
  name: 'strict',
  version: 1,
  bytewiseBelow: BELOW,
  compare(a: Uint8Array, b: Uint8Array): number {
    const [isLowA, isLowB] = [a[0]! < BELOW, b[0]! < BELOW]
    if (isLowA && isLowB) throw new Error('two keys in bytewise order were compared')
    return isLowA || isLowB ? Number(isLowB) - Number(isLowA) : Buffer.compare(b, a)
  },
}

t.test('keys in bytewise order are not compared by the comparator, by no reader and no writer', async (t) => {
  const random = new Random(seed)
  const trees = { rows: { comparator: strict } }
  const store = await openStore(join(t.testdir(), 'store'), { trees })
  const follower = await openFollower(store.shareProgress(), { trees })
  const keys = Array.from({ length: 3000 }, (_, i) => Buffer.from(random.bytes(1 + (i % 20))))
  for (const key of keys) if (random.bool(0.8)) key[0] = key[0]! % BELOW
  for (let i = 0; i < keys.length; i += 300) {
    await store.transact((tx) => {
      for (const key of keys.slice(i, i + 300)) {
        tx.put('rows', key, key)
        if (!tx.get('rows', key)?.equals(key)) t.fail('not there')
      }
      for (const key of keys.slice(0, i)) if (random.bool(0.05)) tx.delete('rows', key)
    })
    for (const key of keys) if (follower.has('rows', key) !== store.has('rows', key)) t.fail('followed')
  }
  const snapshot = store.snapshot()
  const rows = snapshot.tree('rows')
  const low = keys.find((key) => key[0]! < BELOW && rows.has(key))!
  const cursor = rows.cursor({ start: low, end: Buffer.from([BELOW - 1, 255]) })
  const first = rows.rank(low)
  let count = 0
  for (; cursor.next(); count++) t.equal(rows.rank(cursor.key()), first + count)
  t.equal(rows.reduce({ start: low, end: Buffer.from([BELOW - 1, 255]) }).count, count)
  snapshot.close()
  t.strictSame((await store.check()).problems, [])
  await follower.close()
  await store.close()
})

/** Keys with and without the bit stand among each other; those with it by their other bytes from the last to the first. */
const woven = {
  name: 'woven',
  version: 1,
  bytewiseBelow: BELOW,
  compare(a: Uint8Array, b: Uint8Array): number {
    return Buffer.compare(wovenPlace(a), wovenPlace(b)) || a[0]! - b[0]!
  },
}

function wovenPlace(key: Uint8Array): Buffer {
  const rest = [...key].slice(1)
  return Buffer.from([key[0]! % BELOW, ...(key[0]! < BELOW ? rest : rest.reverse())])
}

t.test('keys of both kinds on one page are found where they are', async (t) => {
  const random = new Random(seed)
  const store = await openStore(join(t.testdir(), 'store'), { trees: { rows: { comparator: woven } } })
  const model = new Map<string, Buffer>()
  const key = (): Buffer => {
    const rest = Array.from({ length: 7 }, () => random.int(random.pick([2, 250])))
    return Buffer.from([7 + (random.bool(0.1) ? BELOW : 0), ...rest])
  }
  for (let i = 0; i < 60; i++) {
    await store.transact((tx) => {
      for (let j = 0; j < 60; j++) {
        const each = key()
        tx.put('rows', each, each)
        model.set(each.toString('hex'), each)
      }
      for (const [text, each] of [...model].filter(() => random.bool(0.01))) {
        tx.delete('rows', each)
        model.delete(text)
      }
    })
    t.strictSame((await store.check()).problems, [])
  }
  const snapshot = store.snapshot()
  const rows = snapshot.tree('rows')
  const sorted = [...model.values()].sort(woven.compare)
  t.equal(rows.count(), sorted.length)
  t.strictSame(
    sorted.map((each) => rows.rank(each)),
    [...sorted.keys()],
  )
  t.ok(sorted.every((each) => rows.get(each)?.equals(each)))
  snapshot.close()
  await store.close()
})

t.test('the bound is a whole number of bytes', async (t) => {
  for (const bytewiseBelow of [-1, 257, 1.5, Number.NaN, '1']) {
    const comparator = { ...strict, bytewiseBelow: bytewiseBelow as number }
    const opened = openStore(join(t.testdir(), 'store'), { trees: { rows: { comparator } } })
    await t.rejects(opened, { code: 'INVALID_ARGUMENT' })
  }
})
