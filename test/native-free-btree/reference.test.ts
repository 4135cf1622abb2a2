/** References are read and written byte by byte: what they say is what Buffer's own numbers say. */
import { deepStrictEqual, equal, throws } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { encodeReference, readReference, referenceLength } from '../../native-free-btree/page/reference.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

/** Each half of a number at its ends as well. */
const upTo = (most: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(0, 1, 0xffff, 0x10000, 2 ** 31, 2 ** 32 - 1, most),
    fc.maxSafeNat().map((number) => number % (most + 1)),
  )

t.test('any reference, anywhere in bytes', (t) => {
  const parts = fc.record({
    position: upTo(2 ** 48 - 1),
    length: upTo(2 ** 47 - 1),
    chunked: fc.boolean(),
    check: upTo(2 ** 32 - 1),
  })
  fc.assert(
    fc.property(parts, fc.nat(40), (given, at) => {
      const reference = encodeReference(given)
      equal(reference.readUIntLE(0, 6), given.position)
      equal(reference.readUIntLE(6, 6), given.length + (given.chunked ? 2 ** 47 : 0))
      equal(reference.readUInt32LE(12), given.check)
      const bytes = Buffer.concat([Buffer.alloc(at, 0xff), reference, Buffer.alloc(3, 0xff)])
      deepStrictEqual(readReference(bytes, at), { ...given })
      equal(referenceLength(bytes, at), given.length)
    }),
    { seed },
  )
  t.end()
})

t.test('bytes that end too soon', (t) => {
  for (let length = 0; length < 16; length++) {
    throws(() => readReference(Buffer.alloc(length)), RangeError)
    throws(() => referenceLength(Buffer.alloc(length + 4), 4), RangeError)
  }
  t.end()
})
