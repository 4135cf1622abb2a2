/** Blocks of snappy: what is packed comes back, what others packed is read, and no bytes make it read or write elsewhere. */
import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  LONGEST_BLOCK_BYTES,
  mostBlockBytes,
  plainBytesOf,
  readBlock,
  writeBlock,
} from '../../src/database/bodies/snappy.ts'
import { Random } from '../support/random.ts'

const GUARD_BYTES = 16
const GUARD = 0xa5

/** `bytes` between bytes that must not matter, so that whoever reads beyond the ends finds something. */
function guarded(bytes: Uint8Array): { memory: Buffer; view: Buffer } {
  const memory = Buffer.alloc(bytes.length + 2 * GUARD_BYTES, GUARD)
  memory.set(bytes, GUARD_BYTES)
  return { memory, view: memory.subarray(GUARD_BYTES, GUARD_BYTES + bytes.length) }
}

function guardsHold({ memory, view }: { memory: Buffer; view: Buffer }): boolean {
  const before = memory.subarray(0, GUARD_BYTES)
  const behind = memory.subarray(GUARD_BYTES + view.length)
  return [before, behind].every((bytes) => bytes.every((byte) => byte === GUARD))
}

function packedBlock(text: Uint8Array): Buffer {
  const room = guarded(Buffer.alloc(mostBlockBytes(text.length)))
  const end = writeBlock(guarded(text).view, room.view, 0)
  if (!guardsHold(room)) throw new Error('bytes were written outside of the room')
  return Buffer.from(room.view.subarray(0, end))
}

/** Undefined for what is refused. Throws when bytes were written outside of the text's memory. */
function unpackedBlock(block: Uint8Array): Buffer | undefined {
  const { view } = guarded(block)
  const length = plainBytesOf(view, 0)
  if (length < 0) return undefined
  const text = guarded(Buffer.alloc(length))
  const whole = readBlock(view, 0, text.view)
  if (!guardsHold(text)) throw new Error('bytes were written outside of the text')
  return whole ? text.view : undefined
}

/**
 * What the block means, by the description of the format alone: an element at a time, a byte at a time, lists that grow.
 * Undefined for what is no block.
 */
function readPlainly(block: Uint8Array): number[] | undefined {
  let at = 0
  const take = (): number => {
    if (at >= block.length) throw new Error('short')
    return block[at++]!
  }
  const little = (bytes: number): number => {
    let value = 0
    for (let i = 0; i < bytes; i++) value += take() * 256 ** i
    return value
  }
  try {
    let length = 0
    for (let shift = 0, more = true; more; shift += 7) {
      const byte = take()
      length += (byte & 127) * 2 ** shift
      more = byte >= 128
    }
    const text: number[] = []
    while (at < block.length) {
      const tag = take()
      const upper = tag >> 2
      if ((tag & 3) === 0) {
        const bytes = upper < 60 ? upper + 1 : little(upper - 59) + 1
        if (bytes > block.length) return undefined
        for (let i = 0; i < bytes; i++) text.push(take())
        continue
      }
      const short = (tag & 3) === 1
      const bytes = short ? (upper & 7) + 4 : upper + 1
      const distance = short ? (tag >> 5) * 256 + take() : little((tag & 3) === 2 ? 2 : 4)
      if (distance === 0 || distance > text.length) return undefined
      for (let i = 0; i < bytes; i++) text.push(text[text.length - distance]!)
    }
    return text.length === length ? text : undefined
  } catch {
    return undefined
  }
}

const someText = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.json().map((text) => Buffer.from(text)),
  // Few different bytes, and pieces that come again: copies of every kind.
  fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
  fc
    .record({
      pieces: fc.array(fc.uint8Array({ minLength: 1, maxLength: 90 }), { minLength: 1, maxLength: 6 }),
      order: fc.array(fc.nat({ max: 5 }), { maxLength: 60 }),
    })
    .map(({ pieces, order }) => Buffer.concat(order.map((at) => pieces[at % pieces.length]!))),
)

const seed = randomInt(2 ** 31)
t.comment(`seed ${seed}`)

