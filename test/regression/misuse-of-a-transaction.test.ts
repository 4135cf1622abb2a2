/**
 * Half a record stayed in the group when an operation of a transaction threw and the caller went on, and what was no byte
 * string was taken by its `length`: the store was acknowledged, and DAMAGED for good when it was opened again.
 */
import t from 'tap'
import { openStore, StorageError, type Store, type Transaction } from '../../native-free-btree/index.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const INVALID = { code: 'INVALID_ARGUMENT' }
const COMPARATOR = {
  name: 'moody',
  version: 1,
  compare: (a: Uint8Array, b: Uint8Array): number => {
    if (mood === 'throw') throw new Error('in a mood')
    if (mood === 'NaN') return Number.NaN
    if (mood === 'reentrant') inside()
    return Buffer.compare(a, b)
  },
}
let mood: 'well' | 'throw' | 'NaN' | 'reentrant' = 'well'
let inside: () => void = () => undefined

const TREES = { t: {}, moody: { comparator: COMPARATOR } }

/** Closes the store, opens it again and returns what it holds. */
async function reopened(store: Store): Promise<Record<string, string[]>> {
  const { path } = store
  await store.close()
  const again = await openStore(path, { trees: TREES })
  const report = await again.check()
  if (report.problems.length > 0) throw new Error(JSON.stringify(report.problems))
  const snapshot = again.snapshot()
  const held: Record<string, string[]> = {}
  for (const name of Object.keys(TREES)) {
    held[name] = []
    for (const cursor = snapshot.tree(name).cursor(); cursor.next(); ) {
      held[name].push(
        `${cursor.key()}=${cursor.value().length > 50 ? cursor.value().length : cursor.value()}`,
      )
    }
  }
  snapshot.close()
  await again.close()
  return held
}

const NO_BYTES: [name: string, value: unknown][] = [
  ['a string', 'text'],
  ['a number', 7],
  ['true', true],
  ['nothing', undefined],
  ['null', null],
  ['a negative length', { length: -7 }],
  ['a false length', { length: 1e9 }],
  ['an array', [1, 2, 3]],
  ['an ArrayBuffer', new ArrayBuffer(8)],
  ['a DataView', new DataView(new ArrayBuffer(8))],
  ['a Uint16Array', new Uint16Array(4)],
  ['a Float64Array', new Float64Array(4)],
  ['a proxy of bytes', new Proxy(new Uint8Array(4), {})],
  ['a function', () => 1],
  ['a symbol', Symbol('s')],
  ['detached bytes', detached()],
]

function detached(): Uint8Array {
  const gone = new Uint8Array(16)
  structuredClone(gone, { transfer: [gone.buffer] })
  return gone
}

t.test('what is no byte string is refused, and the transaction goes on without it', async (t) => {
  const store = await openStore(`${t.testdir()}/s`, { trees: TREES })
  for (const [name, value] of NO_BYTES) {
    const wrong = value as Uint8Array
    const attempts: ((tx: Transaction) => unknown)[] = [
      (tx) => tx.put('t', wrong, bytes('v')),
      (tx) => tx.put('t', bytes('k'), wrong),
      (tx) => tx.delete('t', wrong),
      (tx) => tx.get('t', wrong),
      (tx) => tx.append(wrong),
    ]
    await store.transact((tx) => {
      tx.put('t', bytes(name), bytes('before'))
      for (const attempt of attempts) t.throws(() => attempt(tx), INVALID, name)
      tx.put('moody', bytes(name), bytes('after'))
    })
    await t.rejects(
      store.transact((tx) => tx.put('t', bytes('k'), wrong)),
      INVALID,
      name,
    )
    t.throws(() => store.get('t', wrong), INVALID)
    t.throws(() => store.read(wrong), INVALID)
  }
  const names = NO_BYTES.map(([name]) => name).sort()
  t.same(await reopened(store), {
    t: names.map((name) => `${name}=before`),
    moody: names.map((name) => `${name}=after`),
  })
})

