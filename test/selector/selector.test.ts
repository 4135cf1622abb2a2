/** What each selector means, mostly as recorded from Apache CouchDB 3.5.2. */
import t from 'tap'
import { normalize } from '../../src/selector/condition.ts'
import { selecting, showing } from '../support/selected-document.ts'

const DOCUMENTS: Record<string, unknown>[] = [
  {
    _id: 'p1',
    name: 'Ann',
    age: 30,
    tags: ['x', 'y'],
    address: { city: 'Bonn', zip: 53111 },
    score: 1.5,
  },
  { _id: 'p2', name: 'Bob', age: 25, tags: ['y'], address: { city: 'Köln' }, active: true },
  { _id: 'p3', name: 'Cid', age: 40, tags: [], address: { city: 'Bonn' }, active: false, 'a.b': 'dotted' },
  {
    _id: 'p4',
    name: 'Dee',
    age: null,
    tags: ['x', 'z', 'y'],
    nested: [
      { k: 1, v: 'one' },
      { k: 2, v: 'two' },
    ],
  },
  { _id: 'p5', name: 'Eve', age: '30', tags: 'x', nested: [{ k: 2, v: 'two' }], m: { k1: 1, k2: 2 } },
  { _id: 'p6', name: 'Fay', tags: null, m: { other: true }, a: { b: 'nested' } },
]

const CASES: [selector: object, ids: string][] = [
  [{}, '123456'],
  [{ age: 30 }, '1'],
  [{ age: { $ne: 30 } }, '2345'],
  [{ age: { $gt: 25 } }, '135'],
  [{ age: { $gte: 25, $lt: 40 } }, '12'],
  [{ age: { $lte: 30 } }, '124'],
  [{ age: { $gt: null } }, '1235'],
  [{ age: { $nin: [30] } }, '2345'],
  [{ age: { $nin: [] } }, '12345'],
  [{ age: { $in: [] } }, ''],
  [{ age: { $exists: true } }, '12345'],
  [{ age: { $exists: false } }, '6'],
  [{ 'address.city': { $exists: false } }, '456'],
  [{ 'name.first': { $exists: false } }, ''],
  [{ age: { $type: 'number' } }, '123'],
  [{ tags: { $type: 'array' } }, '1234'],
  [{ tags: { $type: 'nope' } }, ''],
  [{ age: { $mod: [10, 5] } }, '2'],
  [{ score: { $mod: [1, 0] } }, ''],
  [{ age: { $regex: '3' } }, '5'],
  [{ name: { $regex: '(?i)^[A-C]' } }, '123'],
  [{ name: { $beginsWith: 'A' } }, '1'],
  [{ tags: { $in: ['x'] } }, '145'],
  [{ tags: { $size: 2 } }, '1'],
  [{ tags: { $all: ['x', 'y'] } }, '14'],
  [{ tags: { $all: [] } }, ''],
  [{ tags: { $all: [['y']] } }, '2'],
  [{ tags: ['y'] }, '2'],
  [{ tags: { $elemMatch: { $eq: 'z' } } }, '4'],
  [{ tags: { $elemMatch: { $gt: 'x', $lt: 'z' } } }, '124'],
  [{ nested: { $elemMatch: { k: 1, v: 'two' } } }, ''],
  [{ nested: { $elemMatch: { $nor: [{ k: 2 }] } } }, '4'],
  [{ nested: { $elemMatch: { $not: { k: 2 } } } }, '4'],
  [{ nested: { $allMatch: { k: 2 } } }, '5'],
  [{ tags: { $allMatch: { $gt: '' } } }, '124'],
  [{ m: { $keyMapMatch: { $regex: '^k' } } }, '5'],
  [{ 'nested.0.k': 1 }, '4'],
  [{ nested: { '0': { k: 2 } } }, '5'],
  [{ $and: [{ age: { $gte: 25 } }, { age: { $lte: 30 } }] }, '12'],
  [{ $or: [{ name: 'Ann' }, { age: 40 }] }, '13'],
  [{ $nor: [{ name: 'Ann' }, { name: 'Bob' }] }, '3456'],
  [{ $nor: [{ name: 'Ann' }, { age: 40 }] }, '245'],
  [{ age: { $not: { $gt: 25 } } }, '24'],
  [{ $not: { age: 30, name: 'Ann' } }, '23456'],
  [{ $not: { $or: [{ age: 30 }, { name: 'Eve' }] } }, '234'],
  [{ $not: { $not: { age: 30 } } }, '1'],
  [{ $not: { $nor: [{ age: 30 }] } }, '1'],
  [{ age: { $not: { $exists: true } } }, '6'],
  [{ age: { $not: { $type: 'number' } } }, '45'],
  [{ age: { $or: [25, { $eq: 30 }] } }, '12'],
  [{ $and: [] }, '123456'],
  [{ $or: [] }, '123456'],
  [{ $nor: [] }, '123456'],
  [{ $not: { $and: [] } }, '123456'],
  [{ $not: { $or: [] } }, '123456'],
  [{ $not: { $nor: [] } }, '123456'],
  [{ $and: [{}] }, ''],
  [{ $nor: [{}] }, '123456'],
  [{ $and: [{ $or: [] }, { age: 30 }] }, '1'],
  [{ $or: [{ age: 30 }, { $and: [] }] }, '123456'],
  [{ age: { $and: [] } }, '123456'],
  [{ tags: { $elemMatch: { $or: [] } } }, '124'],
  [{ name: {} }, ''],
  [{ 'address.city': 'Bonn' }, '13'],
  [{ address: { city: 'Bonn' } }, '13'],
  [{ address: { $eq: { city: 'Bonn' } } }, '3'],
  [{ 'a\\.b': 'dotted' }, '3'],
  [{ 'a.b': 'nested' }, '6'],
  [{ _id: { $gt: 'P' } }, '123456'],
  [{ _id: { $lt: 'Z' } }, ''],
  [{ name: { $lt: 'b' } }, '1'],
]

