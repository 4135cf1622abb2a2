import fc from 'fast-check'
import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { canonicalize } from '../../src/json/documents.ts'
import { losslessPieces, losslessSteps } from '../../src/json/lossless.ts'
import { buildSteps, joinSteps, parseSteps, printPieces } from '../../src/json/value-steps.ts'

const FORM = { string: (token: string) => JSON.parse(token) as string, number: Number }
const canonical = (text: string): string => canonicalize(Buffer.from(text)).toString()

t.test('any value is parsed and printed as by JSON.parse and JSON.stringify', async () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (given) => {
      const text = canonical(given)
      const value = JSON.parse(text)
      t.strictSame(runAtOnce(buildSteps(text, FORM)), value)
      t.strictSame(runAtOnce(parseSteps(text)), value)
      t.equal(runAtOnce(joinSteps(printPieces(value))), JSON.stringify(value))
      t.equal(runAtOnce(joinSteps(losslessPieces(runAtOnce(losslessSteps(text))))), text)
    }),
    { numRuns: 500 },
  )
})

t.test('long texts, any depth, and names that mean something to JavaScript', async (t) => {
  const long = `{"__proto__":{"a":1},"list":[${'{"constructor":[[],{}]},'.repeat(20_000)}null]}`
  t.equal(runAtOnce(joinSteps(printPieces(runAtOnce(parseSteps(long))))), long)
  const levels = 300_000
  const deep = `${'[{"a":'.repeat(levels)}1${'}]'.repeat(levels)}`
  t.equal(runAtOnce(joinSteps(printPieces(runAtOnce(parseSteps(deep))))) === deep, true)
  t.throws(() => runAtOnce(losslessSteps(deep, 1000)), RangeError)
})

t.test('long work is in many steps', async (t) => {
  const text = `[${'0,'.repeat(100_000)}0]`
  let steps = 0
  const parsing = parseSteps(text)
  for (let step = parsing.next(); step.done !== true; step = parsing.next()) steps += 1
  t.ok(steps > 100, `${steps} steps`)
})
