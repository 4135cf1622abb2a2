import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { isUnsupportedCouchSetting } from '../../src/config/couchdb-settings.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Setting } from '../../src/config/setting.ts'
import { SETTINGS } from '../../src/config/settings.ts'

const file = (text: string) => ({ path: 'local.ini', text })

t.test('each source overrides those before it', async (t) => {
  const sources = {
    file: file(
      '[chttpd]\nport = 1\nbind_address = 127.0.0.1\n[couchdb]\ndatabase_dir = /a\n[log]\nlevel = debug',
    ),
    environment: { DAVENPORT_CHTTPD__PORT: '2', DAVENPORT_COUCHDB__DATABASE_DIR: '/b', PATH: '/bin' },
    flags: { port: '3' },
  }
  const config = loadConfig(sources)
  t.equal(config.port, 3)
  t.equal(config.databaseDir, '/b')
  t.equal(config.logLevel, 'debug')
  t.equal(config.sessionTimeoutSeconds, 600, 'a default')
  t.equal(loadConfig({ ...sources, flags: {} }).port, 2)
  t.equal(loadConfig({ file: sources.file }).port, 1)
  t.equal(loadConfig({}).port, 5984)
  t.equal(loadConfig({ file: file('[chttpd]\nport =') }).port, 5984, 'an empty value unsets')
})

/** Texts of which every setting takes one, whatever it is about. */
const TEXTS = [
  ...['7', '17', '1048577', '2', '1', '0', 'infinity', 'true', 'false', 'everyone', 'error', 'lax', 'warn'],
  ...[
    '::1',
    '22:00-06:00',
    'text/*,a/b',
    'a.example',
    'https://a.example/b',
    'x',
    'jwt, cookie',
    'exp,iat',
    'sha',
    '/run/davenport.sock',
    '660',
    'tlsv1.3',
    'none',
    'snappy',
    '0123456789abcdef0123456789abcdef',
    '["x"]',
  ],
]

/** A text that the setting takes, and that means something else than its default. */
function anotherText(setting: Setting<unknown>): string | undefined {
  const texts = [
    ...(setting.choices ?? []),
    String(setting.bounds?.min),
    String(setting.bounds?.max),
    ...TEXTS,
  ]
  return texts.find((text) => {
    try {
      return !isDeepStrictEqual(setting.parse(text), setting.default)
    } catch {
      return false
    }
  })
}

function takes(setting: Setting<unknown>, text: string): boolean {
  try {
    setting.parse(text)
    return true
  } catch {
    return false
  }
}

t.test('every setting can be given in a file and in the environment, and refuses nonsense', async (t) => {
  for (const [name, setting] of Object.entries(SETTINGS) as [keyof typeof SETTINGS, Setting<unknown>][]) {
    const { section, key, type } = setting
    if (type === 'entries') continue
    const text = anotherText(setting)
    if (text === undefined) {
      t.fail(`${name}: TEXTS has none that it takes`)
      continue
    }
    const expected = setting.parse(text)
    t.same(loadConfig({ file: file(`[${section}]\n${key} = ${text}`) })[name], expected, name)
    const variable = `DAVENPORT_${section.toUpperCase()}__${key.toUpperCase()}`
    t.same(loadConfig({ environment: { [variable]: text } })[name], expected)
    if (takes(setting, '?!')) continue
    t.throws(() => loadConfig({ file: file(`\n[${section}]\n${key} = ?!`) }), {
      name: 'ConfigError',
      message: new RegExp(`^local\\.ini:3: \\[${section}\\] ${key} must be .*, not "\\?!"`),
    })
  }
})

t.test('what is a setting is not told to be unsupported', async (t) => {
  for (const { section, key } of Object.values(SETTINGS)) {
    t.notOk(key !== '*' && isUnsupportedCouchSetting(section, key), `[${section}] ${key}`)
  }
})

t.test('the file that the server writes is below environment and flags, and above the other', async (t) => {
  const sources = {
    file: { path: 'given.ini', text: '[uuids]\nmax_count = 1\n[log]\nlevel = error\n[chttpd]\nport = 1' },
    local: {
      path: 'local.ini',
      text: '[uuids]\nmax_count = 2\n[log]\nlevel =\n[chttpd]\nport = 2\n[x]\ny = z',
    },
    environment: { DAVENPORT_CHTTPD__PORT: '3' },
  }
  t.match(loadConfig(sources), { maxUuids: 2, logLevel: 'warning', port: 3 }, 'no value hides the one below')
  const refuses = (text: string, message: RegExp) =>
    t.throws(() => loadConfig({ local: { path: 'local.ini', text } }), { name: 'ConfigError', message })
  refuses('[couchdb]\ndatabase_dir = /x', /^local\.ini:2: \[couchdb\] database_dir cannot be said here$/)
  refuses('[uuids]\nmax_count = 0', /^local\.ini:2: .* from 1 to/)
  refuses('[admins]\n_a = b', /^local\.ini:2: /)
  const choice = { path: 'local.ini', text: '[log]\nlevel = loud\n[chttpd_auth]\nsame_site = other' }
  t.match(loadConfig({ local: choice }), { logLevel: 'warning', sameSite: undefined })
})