t.test('what selectors mean', async (t) => {
  for (const [selector, ids] of CASES) {
    const matches = selecting(selector)
    const found = DOCUMENTS.filter(matches).map((document) => String(document['_id']).slice(1))
    t.equal(found.join(''), ids, JSON.stringify(selector))
  }
})

t.test('what is no selector', async (t) => {
  for (const [selector, code, message] of [
    [[], 'invalid_selector_json', 'Selector must be a JSON object, not: []'],
    [{ a: { $bad: 1 } }, 'invalid_operator', 'Invalid operator: $bad'],
    [{ a: { $constructor: 1 } }, 'invalid_operator', 'Invalid operator: $constructor'],
    [{ a: { $in: 5 } }, 'bad_arg', 'Bad argument for operator $in: 5'],
    [{ a: { $nin: 'x' } }, 'bad_arg', 'Bad argument for operator $nin: <<120>>'],
    [{ a: { $not: [1, null] } }, 'bad_arg', 'Bad argument for operator $not: [1,null]'],
    [{ a: { $size: { x: -1.5 } } }, 'bad_arg', 'Bad argument for operator $size: {[{<<120>>,-1.5}]}'],
    [{ a: { $exists: 1 } }, 'bad_arg', 'Bad argument for operator $exists: 1'],
    [{ a: { $mod: [0, 0] } }, 'bad_arg', 'Bad argument for operator $mod: [0,0]'],
    [{ a: { $regex: '(' } }, 'bad_arg', 'Bad argument for operator $regex: <<40>>'],
    [{ a: { $elemMatch: 1 } }, 'bad_arg', 'Bad argument for operator $elemMatch: 1'],
    [{ $and: {} }, 'bad_arg', 'Bad argument for operator $and: {[]}'],
    [{ a: { $beginsWith: 5 } }, 'invalid_operator', 'Invalid operator: $beginsWith'],
    [{ '': 1 }, 'invalid_selector', 'One or more conditions is missing a field name.'],
    [{ $eq: 1 }, 'invalid_selector', 'One or more conditions is missing a field name.'],
    [{ $not: { $gt: 1 } }, 'invalid_selector', 'One or more conditions is missing a field name.'],
    [{ 'a..b': 1 }, 'invalid_field_name', 'Invalid field name: a..b'],
  ] as const) {
    t.throws(() => selecting(selector), { code, message }, message)
  }
})

t.test('a selector that is nested too deeply', async (t) => {
  const deep = Buffer.from(`{"a":${'['.repeat(100_000)}1${']'.repeat(100_000)}}`)
  t.throws(() => normalize(deep), { code: 'invalid_selector', message: 'The selector is nested too deeply.' })
})