t.test('an operation that throws takes nothing else along', async (t) => {
  const store = await openStore(`${t.testdir()}/s`, { trees: TREES })
  t.teardown(() => {
    mood = 'well'
  })
  const long = Buffer.alloc(3 * 1024 * 1024, 'x')
  // More than one leaf: the way to a key is found by comparing.
  const many = Array.from({ length: 900 }, (_, i) => `a${1000 + i}`)
  await store.transact((tx) => {
    for (const key of many) tx.put('moody', bytes(key), bytes('1'))
  })
  await store.transact((tx) => {
    tx.put('t', bytes('a'), bytes('1'))
    for (const value of [bytes('small'), long]) {
      mood = 'throw'
      t.throws(() => tx.put('moody', bytes('b'), value), /in a mood/)
      mood = 'NaN'
      t.throws(() => tx.put('moody', bytes('b'), value), INVALID)
      mood = 'reentrant'
      inside = () => tx.put('t', bytes('inside'), long)
      t.throws(() => tx.put('moody', bytes('b'), value), INVALID)
      t.throws(() => tx.delete('moody', bytes('a1000')), INVALID)
      mood = 'well'
    }
    t.throws(() => tx.put('t', Buffer.alloc(70_000), bytes('v')), { code: 'KEY_TOO_LARGE' })
    t.throws(() => tx.put(Symbol('t') as never, bytes('k'), bytes('v')), { code: 'UNKNOWN_TREE' })
    tx.put('t', bytes('c'), long)
    t.equal(tx.get('t', bytes('inside')), undefined)
  })
  t.same(await reopened(store), {
    t: ['a=1', `c=${long.length}`],
    moody: many.map((key) => `${key}=1`),
  })
})

t.test('a build that returns a promise is refused, and nothing of it is written', async (t) => {
  const store = await openStore(`${t.testdir()}/s`, { trees: TREES })
  const later = new Promise((resolve) => setImmediate(resolve))
  const seen: unknown[] = []
  const onRejection = (error: unknown): void => void seen.push(error)
  process.on('unhandledRejection', onRejection)
  t.teardown(() => process.off('unhandledRejection', onRejection))
  await t.rejects(
    store.transact(async (tx) => {
      tx.put('t', bytes('early'), bytes('v'))
      await later
      tx.put('t', bytes('late'), bytes('v'))
    }),
    INVALID,
  )
  await t.rejects(
    store.transact((tx) => {
      tx.put('t', bytes('early'), bytes('v'))
      // biome-ignore lint/suspicious/noThenProperty: that is what is refused.
      return { then: () => undefined }
    }),
    INVALID,
  )
  await store.transact((tx) => tx.put('t', bytes('good'), bytes('v')))
  await new Promise((resolve) => setTimeout(resolve, 10))
  t.same(seen, [], 'no rejection was left to nobody')
  t.same(await reopened(store), { t: ['good=v'], moody: [] })
})

t.test('bytes that lie about themselves are taken as what they are', async (t) => {
  const store = await openStore(`${t.testdir()}/s`, { trees: TREES })
  class Liar extends Uint8Array {
    override get length(): number {
      return 1_000_000
    }
  }
  const shadowed = Object.defineProperty(new Uint8Array([0x61]), 'length', { value: -1 })
  const shared = new Uint8Array(new SharedArrayBuffer(1)).fill(0x62)
  await store.transact((tx) => {
    tx.put('t', new Liar([0x63]), new Liar([0x63]))
    tx.put('t', shadowed, shadowed)
    tx.put('t', shared, shared)
  })
  t.same(await reopened(store), { t: ['a=a', 'b=b', 'c=c'], moody: [] })
})

