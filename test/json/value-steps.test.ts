import fc from 'fast-check'
import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { canonicalize } from '../../src/json/documents.ts'
import { losslessPieces, losslessSteps } from '../../src/json/lossless.ts'
import { buildSteps, joinSteps, parseSteps, printPieces } from '../../src/json/value-steps.ts'
import { compileSelector, levelsOf } from '../../src/selector/selector.ts'

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

/** What is deeper than `levels` as empty arrays and objects. */
function cut(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  const members = levels < 0 ? [] : Object.entries(value).map(([name, each]) => [name, cut(each, levels - 1)])
  return Array.isArray(value) ? members.map(([, each]) => each) : Object.fromEntries(members)
}

t.test('a value without what lies deep in it', async () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.nat(7), (given, levels) => {
      const text = canonical(given)
      const upper = runAtOnce(buildSteps(text, FORM, Number.POSITIVE_INFINITY, levels))
      t.strictSame(upper, cut(JSON.parse(text), levels))
    }),
    { numRuns: 500 },
  )
})

t.test('a selector tells no document from one without what lies deeper than it looks', async () => {
  const scalar = fc.constantFrom(1, 2, 'a', null, true, [], {})
  const name = fc.constantFrom('a', 'b')
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'medium' },
      scalar,
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(name, tie('value'), { maxKeys: 2 }),
    ),
  }))
  const operators = [
    '$eq',
    '$gt',
    '$lt',
    '$in',
    '$all',
    '$elemMatch',
    '$allMatch',
    '$not',
    '$and',
    '$or',
    '$size',
  ]
  const { selector } = fc.letrec((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small' },
      value,
      fc.dictionary(fc.constantFrom(...operators, '$type', '$exists', 'a', 'b', 'a.b.a'), tie('condition')),
      fc.array(tie('condition'), { maxLength: 2 }),
    ),
    selector: fc.dictionary(fc.constantFrom('a', 'b', 'a.b', 'a.a.b', '$or', '$nor'), tie('condition')),
  }))
  let compiled = 0
  fc.assert(
    fc.property(selector, fc.array(fc.dictionary(name, value), { minLength: 8 }), (selector, documents) => {
      let matches: (document: unknown) => boolean
      try {
        matches = compileSelector(selector)
      } catch {
        return
      }
      compiled += 1
      for (const document of documents) {
        t.equal(
          matches(cut(document, levelsOf(selector))),
          matches(document),
          JSON.stringify({ selector, document }),
        )
      }
    }),
    { numRuns: 3000 },
  )
  t.ok(compiled > 300, `${compiled} selectors could be compiled`)
})

t.test('long work is in many steps', async (t) => {
  const text = `[${'0,'.repeat(100_000)}0]`
  let steps = 0
  const parsing = parseSteps(text)
  for (let step = parsing.next(); step.done !== true; step = parsing.next()) steps += 1
  t.ok(steps > 100, `${steps} steps`)
})
