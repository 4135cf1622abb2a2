import fc from 'fast-check'
import t from 'tap'
import { isDeeper, printValue } from '../../src/json/print.ts'

function nested(levels: number, inner: unknown): unknown {
  let value = inner
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value, 1] : { a: value, 'b"': null }
  return value
}

t.test('what is too deep for the built-in function is printed as it would', async (t) => {
  const property = fc.property(fc.jsonValue(), (inner) => {
    const deep = printValue(nested(20_000, inner))
    const [head, tail] = printValue(nested(20_000, '@')).split('"@"')
    return deep === head! + JSON.stringify(inner) + tail!
  })
  fc.assert(property, { numRuns: 5 })
  t.equal(printValue(nested(4, 1)), JSON.stringify(nested(4, 1)))
  t.same(JSON.parse(printValue({ x: nested(3, []) })), { x: nested(3, []) })
})

t.test('depth', async (t) => {
  t.equal(isDeeper(1, 0), false)
  t.equal(isDeeper(nested(5, 1), 5), false)
  t.equal(isDeeper(nested(6, 1), 5), true)
  t.equal(isDeeper(nested(100_000, 1), 500), true)
})
