/** Streams of values from sources that are none, that fail, or that spoil what they have given. */
import { types } from 'node:util'
import type { Reference } from '../../native-free-btree/index.ts'
import type { Random } from '../../test/support/random.ts'
import { Contents } from './contents.ts'
import { CallersError, noBytes, strangeBytes } from './hostile-values.ts'
import { typed } from './refusals.ts'
import type { Subject } from './subject.ts'

export async function misuseStreams(run: Subject): Promise<void> {
  const { random } = run
  const bytes = run.someValue()
  const trouble = random.int(8)
  const source = sourceOf(bytes, trouble, random)
  let reference: Reference
  try {
    reference = await run.store.appendStream(source as AsyncIterable<Uint8Array>)
  } catch (error) {
    if (trouble > 4) throw error
    if (!(error instanceof CallersError || error instanceof TypeError)) typed('a stream', error)
    run.coverage.count('streamsRefused')
    return
  }
  if (trouble <= 4) throw new Error('a stream that is none was taken')
  const value = Buffer.from(reference)
  const key = run.someKey('refs')
  await run.store.transact((tx) => tx.put('refs', key, value))
  const contents = new Contents(run.acknowledged)
  contents.append(value, bytes)
  contents.put('refs', key, value)
  run.acknowledged = contents
  run.coverage.count('streams')
}

function sourceOf(bytes: Buffer, trouble: number, random: Random): unknown {
  if (trouble === 0)
    return random.pick<unknown>([null, 5, 'text', {}, () => 1, Promise.resolve([]), Object.create(null)])
  if (trouble === 1)
    return { [Symbol.asyncIterator]: random.pick<unknown>([5, () => 5, () => ({}), () => ({ next: 5 })]) }
  const pieces = async function* () {
    for (let at = 0; at < bytes.length; ) {
      const length = random.between(1, 60_000)
      const piece = Buffer.from(bytes.subarray(at, at + length))
      const { given, spoil } = random.bool()
        ? strangeBytes(random, piece)
        : { given: piece, spoil: () => piece.fill(0) }
      at += length
      yield given
      spoil()
    }
    if (trouble === 2) throw new CallersError('a source of the caller')
    if (trouble === 3) {
      const piece = noBytes(random)
      // A generator waits for a promise, and gives what it holds.
      yield types.isPromise(piece) ? 5 : piece
    }
    if (trouble === 4) yield 'text'
  }
  return pieces()
}
