import t from 'tap'
import { passwordRules } from '../../src/config/auth-settings.ts'
import { parseOptions, parseTerm } from '../../src/config/erlang-terms.ts'

t.test('terms as CouchDB is configured with them', async (t) => {
  t.same(parseTerm(' [ "a\\"b\\\\d", {x, -1} , [] ] '), ['a"b\\d', { tuple: [{ atom: 'x' }, -1] }, []])
  for (const text of ['', '[', '[1', '[1,]', '{1 2}', '"open', '[] []', 'Var', '['.repeat(1000)]) {
    t.throws(() => parseTerm(text), /a term of Erlang/, text)
  }
})

t.test('options', async (t) => {
  const options = parseOptions('[{nodelay, true}, {max, 65536}, inet6]')
  t.same(
    [...options],
    [
      ['nodelay', { atom: 'true' }],
      ['max', 65536],
      ['inet6', true],
    ],
  )
  t.equal(parseOptions('').size, 0)
  for (const text of ['{max, 1}', '[1]', '[{"max", 1}]', '[{max}]', '[{max, 1, 2}]']) {
    t.throws(() => parseOptions(text), /options as/, text)
  }
})

t.test('what passwords must match', async (t) => {
  t.same(passwordRules('[{".{10,}", "Min length is 10 chars."}, "[A-Z]+", {"\\\\d+"}]'), [
    { pattern: '.{10,}', reason: 'Min length is 10 chars.' },
    { pattern: '[A-Z]+', reason: undefined },
    { pattern: '\\d+', reason: undefined },
  ])
  t.same(passwordRules('[]'), [])
  for (const text of ['".{10,}"', '[1]', '[{"a", "b", "c"}]', '[x]']) {
    t.throws(() => passwordRules(text), /patterns as/, text)
  }
})
