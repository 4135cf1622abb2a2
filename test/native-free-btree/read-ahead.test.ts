/** Values that are read in the order of the file, and what a window over damaged or changing bytes gives. */
import t from 'tap'
import { ValueCache, ValueSpace } from '../../native-free-btree/cache/value-cache.ts'
import { saltHalves } from '../../native-free-btree/disk/checksum.ts'
import { RECORD_VALUE, VALUE_HEADER_BYTES } from '../../native-free-btree/format.ts'
import { encodeReference, readReference } from '../../native-free-btree/page/reference.ts'
import { ValueReader, writeValueHeader } from '../../native-free-btree/values/values.ts'
import { MemoryFile } from '../support/memory-file.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

const SALT = 0x8765432112345678n
const FIRST_POSITION = 9000

interface Written {
  position: number
  value: Buffer
  reference: Buffer
}

/** A file of value records with `gap(i)` bytes of something else in front of the i-th. */
function makeFile(
  lengths: number[],
  gap: (index: number) => number,
): { file: MemoryFile; written: Written[] } {
  const total = lengths.reduce((sum, length, index) => sum + length + VALUE_HEADER_BYTES + gap(index), 0)
  const file = new MemoryFile(Buffer.alloc(FIRST_POSITION + total, 0xaa))
  const written: Written[] = []
  let position = FIRST_POSITION
  for (const [index, length] of lengths.entries()) {
    position += gap(index)
    const value = Buffer.alloc(length, `value ${index} `)
    written.push({ position, value, reference: writeRecord(file, position, value) })
    position += VALUE_HEADER_BYTES + length
  }
  return { file, written }
}

function writeRecord(file: MemoryFile, position: number, value: Buffer): Buffer {
  const check = writeValueHeader(file.bytes, position, RECORD_VALUE, value, saltHalves(SALT), position)
  file.bytes.set(value, position + VALUE_HEADER_BYTES)
  return encodeReference({ position, length: value.length, chunked: false, check })
}

const lengthsOf = (count: number) => Array.from({ length: count }, (_, index) => 200 + (index % 300))

for (const order of ['forwards', 'backwards']) {
  t.test(`a walk ${order} reads windows`, async (t) => {
    const { file, written } = makeFile(lengthsOf(3000), (index) => (index % 50 === 0 ? 3000 : 170))
    const values = new ValueReader(file, SALT)
    const walk = order === 'forwards' ? written : [...written].reverse()
    for (const { value, reference } of walk) {
      if (!values.read(reference).equals(value)) t.fail('another value')
    }
    t.ok(file.reads < 40, `${file.reads} reads`)
    t.ok(file.bytesRead < file.bytes.length * 1.2, 'hardly a byte twice')
  })

  t.test(`damage, ${order}, is an error for the records it lies in alone`, async (t) => {
    const { file, written } = makeFile(lengthsOf(600), () => 100)
    const damaged = new Set([0, 7, 8, 300, 301, 599])
    for (const index of damaged) {
      const { position, value } = written[index]!
      file.bytes[position + (index % 2 === 0 ? VALUE_HEADER_BYTES + value.length - 1 : 5)]! ^= 4
    }
    const values = new ValueReader(file, SALT)
    const walk = order === 'forwards' ? [...written.keys()] : [...written.keys()].reverse()
    for (const index of walk) {
      const { position, value, reference } = written[index]!
      if (damaged.has(index)) {
        t.throws(() => values.read(reference), { code: 'DAMAGED', details: { position } }, `value ${index}`)
      } else if (!values.read(reference).equals(value)) {
        t.fail(`value ${index} is another`)
      }
    }
  })
}

t.test('a walk goes on behind what is asked for in between', async (t) => {
  const { file, written } = makeFile(lengthsOf(3000), () => 0)
  const values = new ValueReader(file, SALT)
  // Ten that follow each other, and one of another part of the file, by turns.
  const others = written.slice(0, 100)
  const walk = written.slice(1000, 2000)
  let wrong = 0
  for (const [at, { value, reference }] of walk.entries()) {
    if (!values.read(reference).equals(value)) wrong += 1
    if (at % 10 !== 9) continue
    const other = others[Math.floor(at / 10)]!
    if (!values.read(other.reference).equals(other.value)) wrong += 1
  }
  t.equal(wrong, 0)
  t.ok(file.reads < others.length + 15, `${file.reads} reads`)
})

t.test('a reference to another record than the window’s is refused', async (t) => {
  const { file, written } = makeFile(lengthsOf(100), () => 0)
  const values = new ValueReader(file, SALT)
  for (const { reference } of written.slice(0, 20)) values.read(reference)
  const wrongCheck = Buffer.from(written[20]!.reference)
  wrongCheck[12]! ^= 1
  t.throws(() => values.read(wrongCheck), { code: 'DAMAGED' })
  const wrongLength = Buffer.from(written[21]!.reference)
  wrongLength[6]! -= 1
  t.throws(() => values.read(wrongLength), { code: 'DAMAGED' })
  t.same(values.read(written[22]!.reference), written[22]!.value)
})

