/** Openings with options and paths that are none, creations that fail, and readers beside the writer. */
import { openStore, type StorageError, type StoreOptions } from '../../native-free-btree/index.ts'
import type { Random } from '../../test/support/random.ts'
import { Contents, differenceOf } from './contents.ts'
import { noCount, noFunction, noObject } from './hostile-values.ts'
import { awaitRefusal, typed } from './refusals.ts'
import { PATH, type Subject } from './subject.ts'

/** Options and paths that are none change nothing, on a file that is there and on one that is not. */
export async function misuseOpenings(run: Subject): Promise<void> {
  const { random } = run
  const name = random.pick(['fileSystem', 'clock', 'lock', 'cache', 'trees'])
  const counts = [
    'partBytes',
    'roomBytes',
    'queueBytes',
    'dirtyBytes',
    'checkpointLogBytes',
    'firstGroupPosition',
  ]
  // The writer may still be at work: what failed is answered before it is cleared away.
  await new Promise((resolve) => setImmediate(resolve))
  const before = run.disk.operations
  for (const path of [PATH, '/d/none']) {
    const wrong = random.pick<[unknown, unknown]>([
      [path, noObject(random)],
      [
        random.pick<unknown>([undefined, '', 'a\0b', 5, null, {}, Buffer.from(path), new URL('file:///d/x')]),
        run.options(),
      ],
      [path, { ...run.options(), [name]: noObject(random) }],
      [path, { ...run.options(), [random.pick(counts)]: noCount(random) }],
      [
        path,
        {
          ...run.options(),
          [random.pick(['create', 'readOnly'])]: random.pick<unknown>([1, 'yes', null, {}]),
        },
      ],
      [path, { ...run.options(), trees: { t: wrongTree(random) } }],
      [path, { ...run.options(), trees: { [random.pick(['x'.repeat(256), '\ud800'])]: {} } }],
      [path, { ...run.options(), lock: async () => random.pick<unknown>([undefined, {}, 5]) }],
    ])
    await awaitRefusal('an opening', () => openStore(wrong[0] as string, wrong[1] as StoreOptions))
  }
  if (run.disk.operations !== before) throw new Error('an opening that was refused touched the disk')
  if (run.disk.paths().length !== 1) throw new Error(`there are ${run.disk.paths().join(', ')}`)
  run.coverage.count('openingsRefused')
}

function wrongTree(random: Random): unknown {
  const compare = Buffer.compare
  const good = { name: 'n', version: 1, compare, map: compare, combine: compare, maxBytes: 8 }
  const part = random.pick(['comparator', 'reducer'])
  return random.pick<unknown>([
    noObject(random),
    { [part]: noObject(random) },
    { [part]: { ...good, name: random.pick<unknown>(['', 5, null, 'x'.repeat(256), '\udfff']) } },
    { [part]: { ...good, version: random.pick<unknown>([-1, 1.5, 2 ** 32, '1', null, Number.NaN]) } },
    { comparator: { ...good, compare: noFunction(random) } },
    { reducer: { ...good, [random.pick(['map', 'combine'])]: noFunction(random) } },
    { reducer: { ...good, maxBytes: random.pick<unknown>([-1, 1025, 2 ** 20, '8', Number.NaN]) } },
    { references: random.pick<unknown>([null, 5, {}, 'f']) },
  ])
}

/** A creation that fails says so by a code, and leaves nothing. */
export async function failCreations(run: Subject): Promise<void> {
  const { random } = run
  const path = '/d/new'
  const on = random.pick(['create', 'write', 'sync', 'rename', 'truncate'] as const)
  const options = { ...run.options(), ...(on === 'truncate' ? { firstGroupPosition: 16_384 } : {}) }
  const cancel = run.disk.inject({
    on,
    path: /new/,
    code: random.pick(['ENOSPC', 'EIO', 'EACCES', 'EMFILE']),
    after: random.int(2),
  })
  try {
    const store = await openStore(path, options)
    await store.close()
  } catch (error) {
    typed('a creation', error)
    if (!(error as StorageError).cause) throw new Error('a creation failed for no cause', { cause: error })
    run.coverage.count('creationsFailed')
  } finally {
    cancel()
  }
  const left = run.disk.paths().filter((name) => name !== PATH && name !== path)
  if (left.length > 0) throw new Error(`a creation left ${left.join(', ')}`)
  await run.disk.remove(path)
  await run.disk.syncDirectory('/d')
}

/** Readers see what was acknowledged, and may not write. */
export async function misuseReaders(run: Subject): Promise<void> {
  const { random } = run
  const fileSystem = random.bool(0.7) ? run.elsewhere() : run.disk
  const reader = await openStore(PATH, { ...run.options(), readOnly: true, fileSystem })
  const key = run.someKey('plain')
  const value = run.someValue()
  const assertShown = (): void => {
    const difference = differenceOf(reader, run.acknowledged)
    if (difference !== undefined) throw new Error(`a reader beside the writer: ${difference}`)
  }
  assertShown()
  await run.store.transact((tx) => tx.put('plain', key, value))
  run.acknowledged = new Contents(run.acknowledged)
  run.acknowledged.put('plain', key, value)
  await awaitRefusal('a write by a reader', () => reader.transact((tx) => tx.put('plain', key, key)), [
    'READ_ONLY',
  ])
  await awaitRefusal('a turn for a reader', () => reader.turn(), ['READ_ONLY'])
  await Promise.all([reader.refresh(), reader.refresh()])
  assertShown()
  await Promise.allSettled([reader.refresh(), reader.close(), reader.close()])
  await awaitRefusal('a refresh of a closed reader', () => reader.refresh(), ['CLOSED'])
  run.coverage.count('readersBeside')
}
