import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import {
  integerOf,
  keysOfQuery,
  lastTrueOrFalse,
  readJson,
  readNatural,
  readOneOf,
  readPositive,
  readTrueOrFalse,
  readViewBoolean,
  readViewCount,
  readViewKeys,
  requireViewOneOf,
} from '../../src/http/request/parameters.ts'
import { Query } from '../../src/http/request/query.ts'

function told(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return error instanceof DatabaseError ? `${error.error}: ${error.reason}` : error
  }
}

t.test('numbers of a query string are digits, with the signs that their parameter takes', async (t) => {
  const cases: [text: string, integer: unknown, natural: unknown, positive: unknown][] = [
    ['7', 7, 7, 7],
    ['+007', 7, 7, 7],
    ['0', 0, 0, 'bad_request: no'],
    ['-7', -7, 'bad_request: no', 'bad_request: no'],
    ['', undefined, 'bad_request: no', 'bad_request: no'],
    ['7.0', undefined, 'bad_request: no', 'bad_request: no'],
    [' 7', undefined, 'bad_request: no', 'bad_request: no'],
  ]
  for (const [text, integer, natural, positive] of cases) {
    t.equal(integerOf(text), integer, text)
    t.equal(
      told(() => readNatural(text, 'no')),
      natural,
      text,
    )
    t.equal(
      told(() => readPositive(text, 'no')),
      positive,
      text,
    )
  }
})

t.test('words are exact', async (t) => {
  t.equal(readTrueOrFalse('true', 'no'), true)
  t.equal(readTrueOrFalse('false', 'no'), false)
  t.equal(
    told(() => readTrueOrFalse('True', 'no')),
    'bad_request: no',
  )
  t.equal(readOneOf('b', ['a', 'b'], 'no'), 'b')
  t.equal(
    told(() => readOneOf('', ['a', 'b'], 'no')),
    'bad_request: no',
  )
})

t.test('of several values the parameter says which counts', async (t) => {
  const query = new Query([
    ['x', 'true'],
    ['x', 'false'],
    ['x', 'perhaps'],
  ])
  t.equal(query.get('x'), 'true')
  t.equal(query.last('x'), 'perhaps')
  t.equal(query.flag('x'), true)
  t.equal(lastTrueOrFalse(query, 'x'), false)
  t.equal(lastTrueOrFalse(query, 'y'), undefined)
})

t.test('the parameters of views take text and JSON, and show in Erlang what they refuse', async (t) => {
  t.equal(readViewBoolean({ text: 'TRUE' }), true)
  t.equal(readViewBoolean({ json: false }), false)
  t.equal(
    told(() => readViewBoolean({ text: '' })),
    'query_parse_error: Invalid boolean parameter: []',
  )
  t.equal(readViewCount({ text: '+3' }), 3)
  t.equal(readViewCount({ json: 3 }), 3)
  t.equal(
    told(() => readViewCount({ text: 'abc' })),
    'query_parse_error: Invalid value for integer: "abc"',
  )
  t.equal(
    told(() => readViewCount({ json: 'abc' })),
    'query_parse_error: Invalid value for integer: <<"abc">>',
  )
  t.equal(
    told(() => readViewCount({ text: '-1' })),
    'query_parse_error: Invalid value for positive integer: "-1"',
  )
  t.equal(
    told(() => requireViewOneOf({ json: 1 }, 'update', ['true', true])),
    'query_parse_error: Invalid value for `update`.',
  )
})

t.test('JSON in a query string must be UTF-8 and JSON, and keys an array', async (t) => {
  t.same(readJson('{"a":[1]}'), { a: [1] })
  t.match(
    told(() => readJson('"\udcff"')),
    /^bad_request: /,
  )
  t.same(keysOfQuery(new Query([])), undefined)
  t.same(keysOfQuery(new Query([['keys', '["a",1.0]']])), ['a', { text: '1.0' }])
  t.same(readViewKeys({ json: ['a', 1] }), ['a', 1])
  for (const raw of [{ text: '{}' }, { json: {} }]) {
    t.equal(
      told(() => readViewKeys(raw)),
      'bad_request: `keys` parameter must be an array.',
    )
  }
})
