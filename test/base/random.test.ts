import t from 'tap'
import { randomHex, systemRandom } from '../../src/base/random.ts'

t.test('bytes drawn ahead are given out once, whatever the lengths', async (t) => {
  const seen = new Set<string>()
  for (let i = 0; i < 3000; i++) seen.add(randomHex(systemRandom, 8 + (i % 40)))
  t.equal(seen.size, 3000)
  const long = Buffer.alloc(5000)
  systemRandom(long)
  // A run of eight zeros in 5,000 random bytes has a chance of 2^-52.
  t.equal(long.indexOf(Buffer.alloc(8)), -1)
})
