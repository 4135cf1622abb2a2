/** Reads that are asked wrongly, of things that are open and of things that are closed; and right ones between them. */
import { openSnapshot, type Snapshot, type SnapshotHandle } from '../../native-free-btree/index.ts'
import { differenceOf, TREE_NAMES } from './contents.ts'
import { noBytes, noCount, noFunction, noObject } from './hostile-values.ts'
import { awaitRefusal, refused } from './refusals.ts'
import type { Subject } from './subject.ts'

export async function misuseReads(run: Subject): Promise<void> {
  const { random } = run
  const kind = random.int(4)
  if (kind === 0) await pointReads(run)
  else if (kind === 1) snapshots(run)
  else if (kind === 2) await handles(run)
  else await streamsAndChecks(run)
  run.coverage.count('readsMisused')
}

async function pointReads({ store, random, acknowledged }: Subject): Promise<void> {
  const bad = noBytes(random) as Uint8Array
  refused('get', () => store.get('plain', bad))
  refused('has', () => store.has('plain', bad))
  refused('get of no tree', () => store.get(bad as never, Buffer.from('k')))
  for (const reference of [bad, Buffer.alloc(15), Buffer.alloc(17)]) {
    refused('a reference that is none', () => store.read(reference))
    refused('a reference that is none', () => store.lengthOf(reference))
    refused('a reference that is none', () => store.readStream(reference))
    refused('a reference that is none', () => store.values.read(reference))
    refused('a reference that is none', () => store.values.lengthOf(reference))
  }
  // Bytes that look like a reference lead to an error or to nothing that was not written.
  refused('a reference made up', () => store.read(Buffer.from(random.bytes(16))))
  for (const { key, value } of acknowledged.entries('plain').slice(0, 3)) {
    const found = store.get('plain', key)!
    found.fill(0x31)
    if (Buffer.compare(store.get('plain', key)!, value) !== 0) throw new Error('what was read is shared')
  }
}

function snapshots({ store, random, acknowledged }: Subject): void {
  const snapshot = store.snapshot()
  const tree = random.pick(TREE_NAMES)
  const reader = snapshot.tree(tree)
  refused('a tree that is none', () => snapshot.tree(noObject(random) as string))
  refused('get', () => reader.get(noBytes(random) as Uint8Array))
  refused('has', () => reader.has(noBytes(random) as Uint8Array))
  refused('rank', () => reader.rank(noBytes(random) as Uint8Array))
  refused('a cursor', () => reader.cursor(noObject(random) as object))
  refused('a bound', () => reader.cursor({ [random.pick(['start', 'end'])]: notMissing(random) }))
  refused('a skip', () => reader.cursor({ skip: noCount(random) as number }))
  refused('a direction', () => reader.cursor({ reverse: random.pick<unknown>([1, 'yes', null]) as boolean }))
  refused('a range', () => reader.reduce(noObject(random) as object))
  refused('a bound', () => reader.reduce({ [random.pick(['start', 'end'])]: notMissing(random) }))
  const bounds = { start: Buffer.alloc(0), reverse: false }
  const cursor = tree === 'folded' ? reader.cursor() : reader.cursor(bounds)
  refused('a key before the first', () => cursor.key())
  bounds.start = Buffer.from('zzzz')
  bounds.reverse = true
  let count = 0
  while (cursor.next()) {
    cursor.key().fill(0)
    cursor.value().fill(0)
    count += 1
  }
  if (count !== acknowledged.of(tree).size) throw new Error(`a cursor passed ${count} entries`)
  refused('a value behind the last', () => cursor.value())
  snapshot.close()
  snapshot.close()
  closedSnapshot(snapshot, reader, cursor)
}

/** For a bound: nothing at all is a good one. */
function notMissing(random: Subject['random']): Uint8Array {
  return (noBytes(random) ?? 'text') as Uint8Array
}

function closedSnapshot(
  snapshot: Snapshot,
  reader: ReturnType<Snapshot['tree']>,
  cursor: ReturnType<ReturnType<Snapshot['tree']>['cursor']>,
): void {
  const key = Buffer.from('k')
  const calls: (() => unknown)[] = [
    () => snapshot.tree('plain'),
    () => reader.count(),
    () => reader.get(key),
    () => reader.has(key),
    () => reader.rank(key),
    () => reader.reduce(),
    () => reader.cursor(),
    () => cursor.next(),
  ]
  for (const call of calls) refused('a read of a closed snapshot', call, ['CLOSED'])
}

async function handles(run: Subject): Promise<void> {
  const { store, random } = run
  const handle = await store.exportSnapshot()
  const options = { trees: run.moody.trees, fileSystem: run.elsewhere() }
  const wrong = random.pick<unknown>([
    noObject(random),
    { ...handle, path: random.pick<unknown>(['', 5, '/d/none', undefined]) },
    { ...handle, salt: random.pick<unknown>([1n, 5, undefined]) },
    { ...handle, uuid: 'other' },
    { ...handle, checkpoint: { ...handle.checkpoint, position: noCount(random) } },
    { ...handle, checkpoint: { ...handle.checkpoint, hash: 5 } },
    { ...handle, checkpoint: { ...handle.checkpoint, hash: 5n, position: 9000, length: 100 } },
  ])
  await awaitRefusal('a handle that is none', () => openSnapshot(wrong as SnapshotHandle, options))
  const file = await openSnapshot(handle, options)
  for (const name of file.treeNames) file.tree(name).count()
  await awaitRefusal('a point of no log', () => file.readLog(noObject(random) as never, 1, 1))
  await awaitRefusal('no length', () =>
    file.readLog(file.logStart, store.durableEnd, noCount(random) as number),
  )
  refused('a reference that is none', () => file.read(noBytes(random) as Uint8Array))
  refused('a stream of none', () => file.readStream(noBytes(random) as Uint8Array))
  await file.close()
  await file.close()
  refused('a closed file', () => file.tree('plain'), ['CLOSED'])
  // What was handed out is the caller's: the store goes on from its own.
  Object.assign(handle.checkpoint, { position: 8200, length: 5, hash: 1n })
  Object.assign(file.logStart, { position: 1 })
}

async function streamsAndChecks(run: Subject): Promise<void> {
  const { store, random, acknowledged } = run
  await awaitRefusal('a progress that is none', () => store.check((noFunction(random) ?? 5) as never))
  refused('a delay', () => store.slowDown(noCount(random) as number))
  const backup = store.backup()
  refused('a start', () => backup.bytes(noCount(random) as number))
  refused('an end', () => backup.bytes(0, backup.length + 1))
  const [reference] = [...acknowledged.of('refs').values()].map(({ value }) => value)
  if (reference !== undefined) {
    refused('a start', () => store.readStream(reference, noCount(random) as number))
    refused('an end', () => store.readStream(reference, 0, 2 ** 40))
    const own = Buffer.from(reference)
    const stream = store.readStream(own)
    own.fill(0)
    const pieces: Buffer[] = []
    for await (const piece of stream) {
      pieces.push(Buffer.from(piece))
      piece.fill(0)
    }
    const wanted = acknowledged.appended.get(reference.toString('hex'))!
    if (Buffer.compare(Buffer.concat(pieces), wanted) !== 0) throw new Error('a stream gave other bytes')
  }
  Object.assign(store.stats().trees, { plain: undefined })
  const difference = differenceOf(store, acknowledged)
  if (difference !== undefined) throw new Error(difference)
}
