import t from 'tap'
import { MOST_SEQUENCE_BYTES, SequenceCodec } from '../../src/database/layout/sequence.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

t.test('a sequence as bytes is the sequence as text, in every epoch', async (t) => {
  const random = new Random(propertySeed(t))
  const fill = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.int(256)
  }
  let codec = SequenceCodec.begin(undefined, 0, fill)
  for (const after of [10, 5000, 2 ** 33, 2 ** 40]) codec = SequenceCodec.begin(codec.record(), after, fill)
  const target = Buffer.alloc(MOST_SEQUENCE_BYTES + 2)
  const numbers = [0, 1, 10, 11, 5001, 2 ** 33, 2 ** 47, Number.MAX_SAFE_INTEGER]
  for (let i = 0; i < 1000; i++) numbers.push(random.int(2 ** (1 + random.int(47))))
  for (const number of numbers) {
    const end = codec.write(number, target, 1)
    if (target.toString('latin1', 1, end) !== codec.format(number)) t.fail(String(number))
  }
  t.ok(numbers.every((number) => codec.write(number, target, 0) <= MOST_SEQUENCE_BYTES))
})
