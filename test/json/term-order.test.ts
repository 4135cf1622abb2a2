/** The order of Erlang's terms, over texts. */
import t from 'tap'
import { compareTerms } from '../../src/json/term-order.ts'

const IN_ORDER = [
  ...['-100000000000000000001', '-100000000000000000000', '-1.5', '-1', '0', '1', '2.5', '10'],
  ...['100000000000000000000', '100000000000000000001', '1.0e300'],
  ...['false', 'null', 'true'],
  ...[
    '{}',
    '{"\\"":0}',
    '{"a":1}',
    '{"a":1,"b":0}',
    '{"a":2}',
    '{"a":[]}',
    '{"a":""}',
    '{"aa":0}',
    '{"b":0}',
  ],
  ...['[]', '[1]', '[1,2]', '[2]', '[null]', '[{}]', '[[]]', '[[],0]', '[[1]]', '[""]', '["",0]'],
  ...['""', '" "', '"\\""', '"A"', '"B"', '"a"', '"a\\\\"', '"aa"', '"é"', '"日"', '"😀"'],
]

t.test('every two values stand as in Erlang', async (t) => {
  for (const [i, a] of IN_ORDER.entries()) {
    for (const [j, b] of IN_ORDER.entries()) {
      const order = Math.sign(compareTerms(Buffer.from(a), Buffer.from(b)))
      if (order !== Math.sign(i - j)) t.fail(`${a} ${b}: ${order}`)
    }
  }
  t.equal(compareTerms(Buffer.from('[1,"x"]'), Buffer.from('[1.0,"x"]')), 0)
})

t.test('depth takes no stack', async (t) => {
  const deep = (leaf: string): Buffer =>
    Buffer.from(`${'[{"a":'.repeat(200_000)}${leaf}${'}]'.repeat(200_000)}`)
  t.ok(compareTerms(deep('1'), deep('2')) < 0)
  t.equal(compareTerms(deep('1'), deep('1')), 0)
})
