import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { UNASKED } from '../../src/base/metrics.ts'
import { systemRandom } from '../../src/base/random.ts'
import { withLocalFile } from '../../src/cli/serve.ts'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { startReplicator } from '../../src/replicator/start-replicator.ts'
import { Server } from '../../src/server/server.ts'
import { errorLike } from '../support/error-like.ts'
import { fakeDatabases } from '../support/fake-database.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

/** Locks that live in this process. */
const held = new Set<string>()

async function start(dataDir: string, environment: Record<string, string> = {}) {
  const { log } = recordingLog()
  const config = await withLocalFile({
    environment: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2', ...environment },
    flags: { dataDir },
  })
  return Server.start({
    settings: new SettingsRegistry(config, log),
    config,
    log,
    clock: manualClock(),
    random: systemRandom,
    ...fakeDatabases(),
    metrics: UNASKED,
    startReplicator,
    async acquireLock(path) {
      if (held.has(path)) throw new Error(`${path} is locked`)
      held.add(path)
      return { release: async () => void held.delete(path) }
    },
  })
}

t.test('starts in a new folder, locks it, stops, starts again', async (t) => {
  const dataDir = join(t.testdir(), 'new/data')
  const server = await start(dataDir)
  await t.rejects(start(dataDir), { message: /locked/ })
  await server.databases.create('db')
  const password = (await readFile(join(dataDir, 'admin-password'), 'utf8')).trim()
  const session = await server.authenticator.login('admin', password)
  await server.stop(0)

  const again = await start(dataDir)
  t.equal(again.uuid, server.uuid)
  t.match(again.uuid, /^[0-9a-f]{32}$/)
  t.same(again.databases.list(), ['_replicator', '_users', 'db'])
  t.match(
    await again.authenticator.authenticate({ cookie: session!.setCookie }),
    { user: { name: 'admin', roles: ['_admin'] }, handler: 'cookie' },
    'sessions outlive a restart',
  )
  await again.stop(0)
  const keyed = await start(dataDir, { DAVENPORT_CHTTPD_AUTH__SECRET: 'another' })
  t.match(await keyed.authenticator.authenticate({ cookie: session!.setCookie }), { user: { name: null } })
  await keyed.stop(0)
})

t.test('a configured administrator takes the place of the generated one while the server runs', async (t) => {
  const dataDir = t.testdir()
  const server = await start(dataDir)
  const { configuration, authenticator } = server
  const password = (await readFile(join(dataDir, 'admin-password'), 'utf8')).trim()
  const session = await authenticator.login('admin', password)
  const persist = { persist: true }
  await t.rejects(configuration.delete('admins', 'admin', persist), errorLike({ error: 'conflict' }))
  t.match(configuration.section('admins'), { admin: /^-pbkdf2:sha256-/ })
  await configuration.set('admins', 'anna', 'apple', persist)
  t.same(Object.keys(configuration.section('admins')), ['anna'])
  t.notOk((await readdir(dataDir)).includes('admin-password'))
  t.equal(await authenticator.login('admin', password), undefined)
  t.match(await authenticator.authenticate({ cookie: session!.setCookie }), { user: { name: null } })
  await t.rejects(
    configuration.delete('admins', 'anna', persist),
    errorLike({ error: 'conflict' }),
    'the last one',
  )
  await configuration.set('admins', 'bob', 'pear', persist)
  await configuration.delete('admins', 'anna', persist)
  await t.rejects(
    configuration.delete('admins', 'bob', persist),
    errorLike({ error: 'conflict' }),
    'the last one',
  )
  await writeFile(join(dataDir, 'local.ini'), '')
  await t.rejects(configuration.reload(), errorLike({ error: 'conflict' }), 'nor by the file')
  t.ok(await authenticator.login('bob', 'pear'))
  await server.stop(0)
})

t.test('a generated password does not listen beyond loopback', async (t) => {
  const dataDir = join(t.testdir(), 'data')
  for (const address of ['0.0.0.0', '::', '192.0.2.1', '::ffff:127.0.0.1']) {
    await t.rejects(start(dataDir, { DAVENPORT_CHTTPD__BIND_ADDRESS: address }), {
      name: 'ConfigError',
      message: /no administrator is configured/,
    })
  }
  await t.rejects(readdir(dataDir), { code: 'ENOENT' }, 'nothing was made')
  for (const address of ['127.0.0.1', '127.1.2.3', '::1']) {
    await (await start(dataDir, { DAVENPORT_CHTTPD__BIND_ADDRESS: address })).stop(0)
  }
  const environment = { DAVENPORT_CHTTPD__BIND_ADDRESS: '0.0.0.0', DAVENPORT_ADMIN: 'a:b' }
  await (await start(dataDir, environment)).stop(0)
})

t.test('a start that fails gives the lock back', async (t) => {
  const dataDir = t.testdir({ 'private.json': 'x' })
  await t.rejects(start(dataDir), { name: 'ConfigError' })
  t.equal(held.size, 0)
})

t.test('default_security', async (t) => {
  const server = await start(t.testdir(), { DAVENPORT_COUCHDB__DEFAULT_SECURITY: 'everyone' })
  await server.databases.create('db')
  t.equal(await server.databases.withDatabase('db', (database) => database.security()?.toString()), '{}')
  await server.stop(0)
})
