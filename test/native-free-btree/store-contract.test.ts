/**
 * What callers of a store may count on, for the engine and for its stand-in in memory alike: a test of a database on the
 * stand-in proves something only where the stand-in is as strict as the engine.
 */
import t, { type Test } from 'tap'
import type { Reference, Store, Transaction } from '../../native-free-btree/index.ts'
import { MemoryDisk } from '../support/memory-disk.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { seed } from '../support/test-run.ts'
import { openSimulated, TEST_TREES } from '../support/test-trees.ts'

interface Subject {
  store: Store
  /** The next group is not kept. */
  failWrite(): void
  /** Nobody knows what of the next group is durable. */
  failSync(): void
}

async function engine(): Promise<Subject> {
  const random = new Random(seed)
  const disk = new SimulatedDisk(random.fork(), { latencyTurns: 6 })
  const store = await openSimulated(disk, '/d/s', random)
  return {
    store,
    failWrite: () => disk.inject({ on: 'write', written: 0 }),
    failSync: () => disk.inject({ on: 'sync' }),
  }
}

async function memory(): Promise<Subject> {
  const disk = new MemoryDisk()
  const store = await disk.openStore('/d/s', { trees: TEST_TREES })
  const fail = (code: string) => (): void => {
    disk.stores.get('/d/s')!.failNext = code
  }
  return { store, failWrite: fail('WRITE_FAILED'), failSync: fail('POISONED') }
}

const bytes = (text: string): Buffer => Buffer.from(text)

/** What it gives, as text, or the code that it throws. */
function outcome(call: () => unknown): unknown {
  try {
    const value = call()
    return value instanceof Uint8Array ? Buffer.from(value).toString() : value
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const settled = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => outcome(() => value),
    (error: Error & { code?: string }) => error.code ?? error.message,
  )

const put = (store: Store, tree: string, key: string, value: string): Promise<void> =>
  store.transact((tx) => tx.put(tree, bytes(key), bytes(value)))

function rowsOf(store: Store, tree: string, options = {}): string[] {
  const snapshot = store.snapshot()
  const cursor = snapshot.tree(tree).cursor(options)
  const rows: string[] = []
  while (cursor.next()) rows.push(`${cursor.key()}=${cursor.value()}`)
  snapshot.close()
  return rows
}

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield bytes(text)
}

