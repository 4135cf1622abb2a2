/**
 * Comparators and reducers were given the pages themselves, and could call the store in the middle of a change: one that
 * reversed its arguments in place wrote keys out of order, one that took a snapshot saw half a group. What the library had
 * handed out (a handle's checkpoint, a filling) could be used to the same end.
 */
import t from 'tap'
import {
  NewFile,
  openSnapshot,
  openStore,
  PageCache,
  type TreeOptions,
} from '../../native-free-btree/index.ts'

const bytes = (text: string | number): Buffer => Buffer.from(String(text))
const REFUSED = { code: 'INVALID_ARGUMENT' }

/** Keys and values that only the caller has seen so far, in an order that makes leaves split in the middle. */
const KEYS = Array.from({ length: 1500 }, (_, i) => `k${(i * 7919) % 1500}`)

async function problemsAfterReopening(path: string, trees: Record<string, TreeOptions>): Promise<unknown[]> {
  const store = await openStore(path, { trees, cache: new PageCache(1 << 20) })
  const { problems } = await store.check()
  await store.close()
  return problems
}

t.test('callbacks may do to their arguments what they like', async (t) => {
  const path = `${t.testdir()}/s`
  const combine = (parts: readonly Uint8Array[]) => {
    const sum = parts.reduce((total, part) => total + Buffer.from(part).readUInt32LE(), 0)
    for (const part of parts) part.fill(0xff)
    const all = Buffer.alloc(4)
    all.writeUInt32LE(sum)
    return all
  }
  const trees: Record<string, TreeOptions> = {
    reversed: {
      comparator: {
        name: 'reversed',
        version: 1,
        compare: (a, b) => Buffer.compare(a.reverse(), b.reverse()),
      },
    },
    counted: {
      reducer: {
        name: 'count',
        version: 1,
        maxBytes: 4,
        map(key, value) {
          key.fill(0)
          value.fill(0)
          return new Uint8Array([1, 0, 0, 0])
        },
        combine,
      },
    },
  }
  const store = await openStore(path, { trees })
  for (const tree of Object.keys(trees)) {
    await store.transact((tx) => {
      for (const key of KEYS) tx.put(tree, bytes(key), bytes(key))
    })
  }
  for (const tree of Object.keys(trees))
    for (const key of KEYS) t.ok(store.get(tree, bytes(key))?.equals(bytes(key)))
  await store.checkpoint()
  await store.close()
  t.same(await problemsAfterReopening(path, trees), [])
})

t.test('callbacks do not call the library', async (t) => {
  let calls: (() => unknown)[] = []
  const outcomes = new Set<unknown>()
  const trees: Record<string, TreeOptions> = {
    plain: {},
    ordered: {
      comparator: {
        name: 'curious',
        version: 1,
        compare(a, b) {
          for (const call of calls) {
            try {
              call()
              outcomes.add('taken')
            } catch (error) {
              outcomes.add((error as { code: unknown }).code)
            }
          }
          return Buffer.compare(a, b)
        },
      },
    },
  }
  const path = `${t.testdir()}/s`
  const store = await openStore(path, { trees })
  const held = store.snapshot()
  const reader = held.tree('plain')
  const cursor = reader.cursor()
  const outside = [
    () => store.get('plain', bytes('k')),
    () => store.snapshot(),
    () => held.tree('plain'),
    () => held.close(),
    () => reader.count(),
    () => cursor.next(),
  ]
  await store.transact((tx) => {
    calls = [...outside, () => tx.get('plain', bytes('k')), () => tx.put('plain', bytes('k'), bytes('k'))]
    for (const key of KEYS.slice(0, 50)) tx.put('ordered', bytes(key), bytes(key))
  })
  t.same([...outcomes], ['INVALID_ARGUMENT'], 'while the group was built and while it was applied')
  calls = []
  await store.transact((tx) => {
    calls = [
      () => tx.get('plain', bytes('a')),
      () => {
        throw new Error('in a mood')
      },
    ]
    tx.put('plain', bytes('a'), bytes('1'))
    try {
      tx.put('ordered', bytes('k1'), bytes('2'))
    } catch {}
    calls = []
    tx.put('plain', bytes('b'), bytes('2'))
    t.equal(String(tx.get('plain', bytes('b'))), '2', 'an operation that was taken back is not found again')
  })
  held.close()
  await store.close()
  t.same(await problemsAfterReopening(path, trees), [])
})

t.test('what was handed out is no part of the store', async (t) => {
  const path = `${t.testdir()}/s`
  const trees = { t: {} }
  const store = await openStore(path, { trees })
  await store.transact((tx) => {
    for (const key of KEYS) tx.put('t', bytes(key), bytes(key))
  })
  const handle = await store.exportSnapshot()
  const before = { ...handle, checkpoint: { ...handle.checkpoint } }
  Object.assign(handle.checkpoint, { position: 12_345, length: 7 })
  await store.transact((tx) => tx.put('t', bytes('later'), bytes('x')))
  await store.close()
  t.same(await problemsAfterReopening(path, trees), [])
  const snapshot = await openSnapshot(before, { trees })
  t.equal(snapshot.tree('t').count(), 1500)
  await snapshot.close()
  t.throws(() => snapshot.tree('t'), { code: 'CLOSED' })
})

t.test('a filling is for its turn, and one that failed has to be begun again', async (t) => {
  const path = `${t.testdir()}/s`
  const trees = { t: {} }
  const store = await openStore(path, { trees })
  const sorted = [...KEYS].sort()
  const file = await NewFile.open(path, store, { trees })
  let kept: { append(value: Uint8Array): unknown } | undefined
  await file.fill((filling) => {
    kept = filling
    filling.add('t', bytes('a'), bytes('1'))
    for (const key of ['a', 'A', ''])
      t.throws(() => filling.add('t', bytes(key), bytes('1')), REFUSED, 'out of order')
    t.throws(() => filling.add('t', Buffer.alloc(70_000, 'z'), bytes('1')), { code: 'KEY_TOO_LARGE' })
  })
  t.throws(() => kept!.append(bytes('x')), { code: 'CLOSED' })
  await t.rejects(
    file.fill((filling) => {
      for (const key of sorted) filling.add('t', bytes(key), bytes(key))
      throw new Error('no more')
    }),
    { message: 'no more' },
  )
  await t.rejects(file.finishLoad('t'), { code: 'POISONED' })
  await t.rejects(file.finish(), { code: 'POISONED' })
  await file.close()
  const again = await NewFile.open(path, store, { trees })
  await again.fill((filling) => {
    for (const key of sorted) filling.add('t', bytes(key), bytes(key))
  })
  await again.finishLoad('t')
  await again.finish()
  await store.close()
  t.same(await problemsAfterReopening(again.path, trees), [])
})

t.test('whatever fails, a close gives the lock back', async (t) => {
  const { nodeFileSystem } = await import('../../native-free-btree/index.ts')
  const path = `${t.testdir()}/s`
  const fileSystem = {
    ...nodeFileSystem,
    async open(name: string, mode: 'read' | 'write' | 'create') {
      const file = await nodeFileSystem.open(name, mode)
      if (mode !== 'write') return file
      file.close = () => Promise.reject(Object.assign(new Error('EIO: close'), { code: 'EIO' }))
      return file
    },
  }
  const store = await openStore(path, { fileSystem })
  await t.rejects(store.close(), { code: 'IO_FAILED', details: { systemCode: 'EIO' } })
  await (await openStore(path)).close()
})
