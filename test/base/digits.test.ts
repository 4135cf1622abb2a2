import t from 'tap'
import { writeDigits } from '../../src/base/digits.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

t.test('numbers are written as they are printed', async (t) => {
  const random = new Random(propertySeed(t))
  const bounds = [0, 2 ** 30, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER - 1]
  for (let power = 1; power < 16; power++) bounds.push(10 ** power)
  const numbers = bounds.flatMap((bound) => [bound - 1, bound, bound + 1]).filter((number) => number >= 0)
  for (let i = 0; i < 5000; i++) numbers.push(Math.floor(random.float() * 10 ** random.int(16)))
  const target = Buffer.alloc(32, 'x')
  const wrong = numbers.filter((number) => {
    const end = writeDigits(number, target.fill('x'), 3)
    return target.toString() !== `xxx${number}`.padEnd(32, 'x') || end !== 3 + String(number).length
  })
  t.same(wrong, [])
})