t.test('bad values and unknown keys stop the start', async (t) => {
  const cases: [Parameters<typeof loadConfig>[0], RegExp][] = [
    [
      { flags: { port: '65536' } },
      /^--port: \[chttpd\] port must be an integer from 0 to 65535, not "65536"/,
    ],
    [{ flags: { port: '1e3' } }, /^--port/],
    [{ flags: { port: '-1' } }, /^--port/],
    [{ flags: { port: '' } }, /^--port/],
    [{ flags: { host: 'example.com' } }, /^--host: .* IP addresses/],
    [
      { file: file('[chttpd]\nprot = 1') },
      /^local\.ini:2: \[chttpd\] prot is not a setting; did you mean \[chttpd\] port\?$/,
    ],
    [{ file: file('[nope]\nx = 1') }, /^local\.ini:2: \[nope\] x is not a setting$/],
    [{ file: file('[toString]\nx = 1') }, /is not a setting$/],
    [{ file: file('[chttpd]\nbuffer_response = true') }, /:2: .*CouchDB that davenport does not support/],
    [{ file: file('[ssl]\nsecure_renegotiate = true') }, /CouchDB that davenport does not support/],
    [{ file: file('[chttpd]\nbuffer_response =') }, /does not support/],
    [{ environment: { DAVENPORT_CHTTPD__PROT: '1' } }, /^DAVENPORT_CHTTPD__PROT: \[chttpd\] prot is not/],
    [{ environment: { DAVENPORT_ADMIN: 'nobody' } }, /^DAVENPORT_ADMIN: expected name:password$/],
    [{ environment: { DAVENPORT_ADMIN: 'a:' } }, /^DAVENPORT_ADMIN: the password of a must not be empty$/],
    [{ environment: { DAVENPORT_ADMIN: ':b' } }, /^DAVENPORT_ADMIN: expected name:password$/],
    [{ environment: { COUCHDB_USER: 'a' } }, /one needs the other/],
    [{ environment: { COUCHDB_PASSWORD: 'a' } }, /one needs the other/],
    [{ flags: { admins: ['_x:y'] } }, /^--admin: an administrator's name/],
    [{ file: file('[admins]\na:b = c') }, /^local\.ini:2: an administrator's name/],
  ]
  for (const [sources, message] of cases) {
    t.throws(() => loadConfig(sources), { name: 'ConfigError', message }, String(message))
  }
  t.throws(() => loadConfig({ environment: { DAVENPORT_CHTTPD_AUTH__SECRET: '' } }), {
    message: /^DAVENPORT_CHTTPD_AUTH__SECRET: \[chttpd_auth\] secret must be text$/,
  })
})

t.test('variables of others are left alone', async (t) => {
  const environment = { DAVENPORT_PORT: 'tcp://10.0.0.1:5984', DAVENPORT_SERVICE_HOST: '10.0.0.1' }
  t.equal(loadConfig({ environment }).port, 5984)
})

t.test('administrators of all sources, the nearest wins', async (t) => {
  const config = loadConfig({
    file: file('[admins]\nanna = from file\nbert = from file'),
    environment: {
      COUCHDB_USER: 'carl',
      COUCHDB_PASSWORD: 'p:w',
      DAVENPORT_ADMIN: 'bert:x:y',
      DAVENPORT_ADMINS__Dora: 'd',
    },
    flags: { admins: ['carl:flag', 'emil:e'] },
  })
  t.same(
    [...config.admins],
    [
      ['anna', 'from file'],
      ['bert', 'x:y'],
      ['carl', 'flag'],
      ['Dora', 'd'],
      ['emil', 'e'],
    ],
  )
})

t.test('addresses', async (t) => {
  const addressOf = (host: string) => loadConfig({ flags: { host } }).bindAddress
  t.same(addressOf('any'), ['0.0.0.0'])
  t.same(addressOf('localhost'), ['127.0.0.1'])
  t.same(addressOf('::1'), ['::1'])
  t.same(addressOf('127.0.0.1, [::1],localhost'), ['127.0.0.1', '::1'], 'each once')
  for (const host of ['', '127.0.0.1,', 'db.example', '1.2.3']) t.throws(() => addressOf(host))
})
