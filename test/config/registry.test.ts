import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { SETTINGS, type SettingName } from '../../src/config/settings.ts'
import { recordingLog } from '../support/recording-log.ts'

function registry(environment: Record<string, string> = {}) {
  const { log, lines } = recordingLog()
  return { settings: new SettingsRegistry(loadConfig({ environment }), log), lines }
}

t.test('every setting has a value from the start', async (t) => {
  const { settings } = registry({ DAVENPORT_UUIDS__MAX_COUNT: '7' })
  for (const [name, { default: value }] of Object.entries(SETTINGS)) {
    t.same(settings.get(name as SettingName), name === 'maxUuids' ? 7 : value, name)
  }
})

t.test('a change is told to those who subscribed, before set returns', async (t) => {
  const { settings } = registry()
  const heard: unknown[] = []
  const end = settings.subscribe('maxUuids', (count) => heard.push(count))
  settings.subscribe('maxUuids', (count) => heard.push(-count))
  settings.subscribe('maxBulkGet', () => heard.push('another'))
  settings.set('maxUuids', '5')
  t.same(heard, [5, -5])
  t.equal(settings.get('maxUuids'), 5)
  end()
  end()
  settings.set('maxUuids', '6')
  t.same(heard, [5, -5, -6])
})

t.test('what is not allowed is refused and changes nothing', async (t) => {
  const { settings } = registry()
  settings.subscribe('maxUuids', () => t.fail('told'))
  for (const [name, input, message] of [
    ['maxUuids', '0', '[uuids] max_count must be an integer from 1 to 1000000, not "0"'],
    ['maxUuids', 'many', '[uuids] max_count must be an integer from 1 to 1000000, not "many"'],
    ['logLevel', 'loud', '[log] level must be one of debug, info, notice, warning, error, none, not "loud"'],
    ['persistentCookies', 'yes', '[chttpd_auth] allow_persistent_cookies must be true or false, not "yes"'],
    ['compactionWindow', '24:00-06:00', '[compaction] window must be HH:MM-HH:MM, not "24:00-06:00"'],
    ['secret', '', '[chttpd_auth] secret must be text'],
  ] as const) {
    const before = settings.get(name)
    t.throws(() => settings.set(name, input), { name: 'ConfigError', message })
    t.equal(settings.get(name), before)
  }
})

t.test('a listener that throws is logged and hurts nobody', async (t) => {
  const { settings, lines } = registry()
  const heard: number[] = []
  settings.subscribe('maxUuids', () => {
    throw new Error('not mine')
  })
  settings.subscribe('maxUuids', (count) => heard.push(count))
  settings.set('maxUuids', '5')
  t.same(heard, [5])
  t.match(lines.join(''), /"setting":"maxUuids","reason":"not mine"/)
})

t.test('a view follows what is live, and only that', async (t) => {
  const { settings } = registry()
  const view = settings.view({ most: 'maxUuids', port: 'port' })
  settings.set('maxUuids', '5')
  settings.set('port', '5')
  t.same(view, { most: 5, port: 5984 })
  t.equal(settings.get('port'), 5)
})
