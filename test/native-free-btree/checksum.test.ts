import t from 'tap'
import createXxhash from 'xxhash-wasm'
import {
  hash64,
  hashHigh,
  hashLanded,
  hashLow,
  hashPlaced,
  landing,
  positionSeed,
  ROOM_BYTES,
  ROOM_START,
  saltHalves,
  WINDOW_BYTES,
  WINDOW_START,
} from '../../native-free-btree/disk/checksum.ts'
import { makeXxh64Module } from '../../native-free-btree/disk/xxh64-module.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

/** Of the hash made last. */
const hashed = () => (BigInt(hashHigh) << 32n) | BigInt(hashLow)

t.test('the values that the algorithm’s authors give', async (t) => {
  // https://github.com/Cyan4973/xxHash/blob/dev/tests/sanity_test_vectors.h: XXH64 of no bytes, seeds 0 and PRIME32.
  const { memory, hash } = makeXxh64Module(1)
  const result = new DataView(memory.buffer)
  hash(64, 64, 0, 0)
  t.equal(result.getBigUint64(0, true), 0xef46db3751d8e999n)
  hash(64, 64, 0x9e3779b1, 0)
  t.equal(result.getBigUint64(0, true), 0xac75fda2929b17efn)
})

t.test('equal to xxhash-wasm, whatever the length, the place, the salt and the position', async (t) => {
  const { h64Raw } = await createXxhash()
  const random = new Random(propertySeed(t))
  const lengths = Array.from({ length: 1001 }, (_, length) => length)
  for (const extra of [4096, 65_471, 65_472, 65_473, 65_503, 65_504, 65_536, 130_944, 300_001])
    lengths.push(extra)
  t.equal(ROOM_BYTES, 65_472, 'lengths on both sides of the room are among them')
  const wrong: unknown[] = []
  for (const length of lengths) {
    const bytes = random.bytes(length)
    const salt = (BigInt(random.next()) << 32n) | BigInt(random.next())
    const position = random.int(2 ** 16) * 2 ** 32 + random.next()
    const expected = h64Raw(bytes, salt ^ BigInt(position))
    if (hash64(bytes, positionSeed(salt, position)) !== expected) wrong.push(['hash64', length])
    hashPlaced(bytes, saltHalves(salt), position)
    if (hashed() !== expected) wrong.push(['hashPlaced', length, position])
    for (const [start, room] of [
      [ROOM_START, ROOM_BYTES],
      [WINDOW_START, WINDOW_BYTES],
    ] as const) {
      const offset = start + random.int(32)
      if (length + 32 > room) continue
      landing.set(bytes, offset)
      hashLanded(offset, offset + length, saltHalves(salt), position)
      if (hashed() !== expected) wrong.push(['hashLanded', length, offset])
    }
  }
  t.same(wrong, [])
})
