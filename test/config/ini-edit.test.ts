import fc from 'fast-check'
import t from 'tap'
import { parseIni } from '../../src/config/ini.ts'
import { withKey, withoutKey } from '../../src/config/ini-edit.ts'

const TEXT = [
  '; what stands here stays',
  '[a]',
  'k = 1 ; why',
  '',
  ';[b]',
  '[b] ; named',
  ' other=2',
  '',
  '; the end',
  '',
].join('\n')

t.test('a key is replaced in its line, and nothing else changes', async (t) => {
  t.equal(withKey(TEXT, 'a', 'k', '9'), TEXT.replace('k = 1', 'k = 9'))
  t.equal(withKey(TEXT, 'b', 'other', '9'), TEXT.replace(' other=2', 'other = 9'))
  t.equal(withKey(TEXT, 'a', 'k', undefined), TEXT.replace('k = 1', 'k ='))
})

t.test('a new key comes behind the last of its section, a new section behind all', async (t) => {
  t.equal(withKey(TEXT, 'a', 'l', '3'), TEXT.replace(';[b]', ';[b]\nl = 3'))
  t.equal(withKey(TEXT, 'c', 'l', '3'), `${TEXT}\n[c]\nl = 3\n`)
  t.equal(withKey('', 'c', 'l', '3'), '[c]\nl = 3\n')
  t.equal(withKey('[c]\nk = 1', 'c', 'l', '3'), '[c]\nk = 1\nl = 3\n', 'a last line without its end')
  t.equal(withKey('[c]\r\nk = 1\r\n', 'c', 'k', '3'), '[c]\r\nk = 3\r\n')
})

t.test('a key is removed with its line', async (t) => {
  t.equal(withoutKey(TEXT, 'a', 'k'), TEXT.replace('k = 1 ; why\n', ''))
  t.equal(withoutKey(TEXT, 'b', 'k'), TEXT)
  t.equal(withoutKey(TEXT, 'c', 'k'), TEXT)
})

t.test('what is read afterwards is what was there, but for the key', async (t) => {
  const word = fc.stringMatching(/^[a-z]{1,2}$/)
  const value = fc.stringMatching(/^[a-z=][a-z= ;]{0,6}[a-z;]$/).filter((text) => !/ ;/.test(text))
  const line = fc.oneof(
    word.map((name) => `[${name}]`),
    fc.tuple(word, value).map(([key, text]) => `${key} = ${text}`),
    fc.constantFrom('', '; a comment', '  '),
  )
  const edit = fc.record({
    section: word,
    key: word,
    value: fc.option(value, { nil: undefined }),
    end: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(line), fc.array(edit, { maxLength: 5 }), (lines, edits) => {
      let text = `[start]\n${lines.join('\n')}`
      let expected: Map<string, string | undefined>
      try {
        expected = entriesOf(text)
      } catch {
        return // a key given twice
      }
      const comments = text.split('\n').filter((each) => each.startsWith(';')).length
      for (const { section, key, value, end } of edits) {
        if (end) {
          text = withoutKey(text, section, key)
          expected.delete(`[${section}] ${key}`)
        } else {
          text = withKey(text, section, key, value)
          expected.set(`[${section}] ${key}`, value)
        }
        t.same(sorted(entriesOf(text)), sorted(expected), text)
      }
      t.equal(text.split('\n').filter((each) => each.startsWith(';')).length, comments)
    }),
  )
})

function entriesOf(text: string): Map<string, string | undefined> {
  return new Map(parseIni(text, 'f').map(({ section, key, value }) => [`[${section}] ${key}`, value]))
}

function sorted(entries: Map<string, string | undefined>): unknown[] {
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
}
