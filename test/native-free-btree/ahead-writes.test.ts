/** Bytes of a large group that are written while the rest of it is being made: in which order, and what becomes of those that are taken back. */
import t, { type Test } from 'tap'
import type { Store } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'
import { TracingFileSystem } from '../support/tracing-file-system.ts'

const PATH = '/d/store'
/** Pieces of 2 KiB. */
const OPTIONS = { trees: { plain: {} }, partBytes: 64 * 1024, roomBytes: 0 }

const key = (number: number): Buffer => Buffer.from(`key ${number}`)
const value = (number: number): Buffer => Buffer.alloc(1000, number)

/** A commit of so many entries of a kilobyte; throws behind the last where it is to fail. */
function put(store: Store, first: number, count: number, failure?: Error): Promise<void> {
  return store.transact((tx) => {
    for (let number = first; number < first + count; number++) tx.put('plain', key(number), value(number))
    if (failure !== undefined) throw failure
  })
}

function wrong(store: Store, numbers: readonly number[]): number[] {
  return numbers.filter((number) => !store.get('plain', key(number))?.equals(value(number)))
}

/** What `work` has done to the file. */
async function callsOf(
  trace: TracingFileSystem,
  work: () => Promise<unknown>,
): Promise<{ name: string; position: number; length: number }[]> {
  const from = trace.lines.length
  await work()
  return trace.lines.slice(from).map((line) => {
    const [, name, args] = /^1 (\w+)\((.*)\) =/.exec(line)!
    const numbers = args!.split(', ').slice(-2).map(Number)
    return { name: name!, length: numbers[0]!, position: numbers[1]! }
  })
}

async function traced(): Promise<{ disk: SimulatedDisk; trace: TracingFileSystem; store: Store }> {
  const disk = new SimulatedDisk(1)
  const trace = new TracingFileSystem(disk)
  const store = await openSimulated(trace, PATH, new Random(1), OPTIONS)
  await put(store, 0, 1)
  return { disk, trace, store }
}

/** Opened again after power was lost: nothing but `numbers` is there, and nothing is damaged. */
async function reopened(t: Test, disk: SimulatedDisk, numbers: readonly number[]): Promise<void> {
  const store = await openSimulated(disk.crash(), PATH, new Random(2), OPTIONS)
  t.strictSame(wrong(store, numbers), [])
  const snapshot = store.snapshot()
  t.equal(snapshot.tree('plain').count(), numbers.length)
  snapshot.close()
  t.same((await store.check()).problems, [])
  await store.close()
}

t.test('pieces are written first, the head of the group last, and then comes the sync', async (t) => {
  const { disk, trace, store } = await traced()
  const calls = await callsOf(trace, () => put(store, 1, 20))
  t.equal(calls.at(-1)!.name, 'fdatasync')
  const writes = calls.slice(0, -1)
  t.ok(writes.every(({ name }) => name === 'pwrite64'))
  t.ok(writes.length >= 10, `${writes.length} writes`)
  const head = writes.at(-1)!
  const byPosition = writes.toSorted((a, b) => a.position - b.position)
  t.equal(byPosition[0], head)
  for (const [index, { position, length }] of byPosition.slice(0, -1).entries()) {
    t.equal(byPosition[index + 1]!.position, position + length, 'every byte is written once')
  }
  t.strictSame(wrong(store, range(21)), [])
  await reopened(t, disk, range(21))
})

t.test('a small group is one write', async (t) => {
  const { trace, store } = await traced()
  const calls = await callsOf(trace, () => put(store, 1, 1))
  t.strictSame(
    calls.map(({ name }) => name),
    ['pwrite64', 'fdatasync'],
  )
  await store.close()
})

t.test('what was written of a transaction that throws is cut off', async (t) => {
  const { disk, trace, store } = await traced()
  const bytes = disk.content(PATH).length
  const failure = new Error('no')
  const calls = await callsOf(trace, () => t.rejects(put(store, 1, 20, failure), failure))
  t.ok(calls.some(({ name }) => name === 'pwrite64'))
  const turn = await store.turn()
  t.equal(disk.content(PATH).length, bytes)
  turn.giveBack()
  await put(store, 30, 1)
  t.strictSame(wrong(store, [0, 30]), [])
  await reopened(t, disk, [0, 30])
})

t.test('beside others in its group it takes nothing from them, however long they are', async (t) => {
  for (const [before, behind] of [
    [1, 0],
    [1, 1],
    [10, 0],
    [10, 3],
    [3, 40],
    [30, 30],
  ] as const) {
    const { disk, store } = await traced()
    const failure = new Error('no')
    const [, outcome] = await Promise.allSettled([
      put(store, 1, before),
      put(store, 200, 20, failure),
      put(store, 100, behind),
    ])
    t.equal((outcome as PromiseRejectedResult).reason, failure)
    const numbers = [...range(before + 1), ...range(behind).map((number) => 100 + number)]
    t.strictSame(wrong(store, numbers), [])
    await put(store, 300, 1)
    await reopened(t, disk, [...numbers, 300])
  }
})

t.test('when a piece cannot be written the commit is refused, and the next is not', async (t) => {
  let refused = 0
  for (let after = 0; refused === after; after++) {
    const { disk, store } = await traced()
    const undo = disk.inject({ on: 'write', after, code: 'ENOSPC', written: 100 })
    const outcome = await put(store, 1, 20).catch((error: { code: string }) => error.code)
    undo()
    if (outcome !== undefined) {
      t.equal(outcome, 'WRITE_FAILED')
      refused += 1
    }
    await put(store, 30, 20)
    const written = [0, ...range(20).map((number) => 30 + number)]
    const numbers = outcome === undefined ? [...written, ...range(20).map((number) => 1 + number)] : written
    t.strictSame(wrong(store, numbers), [])
    await reopened(t, disk, numbers)
  }
  t.ok(refused >= 10, `${refused} writes`)
})

function range(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}
