/** The orders were recorded from views of Apache CouchDB 3.5.2. */
import t from 'tap'
import { compareRaw, compareStringsByBytes, compareValues, sortByBytes } from '../../src/json/collation.ts'

const VALUES =
  JSON.parse(`[null, false, true, -10, -0.5, 0, 1, 1.5, 2, 10, 100, 100000000000000000000, "", " ",
  "_", "-", "😀", "1", "10", "2", "a", "A", "ä", "aa", "Aa", "ab", "b", "B", "ba", "bb", "e", "é", "f", "z", "Z",
  "日本", [], [null], ["a"], ["a", 1], ["b"], ["b", "c"], ["b", "c", "a"], ["b", "d"], ["b", "d", "e"], {},
  {"a": 1}, {"a": 2}, {"b": 1}, {"b": 2}, {"b": 2, "a": 1}, {"b": 2, "c": 2}]`) as unknown[]

const WORDS = [
  ...[',', ';', ':', '!', '?', '.', "'", '"', '(', '[', '{', '@', '*', '/', '\\', '&', '#', '%', '`', '^'],
  ...['+', '<', '=', '|', '~', '$', '1', '①', '½', '12', '2', 'apple', 'Apple', 'APPLE', 'applé', 'äpple'],
  ...['apple pie', 'apple_pie', 'apple-pie', "apple's", 'applepie', 'co-op', 'CO-OP', 'coop', 'n', 'ñ', 'o'],
  ...['ø', 'œ', 'resume', 'Resume', 'résumé', 'ss', 'ß', 'α', 'ж', 'א', '한', 'あ', 'ア'],
]

t.test('every two values stand as recorded', async (t) => {
  for (const values of [VALUES, WORDS]) {
    for (const [i, a] of values.entries()) {
      for (const [j, b] of values.entries()) {
        if (Math.sign(compareValues(a, b)) !== Math.sign(i - j)) t.fail(`${JSON.stringify([a, b])}`)
      }
    }
  }
  t.ok(compareValues('😀', '1') < 0 && compareRaw('😀', '1') > 0)
  t.ok(compareRaw('B', 'a') < 0 && compareRaw('\uffff', '😀') < 0, 'bytes of UTF-8')
})

t.test('marks count in the order in which they stand', async (t) => {
  const recorded = ['\u00aa', 'a\u0301\u0323', '\u1ea1', '\u1ea1\u0301', '\u1ea0\u0301', 'ab']
  for (const [i, a] of recorded.entries()) {
    for (const [j, b] of recorded.entries()) {
      if (Math.sign(compareValues(a, b)) !== Math.sign(i - j)) t.fail(`${i} and ${j}`)
    }
  }
  t.equal(compareValues('a\u0323\u0301', '\u1ea1\u0301'), 0)
  t.equal(compareValues('\u00e1\u0323', 'a\u0301\u0323'), 0)
  const marks = 'a\u0301\u0323'.repeat(200_000)
  t.equal(compareValues(marks, marks), 0)
})

t.test('strings by their bytes, halves of surrogates among them', async (t) => {
  const units = [
    'a',
    'b',
    '\u007f',
    '\u0080',
    '\ud7ff',
    '\ud800',
    '\udbff',
    '\udc00',
    '\udfff',
    '\ue000',
    '\ufffd',
    '\uffff',
  ]
  const texts = ['', ...units, ...units.flatMap((first) => units.map((second) => first + second))]
  const wrong = texts.flatMap((a) =>
    texts.filter(
      (b) => Math.sign(compareStringsByBytes(a, b)) !== Buffer.compare(Buffer.from(a), Buffer.from(b)),
    ),
  )
  t.same(wrong, [])
  const bytesOf = (text: string) => Buffer.from(text)
  for (const some of [texts, texts.filter((text) => !/[\ud800-\udfff]/.test(text))]) {
    const sorted = sortByBytes([...some].reverse()).map(bytesOf)
    t.same(
      sorted.filter((text, at) => at > 0 && Buffer.compare(sorted[at - 1]!, text) > 0),
      [],
    )
  }
})
