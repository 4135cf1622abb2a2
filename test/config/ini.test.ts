import t from 'tap'
import { ConfigError, parseIni } from '../../src/config/ini.ts'

t.test("reads CouchDB's dialect", async (t) => {
  const text = [
    '\uFEFF; a comment',
    '',
    '[chttpd]',
    'port = 6000 ; behind the value',
    'bind_address=::1',
    '  spaced key  =  a = b;c  ',
    'unset =',
    'unset_too = ; nothing',
    '[admins] ; sections too',
    'anna\t=\tpass;word\t; cut here',
  ].join('\r\n')
  t.same(parseIni(text, 'f.ini'), [
    { section: 'chttpd', key: 'port', value: '6000', line: 4 },
    { section: 'chttpd', key: 'bind_address', value: '::1', line: 5 },
    { section: 'chttpd', key: 'spaced key', value: 'a = b;c', line: 6 },
    { section: 'chttpd', key: 'unset', value: undefined, line: 7 },
    { section: 'chttpd', key: 'unset_too', value: undefined, line: 8 },
    { section: 'admins', key: 'anna', value: 'pass;word', line: 10 },
  ])
})

t.test('refuses what CouchDB would skip, with the line', async (t) => {
  const cases: [string, RegExp][] = [
    ['port = 1', /^f\.ini:1: .*section/],
    ['[a]\nnonsense', /^f\.ini:2: expected/],
    ['[a]\n# x', /^f\.ini:2: comments begin with ";"/],
    ['[a]\n= x', /^f\.ini:2: expected/],
    ['[a\nk = 1', /^f\.ini:1: a section/],
    ['[]\n', /^f\.ini:1: a section/],
    ['[a] k = 1', /^f\.ini:1: a section/],
    ['[a]\nk = 1\n[b]\nk = 1\n[a]\nk = 2', /^f\.ini:6: \[a\] k was given already in line 2/],
  ]
  for (const [text, message] of cases) {
    t.throws(() => parseIni(text, 'f.ini'), { name: 'ConfigError', message }, text)
  }
  t.throws(() => parseIni('x', 'f'), ConfigError)
})
