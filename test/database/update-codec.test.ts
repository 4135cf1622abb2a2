/** Edits and results on their way from thread to thread: nothing is lost, and bytes that are none are refused. */
import { deepStrictEqual, ok, throws } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { ByteFormatError } from '../../src/base/byte-codec.ts'
import { DatabaseError } from '../../src/base/errors.ts'
import { decodeResults, encodeResults } from '../../src/database/shared/result-codec.ts'
import { decodeEdits, encodeEdits, placesOf } from '../../src/database/shared/update-codec.ts'
import { type ReadyEdits, readyEdits } from '../../src/database/write/edits.ts'
import { arbitraryEdits, arbitraryResults } from '../support/arbitrary-edits.ts'
import { edit } from '../support/database-fixture.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

/** Terms go along where the writer may have to hash them. */
function withoutTerms(ready: ReadyEdits): ReadyEdits {
  const documents = ready.documents.map((document) => ({
    ...document,
    edits: document.edits.map((each) => {
      const isHashed =
        ready.newEdits && (each.path.length === 0 || (each.parent === undefined && !each.deleted))
      return isHashed ? each : { ...each, term: Buffer.alloc(0) }
    }),
  }))
  return { ...ready, documents }
}

t.test('edits come back as they were', (t) => {
  fc.assert(
    fc.property(arbitraryEdits, (ready) => {
      const bytes = encodeEdits(ready)
      deepStrictEqual(decodeEdits(bytes), withoutTerms(ready))
      deepStrictEqual(decodeEdits(structuredClone(bytes)), withoutTerms(ready))
    }),
    { seed, numRuns: 300 },
  )
  t.end()
})

t.test('a lone parent, and one that equals the second of the path', (t) => {
  const id = 'a'.repeat(16)
  const [ready] = [readyEdits([edit('a', {}, { rev: `1-${'61'.repeat(16)}` })], context())]
  const [one] = ready.documents[0]!.edits
  t.equal(one!.path[1], one!.parent)
  for (const parent of [
    { pos: 1, id },
    { pos: 7, id: 'b' },
  ]) {
    const other = { ...ready, documents: [{ ...ready.documents[0]!, edits: [{ ...one!, parent }] }] }
    t.strictSame(decodeEdits(encodeEdits(other)).documents[0]!.edits[0]!.parent, parent)
  }
  t.end()
})

function context() {
  return { newEdits: true, partitioned: false, nowMs: 0 }
}

t.test('what is decoded is views', (t) => {
  const bytes = encodeEdits(readyEdits([edit('a', { text: 'x'.repeat(1000) })], context()))
  const { body, term } = decodeEdits(bytes).documents[0]!.edits[0]!
  for (const view of [body, term]) t.equal(view.buffer, bytes.buffer)
  t.end()
})

t.test('results come back as they were, in their places', (t) => {
  fc.assert(
    fc.property(arbitraryResults, (results) => {
      const places = results.map(({ id }, at) => ({ id, place: results.length - 1 - at }))
      const found: typeof results = new Array(results.length)
      decodeResults(encodeResults(results), places, found)
      deepStrictEqual(found.reverse(), results)
    }),
    { seed, numRuns: 300 },
  )
  t.end()
})

t.test('bytes that are no edits', (t) => {
  fc.assert(
    fc.property(arbitraryEdits, fc.nat(), fc.integer({ min: 1, max: 255 }), (ready, at, change) => {
      const bytes = encodeEdits(ready)
      throws(() => decodeEdits(bytes.subarray(0, at % bytes.length)), ByteFormatError)
      throws(() => decodeEdits(Buffer.concat([bytes, Buffer.from([0])])), ByteFormatError)
      bytes[at % bytes.length]! ^= change
      try {
        decodeEdits(bytes)
      } catch (error) {
        ok(error instanceof ByteFormatError)
      }
    }),
    { seed, numRuns: 500 },
  )
  t.throws(() => decodeEdits(Buffer.alloc(0)), ByteFormatError)
  t.throws(() => decodeEdits(Buffer.from([2])), { message: 'edits of version 2' })
  const most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]
  t.throws(() => decodeEdits(Buffer.from([1, 1, 0, ...most])), ByteFormatError)
  t.end()
})

t.test('bytes that are not the results of these edits', (t) => {
  const results = [{ ok: false as const, id: 'a', rev: '1-a', refusal: new DatabaseError('conflict') }]
  const bytes = encodeResults(results)
  const places = [{ id: 'a', place: 0 }]
  t.throws(() => decodeResults(bytes, [], []), { message: '1 results of 0 edits' })
  t.throws(() => decodeResults(bytes.subarray(0, -1), places, []), ByteFormatError)
  t.throws(() => decodeResults(Buffer.concat([bytes, bytes]), places, []), ByteFormatError)
  const unknown = Buffer.from(bytes)
  unknown[unknown.indexOf('conflict')] = 0x78
  t.throws(() => decodeResults(unknown, places, []), { message: 'unknown kind of error: xonflict' })
  t.end()
})

t.test('places follow the order of encoding', (t) => {
  const ready = readyEdits([edit('b'), edit('_local/l'), edit('a'), edit('b', { again: 1 })], context())
  t.same(placesOf(ready), [
    { id: 'a', place: 2 },
    { id: 'b', place: 0 },
    { id: 'b', place: 3 },
    { id: '_local/l', place: 1 },
  ])
  t.end()
})