t.test('options that make no sense are refused before anything is made', async (t) => {
  const folder = t.testdir()
  const path = `${folder}/s`
  const name = 'c'
  const compare = Buffer.compare
  const wrong: unknown[] = [
    null,
    7,
    { trees: [] },
    { trees: { t: null } },
    { trees: { t: { comparator: { name, version: 1 } } } },
    { trees: { t: { comparator: { name: '', version: 1, compare } } } },
    { trees: { t: { comparator: { name, version: -1, compare } } } },
    { trees: { t: { comparator: { name, version: 1.5, compare } } } },
    { trees: { t: { comparator: { name: 'x'.repeat(300), version: 1, compare } } } },
    { trees: { ['\ud800']: {} } },
    { trees: { t: { reducer: { name, version: 1, maxBytes: 4096, map: compare, combine: compare } } } },
    { trees: { t: { references: 1 } } },
    { create: 'yes' },
    { queueBytes: Number.NaN },
    { dirtyBytes: -1 },
    { cache: {} },
    { clock: {} },
    { fileSystem: {} },
    { firstGroupPosition: 3 },
  ]
  for (const options of wrong) await t.rejects(openStore(path, options as never), INVALID)
  for (const place of ['', 'a\0b', 5, undefined]) await t.rejects(openStore(place as never), INVALID)
  t.same(await import('node:fs').then((fs) => fs.readdirSync(folder)), [])
  const store = await openStore(path, { trees: TREES })
  await t.rejects(store.transact('build' as never), INVALID)
  for (const sizeHint of [Number.NaN, -1, '5', Number.POSITIVE_INFINITY]) {
    await t.rejects(
      store.transact(() => 1, { sizeHint: sizeHint as number }),
      INVALID,
    )
  }
  await t.rejects(
    store.transact(() => 1, { signal: {} as AbortSignal }),
    INVALID,
  )
  await t.rejects(store.appendStream(5 as never), INVALID)
  await t.rejects(store.appendStream(['text'] as never), INVALID)
  t.throws(() => store.slowDown(Number.NaN), INVALID)
  await t.rejects(store.close(Number.NaN), INVALID)
  const snapshot = store.snapshot()
  const reader = snapshot.tree('t')
  t.throws(() => reader.cursor({ skip: -1 }), INVALID)
  t.throws(() => reader.cursor({ start: 'a' as never }), INVALID)
  t.throws(() => reader.reduce({ end: [] as never }), INVALID)
  snapshot.close()
  t.throws(() => reader.count(), { code: 'CLOSED' })
  await store.close()
})

t.test('errors of the operating system are typed, and a creation that fails leaves nothing', async (t) => {
  const folder = t.testdir({ file: 'x', folder: {} })
  const { nodeFileSystem } = await import('../../native-free-btree/index.ts')
  const refused: [path: string, options: object, code: string][] = [
    [`${folder}/none/s`, {}, 'NOT_FOUND'],
    [`${folder}/file/s`, {}, 'NOT_FOUND'],
    [`${folder}/folder`, {}, 'NOT_A_STORE'],
    [`${folder}/folder`, { readOnly: true }, 'NOT_A_STORE'],
    [`${folder}/none`, { readOnly: true }, 'NOT_FOUND'],
    [`${folder}/none`, { create: false }, 'NOT_FOUND'],
  ]
  for (const [path, options, code] of refused) {
    const error = await openStore(path, options).catch((caught: unknown) => caught)
    t.ok(error instanceof StorageError, path)
    t.match(error, { code }, path)
  }
  const full = {
    ...nodeFileSystem,
    rename: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOSPC' })),
  }
  await t.rejects(openStore(`${folder}/s`, { fileSystem: full }), {
    code: 'IO_FAILED',
    details: { systemCode: 'ENOSPC' },
  })
  const { readdirSync } = await import('node:fs')
  t.same(readdirSync(folder).sort(), ['file', 'folder'])
})

t.test('a reader in the same thread sees every commit that was acknowledged', async (t) => {
  const path = `${t.testdir()}/s`
  const writer = await openStore(path, { trees: TREES })
  await writer.transact((tx) => tx.put('t', bytes('k'), bytes('1')))
  const reader = await openStore(path, { trees: TREES, readOnly: true })
  t.equal(reader.get('t', bytes('k'))?.toString(), '1')
  for (let i = 2; i < 10; i++) {
    await writer.transact((tx) => tx.put('t', bytes('k'), bytes(String(i))))
    await reader.refresh()
    t.equal(reader.get('t', bytes('k'))?.toString(), String(i))
  }
  await reader.close()
  await writer.close()
})