t.test(
  'what is packed comes back, also by a reader that was written from the description alone',
  async (t) => {
    const property = fc.property(someText, (text) => {
      const block = packedBlock(text)
      const again = unpackedBlock(block)
      return again?.equals(text) === true && Buffer.from(readPlainly(block)!).equals(text)
    })
    fc.assert(property, { seed, numRuns: 1500 })
    t.pass('random texts')
    const random = new Random(seed)
    const words = Array.from({ length: 3000 }, () => Buffer.from(random.int(1e9).toString(36)))
    // Distances of more than 2,047 and of more than 65,535 bytes, and lengths of every kind.
    for (const length of [60, 61, 64, 68, 256, 257, 65_535, 65_536, 65_537, 300_000, LONGEST_BLOCK_BYTES]) {
      const parts: Buffer[] = []
      for (let bytes = 0; bytes < length; bytes += parts.at(-1)!.length) parts.push(random.pick(words))
      const text = Buffer.concat(parts).subarray(0, length)
      for (const each of [text, Buffer.alloc(length, 'x'), random.bytes(length)]) {
        if (unpackedBlock(packedBlock(each))?.equals(each) !== true)
          t.fail(`${length} bytes come back as others`)
      }
    }
  },
)

t.test('what is repeated is packed', async (t) => {
  const text = Buffer.from(
    JSON.stringify({ rows: Array.from({ length: 40 }, (_, n) => ({ name: `n${n}`, size: n })) }),
  )
  t.ok(packedBlock(text).length < text.length / 2, 'members of the same names')
  t.ok(packedBlock(Buffer.alloc(1000, 'x')).length < 60, 'one byte, over and over')
  t.ok(packedBlock(Buffer.alloc(0)).equals(Buffer.from([0])), 'nothing')
})

t.test('blocks that others made', async (t) => {
  const rows = [1, 2, 3, 4, 5, 6].map((n) => ({
    name: `row ${n}`,
    size: n,
    text: 'some words that come again',
  }))
  const text = JSON.stringify({ rows })
  // By snappyjs 0.7.0.
  const block =
    'fe02407b22726f7773223a5b7b226e616d65223a0110d82031222c2273697a65223a312c2274657874223a22736f6d6520776f72647320' +
    '7468617420636f6d6520616761696e227d2c7b226e616d113e043222113e0032ca3e000033153e0033ca3e000034153e0034ca3e000035' +
    '153e0035ca3e000036153e0036923e00045d7d'
  t.equal(unpackedBlock(Buffer.from(block, 'hex'))?.toString(), text)
  t.equal(unpackedBlock(Buffer.from('080461620e0200', 'hex')), undefined, 'six bytes where eight are said')
  t.equal(
    unpackedBlock(Buffer.from('060461620e0200', 'hex'))?.toString(),
    'ababab',
    'a copy of what it makes',
  )
  t.equal(unpackedBlock(Buffer.from('06046162' + '0f02000000', 'hex'))?.toString(), 'ababab', 'a far one')
})

t.test('no bytes are read or written outside, and what is no block is refused', async (t) => {
  const random = new Random(seed)
  let refused = 0
  let taken = 0
  const texts = [
    Buffer.from(JSON.stringify({ list: Array.from({ length: 20 }, (_, n) => `item ${n}`) })),
    Buffer.alloc(200, 'abcdefg'),
    random.bytes(80),
  ]
  const blocks = texts.map(packedBlock)
  for (let run = 0; run < 20_000; run++) {
    const block = random.bool(0.1) ? random.bytes(random.between(0, 40)) : Buffer.from(random.pick(blocks))
    for (let changes = random.between(1, 3); changes > 0 && block.length > 0; changes--) {
      block[random.int(block.length)] = random.int(256)
    }
    const cut = random.bool(0.3) ? block.subarray(0, random.int(block.length + 1)) : block
    const text = unpackedBlock(cut)
    const meant = plainBytesOf(cut, 0) < 0 ? undefined : readPlainly(cut)
    if (text === undefined) refused += 1
    else taken += 1
    if (meant === undefined ? text !== undefined : text?.equals(Buffer.from(meant)) !== true) {
      t.fail(`${cut.toString('hex')} is read as ${text?.toString('hex')}`)
      break
    }
  }
  t.ok(refused > 1000 && taken > 100, `${refused} refused, ${taken} taken`)
})

t.test('a length is bounded by what so few bytes can make', async (t) => {
  t.equal(plainBytesOf(Buffer.from('ffff3f00', 'hex'), 0), -1, '1 MiB of four bytes')
  t.equal(plainBytesOf(Buffer.from('ffffffff0f', 'hex'), 0), -1, 'of five bytes')
  t.equal(plainBytesOf(Buffer.alloc(0), 0), -1, 'none')
  t.equal(plainBytesOf(Buffer.from('80', 'hex'), 0), -1, 'one that does not end')
})
