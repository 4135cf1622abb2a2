import t from 'tap'
import { passwordRules } from '../../src/config/auth-settings.ts'
import { parseTerm } from '../../src/config/erlang-terms.ts'

t.test('terms as CouchDB is configured with them', async (t) => {
  t.same(parseTerm(' [ "a\\"b\\\\d", {x, -1} , [] ] '), ['a"b\\d', { tuple: [{ atom: 'x' }, -1] }, []])
  for (const text of ['', '[', '[1', '[1,]', '{1 2}', '"open', '[] []', 'Var', '['.repeat(1000)]) {
    t.throws(() => parseTerm(text), /a term of Erlang/, text)
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