const CONTRACT: Record<string, (t: Test, subject: Subject) => Promise<void>> = {
  'nothing is seen before its commit is durable': async (t, { store }) => {
    let reference!: Reference
    let read: unknown
    let got: unknown
    const { commit } = store
    const written = store.transact((tx) => {
      reference = tx.append(bytes('hello'))
      tx.put('refs', bytes('k'), reference)
      read = outcome(() => store.read(reference))
      got = outcome(() => store.get('refs', bytes('k')))
    })
    const other = store.transact((tx) => [
      tx.get('refs', bytes('k'))?.equals(reference),
      outcome(() => store.values.read(reference)),
    ])
    await written
    t.same([read, got], ['DAMAGED', undefined], 'inside its own transaction')
    t.same(await other, [true, 'DAMAGED'], 'another of its group sees the entry, and no bytes')
    t.equal(store.commit, commit + 1, 'both are one group')
    t.equal(
      outcome(() => store.read(reference)),
      'hello',
    )
    t.equal(store.lengthOf(reference), 5)
  },

  'what is streamed can be read, and kept, at once': async (t, { store }) => {
    const reference = await store.appendStream(chunks('one ', 'two'))
    t.equal(
      outcome(() => store.read(reference)),
      'one two',
    )
    await store.transact((tx) => tx.put('refs', bytes('k'), reference))
    for (const [start, end, wanted] of [
      [1, 5, 'ne t'],
      [4, undefined, 'two'],
      [3, 3, ''],
      [0, 8, 'INVALID_ARGUMENT'],
      [5, 4, 'INVALID_ARGUMENT'],
    ] as const) {
      const read = async (): Promise<Buffer> => {
        const parts: Buffer[] = []
        for await (const part of store.readStream(reference, start, end)) parts.push(part)
        return Buffer.concat(parts)
      }
      t.equal(await settled(read()), wanted)
    }
    t.equal(
      outcome(() => store.read(bytes('short'))),
      'INVALID_ARGUMENT',
    )
  },

  'transactions of a group see those before them, and those that throw leave nothing': async (
    t,
    { store },
  ) => {
    let refused!: Reference
    const results = await Promise.all([
      settled(put(store, 'plain', 'a', '1')),
      settled(
        store.transact((tx) => {
          tx.put('plain', bytes('a'), bytes('2'))
          refused = tx.append(bytes('refused'))
          throw new TypeError('no')
        }),
      ),
      settled(
        store.transact((tx) => {
          const before = tx.get('plain', bytes('a'))!.toString()
          tx.delete('plain', bytes('a'))
          return [before, tx.get('plain', bytes('a'))]
        }),
      ),
      settled(store.transact((tx) => tx.get('plain', bytes('a')) ?? 'none')),
    ])
    t.same(results, [undefined, 'no', ['1', undefined], 'none'])
    t.equal(store.get('plain', bytes('a')), undefined)
    t.equal(
      outcome(() => store.read(refused)),
      'DAMAGED',
    )
  },

  'what is no transaction is refused': async (t, { store }) => {
    await put(store, 'plain', 'first', '')
    const { commit } = store
    const long = Buffer.alloc(65_537)
    const refusals: [string, (tx: Transaction) => unknown][] = [
      ['UNKNOWN_TREE', (tx) => tx.put('none', bytes('a'), bytes('a'))],
      ['UNKNOWN_TREE', (tx) => tx.get('none', bytes('a'))],
      ['KEY_TOO_LARGE', (tx) => tx.put('plain', long, bytes('a'))],
      ['KEY_TOO_LARGE', (tx) => tx.delete('plain', long)],
      ['INVALID_ARGUMENT', (tx) => tx.put('plain', 'a' as never, bytes('a'))],
      ['INVALID_ARGUMENT', (tx) => tx.append('a' as never)],
      ['INVALID_ARGUMENT', async (tx) => tx.put('plain', bytes('a'), bytes('a'))],
    ]
    for (const [code, build] of refusals) t.equal(await settled(store.transact(build)), code)
    t.equal(await store.transact((tx) => tx.get('plain', long)), undefined)
    let kept!: Transaction
    await store.transact((tx) => {
      kept = tx
    })
    t.equal(
      outcome(() => kept.get('plain', bytes('a'))),
      'CLOSED',
      'a transaction that is over',
    )
    t.equal(
      outcome(() => kept.put('plain', bytes('a'), bytes('a'))),
      'CLOSED',
    )
    t.equal(store.commit, commit, 'what writes nothing is no commit')
    await store.transact((tx) => {
      t.equal(
        outcome(() => tx.put('plain', long, bytes('a'))),
        'KEY_TOO_LARGE',
      )
      tx.put('plain', bytes('a'), bytes('1'))
    })
    t.equal(
      outcome(() => store.get('plain', bytes('a'))),
      '1',
      'it may go on after a refusal',
    )
  },

  'keys and values are copied': async (t, { store }) => {
    const [key, value] = [bytes('key'), bytes('value')]
    let reference!: Reference
    const written = store.transact((tx) => {
      tx.put('plain', key, value)
      reference = tx.append(value)
      key.fill(0)
      value.fill(0)
    })
    await written
    t.same(rowsOf(store, 'plain'), ['key=value'])
    store.get('plain', bytes('key'))!.fill(0)
    store.read(reference).fill(0)
    t.same(
      [outcome(() => store.get('plain', bytes('key'))), outcome(() => store.read(reference))],
      ['value', 'value'],
    )
  },

  'keys are the same where the order says so': async (t, { store }) => {
    await put(store, 'folded', 'A', '1')
    await Promise.all([
      put(store, 'folded', 'b', '2'),
      store.transact((tx) => {
        t.equal(
          outcome(() => tx.get('folded', bytes('B'))),
          '2',
        )
        tx.put('folded', bytes('a'), bytes('3'))
      }),
    ])
    t.same(rowsOf(store, 'folded'), ['b=2', 'a=3'])
    await store.transact((tx) => tx.delete('folded', bytes('B')))
    t.same(rowsOf(store, 'folded'), ['a=3'])
  },

  'a snapshot stays as it is, until it is closed': async (t, { store }) => {
    for (const key of ['a', 'b', 'c', 'd']) await put(store, 'plain', key, key)
    const snapshot = store.snapshot()
    const reader = snapshot.tree('plain')
    const cursor = reader.cursor({ start: bytes('b'), reverse: true, skip: 1 })
    t.equal(
      outcome(() => cursor.key()),
      'INVALID_ARGUMENT',
      'it stands before the first entry',
    )
    await store.transact((tx) => tx.delete('plain', bytes('c')))
    t.ok(cursor.next())
    t.same([`${cursor.key()}`, `${cursor.value()}`, cursor.valueLength()], ['c', 'c', 1])
    t.ok(cursor.next())
    t.notOk(cursor.next())
    t.equal(
      outcome(() => cursor.value()),
      'INVALID_ARGUMENT',
      'nor does it behind the last one',
    )
    t.same([reader.count(), reader.rank(bytes('c')), reader.has(bytes('c'))], [4, 2, true])
    t.match(
      reader.reduce({ start: bytes('a'), startInclusive: false, end: bytes('c'), endInclusive: true }),
      {
        count: 2,
        bytes: 4,
      },
    )
    t.same([snapshot.commit, store.commit], [4, 5])
    t.equal(
      outcome(() => snapshot.tree('none')),
      'UNKNOWN_TREE',
    )
    snapshot.close()
    snapshot.close()
    t.equal(
      outcome(() => snapshot.tree('plain')),
      'CLOSED',
    )
    t.equal(
      outcome(() => cursor.next()),
      'CLOSED',
    )
    t.same(rowsOf(store, 'plain', { end: bytes('d') }), ['a=a', 'b=b'])
  },

  'a group that could not be written is gone': async (t, { store, failWrite }) => {
    let lost!: Reference
    await put(store, 'plain', 'first', '')
    const { commit } = store
    failWrite()
    const work = store.transact((tx) => {
      lost = tx.append(bytes('gone!'))
      tx.put('refs', bytes('k'), lost)
    })
    t.equal(await settled(work), 'WRITE_FAILED')
    t.same([store.get('refs', bytes('k')), store.commit], [undefined, commit])
    const kept = await store.transact((tx) => tx.append(bytes('other')))
    t.equal(
      outcome(() => store.read(lost)),
      'DAMAGED',
      'whatever is written where it would have been',
    )
    t.equal(
      outcome(() => store.read(kept)),
      'other',
    )
  },

  'after a failed sync it is read alone': async (t, { store, failSync }) => {
    await put(store, 'plain', 'a', '1')
    failSync()
    t.equal(await settled(put(store, 'plain', 'a', '2')), 'POISONED')
    t.equal(
      outcome(() => store.get('plain', bytes('a'))),
      '1',
    )
    t.equal(await settled(put(store, 'plain', 'a', '3')), 'POISONED')
    t.equal(await settled(store.appendStream(chunks('x'))), 'POISONED')
    t.type(store.stats().poisoned, 'string')
  },

  'closing ends what was queued, and everything else': async (t, { store }) => {
    const queued = store.transact((tx) => tx.append(bytes('queued')))
    const snapshot = store.snapshot()
    const closing = store.close()
    t.equal(await settled(store.transact(() => 1)), 'CLOSED')
    const reference = await queued
    t.equal(await settled(closing), 'SNAPSHOTS_OPEN')
    t.equal(await settled(store.close()), 'SNAPSHOTS_OPEN', 'as often as it is asked')
    t.equal(
      outcome(() => store.get('plain', bytes('a'))),
      'CLOSED',
    )
    t.equal(
      outcome(() => store.read(reference)),
      'CLOSED',
    )
    t.equal(
      outcome(() => store.snapshot()),
      'CLOSED',
    )
    t.equal(
      outcome(() => snapshot.tree('plain').count()),
      'CLOSED',
    )
  },
}

for (const [what, make] of Object.entries({ 'the engine': engine, 'the store in memory': memory })) {
  t.test(what, async (t) => {
    for (const [name, check] of Object.entries(CONTRACT)) {
      await t.test(name, async (t) => {
        const subject = await make()
        await check(t, subject)
        await subject.store.close().catch(() => undefined)
      })
    }
  })
}