t.test('patterns are PCRE over bytes', async (t) => {
  for (const [pattern, text, wanted] of [
    ['^a.c$', 'abc\n', true],
    ['^a$', 'a\n\n', false],
    ['(?s)^a.c$', 'a\nc', true],
    ['^a.c$', 'a\nc', false],
    ['a.c', 'a\rc', true],
    ['(?m)^b$', 'a\nb\nc', true],
    ['\\Aab?\\z', 'a', true],
    ['^....$', 'Köl', true],
    ['Köln', 'in Köln', true],
    ['\\s', 'à', false],
    ['[[:alpha:]]+[[:digit:]]', 'ab1', true],
    ['^[]a]+$', 'a]', true],
    ['^[^]a]+$', 'b', true],
    ['(?P<x>a)\\1', 'aa', true],
    ['a{,2}', 'a{,2}', true],
    ['^[\\w.-]+@[\\w-]+\\.com$', 'a.b@c-d.com', true],
    ['(?i)straße', 'STRAßE', true],
    ['x\\/y', 'x/y', true],
  ] as const) {
    t.equal(selecting({ a: { $regex: pattern } })({ a: text }), wanted, `${pattern} on ${text}`)
  }
  for (const pattern of ['(?>a)', 'a++', '\\Qa\\E', '\\p{L}', '(?i:a)', '\\', '[a', '(*UTF8)a']) {
    t.throws(() => selecting({ a: { $regex: pattern } }), { code: 'bad_arg' }, pattern)
  }
})

t.test('patterns that would explode', async (t) => {
  const matches = (pattern: string, text: string): unknown =>
    selecting({ a: { $regex: pattern } })({ a: text })
  const almost = `${'a'.repeat(60)}b`
  for (const pattern of [
    '^(a+)+$',
    '^(a|a)*$',
    '^(a|aa)+$',
    '(.*)*x',
    `${'(a?)'.repeat(60)}${'a'.repeat(120)}$`,
  ]) {
    t.equal(matches(pattern, almost), false, pattern)
  }
  t.equal(matches('^(a+)+$', 'aaa'), true)
  t.equal(matches('(a?){30}b', almost), true)
  // References back and looking around are JavaScript's, and its time is what a selector has for a document.
  t.throws(() => matches('^(?=a)(a+)+\\1?$', almost), /too much time/)
  t.equal(matches('^(?=a)(a+)+$', 'aaa'), true)
  for (const pattern of [
    `(?=a)${'a?'.repeat(40)}${'a'.repeat(40)}`,
    '(((a{30}){30}){30}){30}',
    'a'.repeat(5000),
    `(x)\\1${'y'.repeat(600)}`,
  ]) {
    t.throws(() => matches(pattern, 'a'), { code: 'bad_arg' }, `${pattern.slice(0, 20)} is too large`)
  }
})

t.test('patterns in which something follows the end', async (t) => {
  const matches = (pattern: string, text: string): unknown =>
    selecting({ a: { $regex: pattern } })({ a: text })
  t.equal(matches('a$', 'a\n'), true)
  t.equal(matches('a$\n', 'a\n'), true)
  t.equal(matches('(a$|b)', 'a\n'), true)
  t.equal(matches('a$.', 'ab'), false)
  t.equal(matches('(?m)^b$', 'a\nb\nc'), true)
})

t.test('fields', async (t) => {
  const show = (id: number, fields: unknown): unknown => showing(fields)?.(DOCUMENTS[id - 1])
  t.equal(showing([]), undefined)
  t.same(show(1, ['name', 'address.city', 'none', 'address.none']), {
    name: 'Ann',
    address: { city: 'Bonn' },
  })
  t.same(show(4, ['nested.k', 'nested.0.v', 'tags']), { nested: { 0: { v: 'one' } }, tags: ['x', 'z', 'y'] })
  t.same(show(3, ['a\\.b']), { 'a.b': 'dotted' })
  t.same(showing(['__proto__.x'])?.(JSON.parse('{"__proto__":{"x":1}}')), JSON.parse('{"__proto__":{"x":1}}'))
  t.throws(() => showing('name'), {
    code: 'invalid_fields',
    message: 'Fields must be an array of strings, not: <<110,97,109,101>>',
  })
  t.throws(() => showing([5]), { code: 'invalid_field', message: 'Invalid JSON for field spec: 5' })
})
