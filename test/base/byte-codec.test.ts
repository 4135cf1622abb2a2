import fc from 'fast-check'
import t from 'tap'
import { ByteFormatError, ByteReader, ByteWriter } from '../../src/base/byte-codec.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

t.test('numbers come back', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat(), { maxLength: 100, size: 'max' }), (numbers) => {
      const writer = new ByteWriter()
      for (const number of numbers) {
        writer.number(number)
        writer.signed(-Math.floor(number / 2))
      }
      const reader = new ByteReader(writer.take())
      const same = numbers.every(
        (number) => reader.number() === number && reader.signed() === 0 - Math.floor(number / 2),
      )
      return same && reader.atEnd
    }),
    { seed },
  )
  const writer = new ByteWriter()
  for (const number of [0, 127, 128, 300]) writer.number(number)
  for (const number of [-1, 1, -64, 64]) writer.signed(number)
  t.equal(writer.take().toString('hex'), '007f8001ac0201027f8001')
})

t.test('texts come back, and what was written can be looked at without a copy', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 300 }), { maxLength: 20 }), (texts) => {
      const writer = new ByteWriter()
      for (const text of texts) writer.text(text)
      const view = writer.view()
      const reader = new ByteReader(view)
      return texts.every((text) => reader.text() === text) && reader.atEnd && view.equals(writer.take())
    }),
    { seed },
  )
  const writer = new ByteWriter()
  writer.text('\ud800')
  t.equal(writer.take().toString('hex'), '03efbfbd', 'half a character')
  t.throws(() => new ByteReader(Buffer.from([2, 0x61])).text(), ByteFormatError)
})

t.test('bytes that end too early, or numbers without an end, are refused', async (t) => {
  t.throws(() => new ByteReader(Buffer.from([0x80])).number(), ByteFormatError)
  t.throws(() => new ByteReader(Buffer.alloc(20, 0xff)).number(), ByteFormatError)
  t.throws(() => new ByteReader(Buffer.alloc(3)).bytes(4), ByteFormatError)
  t.throws(() => new ByteReader(new Uint8Array(0)).u8(), ByteFormatError)
})
