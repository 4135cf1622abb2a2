/** Parts of rows as bytes: texts that are written as numbers, and ids that are looked at while they are copied. */
import t from 'tap'
import { FixedText, isPlain, repeat, SPARE_BYTES, writePlain } from '../../src/documents/row-bytes.ts'

const CODES = Array.from({ length: 128 }, (_, code) => code)

function written(text: string): { text: string; end: number; spare: Buffer } {
  const bytes = Buffer.alloc(64, 0xee)
  const end = new FixedText(text).write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 3)
  return { text: bytes.toString('latin1', 3, end), end, spare: bytes.subarray(end + SPARE_BYTES) }
}

t.test('a fixed text has its own bytes, whatever number they are', async (t) => {
  const others: string[] = []
  for (const sixth of CODES) {
    for (const last of CODES) {
      const text = `seventh${String.fromCharCode(last)}`.replace('h', String.fromCharCode(sixth))
      if (written(text).text !== text) others.push(JSON.stringify(text))
    }
  }
  t.same(others, [])
})

t.test('nothing is written beyond the spare bytes', async (t) => {
  for (let length = 0; length <= 33; length++) {
    const { text, end, spare } = written('x'.repeat(length))
    t.equal(text, 'x'.repeat(length))
    t.equal(end, 3 + length)
    t.ok(spare.every((byte) => byte === 0xee))
  }
})

t.test('what is copied as plain is what is plain', async (t) => {
  for (let byte = 0; byte < 256; byte++) {
    const source = Buffer.from([0x61, byte, 0x62])
    const target = Buffer.alloc(8)
    const end = writePlain(source, 0, 3, target, 2)
    t.equal(end, isPlain(source, 0, 3) ? 5 : -1)
    if (end > 0) t.same(target.subarray(2, end), source)
  }
  t.equal(writePlain(Buffer.alloc(0), 0, 0, Buffer.alloc(1), 1), 1)
})

t.test('what is repeated is what stands before, whatever its length', async (t) => {
  for (const length of [0, 1, 2, 3, 4, 5, 31, 32, 33, 34, 95, 96, 97, 1000]) {
    const bytes = Buffer.alloc(2 * length + 16, 0xee)
    for (let i = 0; i < length; i++) bytes[1 + i] = (7 * i) & 255
    const before = Buffer.from(bytes)
    const at = 1 + length
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    t.equal(repeat({ bytes, view }, 1, at, at), at + length)
    t.same(bytes.subarray(0, at), before.subarray(0, at))
    t.same(bytes.subarray(at, at + length), before.subarray(1, at))
    t.ok(bytes.subarray(at + length + 3).every((byte) => byte === 0xee))
  }
})
