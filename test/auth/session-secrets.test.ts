import t from 'tap'
import { SessionSecrets } from '../../src/auth/session-secrets.ts'
import { loadConfig } from '../../src/config/load.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { recordingLog } from '../support/recording-log.ts'

const MINUTE_MS = 60_000

function setUp(environment: Record<string, string> = {}) {
  const settings = new SettingsRegistry(loadConfig({ environment }), recordingLog().log)
  const state = { nowMs: 0 }
  const secrets = new SessionSecrets(settings, () => state.nowMs, { generated: 'made' })
  return { settings, state, secrets }
}

t.test('the generated one until one is configured', async (t) => {
  const { secrets, settings } = setUp()
  t.same(secrets.all(), ['made'])
  settings.set('secret', 'mine')
  t.equal(secrets.current, 'mine')
  t.equal(setUp({ DAVENPORT_CHTTPD_AUTH__SECRET: 'theirs' }).secrets.current, 'theirs')
})

t.test('one that was changed is taken as long as its sessions could last', async (t) => {
  const { secrets, settings, state } = setUp({ DAVENPORT_CHTTPD_AUTH__TIMEOUT: '600' })
  settings.set('secret', 'first')
  state.nowMs = 4 * MINUTE_MS
  settings.set('secret', 'second')
  settings.set('secret', 'second')
  t.same(secrets.all(), ['second', 'first', 'made'])
  state.nowMs = 10 * MINUTE_MS
  t.same(secrets.all(), ['second', 'first'])
  state.nowMs = 14 * MINUTE_MS
  t.same(secrets.all(), ['second'])
})

t.test('few are remembered', async (t) => {
  const { secrets, settings } = setUp()
  for (let n = 0; n < 50; n++) settings.set('secret', `s${n}`)
  const all = secrets.all()
  t.equal(all[0], 's49')
  t.ok(all.length < 12, `${all.length}`)
})

t.test('another thread has the same', async (t) => {
  const { secrets, settings, state } = setUp()
  settings.set('secret', 'mine')
  const shared = structuredClone(secrets.share())
  const there = new SessionSecrets(settings, () => state.nowMs, shared)
  t.same(there.all(), secrets.all())
})