t.test('the end of the file', async (t) => {
  const { file, written } = makeFile(lengthsOf(100), () => 0)
  const last = written[99]!
  file.bytes = file.bytes.subarray(0, file.bytes.length - 1)
  const values = new ValueReader(file, SALT)
  for (const { reference, value } of written.slice(0, 99)) t.same(values.read(reference), value)
  t.throws(() => values.read(last.reference), { code: 'DAMAGED', message: /only \d+ of \d+ bytes are there/ })
  t.throws(() => values.read(last.reference), { code: 'DAMAGED' }, 'again')
})

t.test('bytes that changed behind the window’s back are read again', async (t) => {
  const { file, written } = makeFile(lengthsOf(60), () => 0)
  const values = new ValueReader(file, SALT)
  // The second half is not written yet when the window is read.
  const half = written[30]!
  const complete = Buffer.from(file.bytes)
  file.bytes.fill(0, half.position)
  for (const { reference, value } of written.slice(0, 30)) t.same(values.read(reference), value)
  complete.copy(file.bytes, half.position, half.position)
  for (const { reference, value } of written.slice(30)) t.same(values.read(reference), value)
  // A group that failed is cut off, and another takes its place.
  const other = Buffer.alloc(written[40]!.value.length, 'other')
  const reference = writeRecord(file, written[40]!.position, other)
  t.same(values.read(written[39]!.reference), written[39]!.value)
  t.same(values.read(reference), other)
})

t.test('what is in memory is not read again for a walk, which goes on behind it', async (t) => {
  const { file, written } = makeFile(lengthsOf(200), () => 0)
  const space = new ValueSpace(new ValueCache({ allowanceBytes: () => 2 ** 24, onValuesGrown: () => {} }))
  const values = new ValueReader(file, SALT, space)
  for (const { position, value, reference } of written.slice(0, 100)) {
    space.add(position, readReference(reference).check, value)
  }
  for (const { reference, value } of written.slice(0, 100)) t.same(values.read(reference), value)
  t.equal(file.reads, 0)
  for (const { reference, value } of written.slice(100)) t.same(values.read(reference), value)
  t.ok(file.reads < 5, `${file.reads} reads`)
})

t.test('many walks share the one window and get their own values', async (t) => {
  const random = new Random(propertySeed(t))
  const walks = Array.from({ length: 5 }, (_, index) => {
    // All the same length, so that the files differ in nothing but their bytes.
    const { file, written } = makeFile(
      Array.from({ length: 400 }, () => 300),
      () => 20 * (index % 2),
    )
    for (const one of written) {
      one.value = Buffer.alloc(300, `file ${index} at ${one.position} `)
      one.reference = writeRecord(file, one.position, one.value)
    }
    return { values: new ValueReader(file, SALT), written, at: 0 }
  })
  let wrong = 0
  for (let step = 0; step < 400; step++) {
    const walk = random.pick(walks)
    for (let count = random.int(20); count > 0; count--) {
      const { reference, value } = walk.written[walk.at]!
      if (!walk.values.read(reference).equals(value)) wrong += 1
      walk.at = random.int(30) === 0 ? random.int(400) : (walk.at + 1) % 400
    }
  }
  t.equal(wrong, 0)
})

t.test('what was read is the caller’s to keep and to change', async (t) => {
  const { file, written } = makeFile(lengthsOf(40), () => 0)
  const values = new ValueReader(file, SALT)
  const alone = new ValueReader(file, SALT)
  const kept: Buffer[] = []
  for (const { reference } of written) kept.push(values.read(reference))
  for (let i = 0; i < 40; i++) kept.push(alone.read(written[(i * 7) % 40]!.reference))
  for (let i = 0; i < 40; i++) {
    t.same(kept[i], written[i]!.value)
    t.same(kept[40 + i], written[(i * 7) % 40]!.value)
  }
  for (const value of kept) value.fill(0)
  for (const { reference, value } of written) t.same(values.read(reference), value)
})

t.test('values of every length, alone and in a walk', async (t) => {
  const lengths = [0, 1, 2, 498, 499, 500, 4096, 32_755, 32_756, 65_459, 65_460, 131_072, 1024 * 1024]
  const { file, written } = makeFile([...lengths, ...lengths, ...lengths], () => 3)
  const values = new ValueReader(file, SALT)
  for (const { reference, value } of written) t.ok(values.read(reference).equals(value), `${value.length}`)
  for (let i = 0; i < written.length; i++) {
    const { reference, value } = written[(i * 7) % written.length]!
    t.ok(values.read(reference).equals(value), `${value.length}`)
  }
})
