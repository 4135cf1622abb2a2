import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { Administrators } from '../../src/auth/administrators.ts'
import { createPasswordHasher } from '../../src/auth/password-hash.ts'
import { PrivateStore } from '../../src/auth/private-store.ts'
import { systemRandom } from '../../src/base/random.ts'
import { recordingLog } from '../support/recording-log.ts'

const hasher = createPasswordHasher()

async function start(dataDir: string, configured: Record<string, string> = {}, iterations = 3) {
  const store = await PrivateStore.open(dataDir, systemRandom)
  const administrators = await Administrators.open({
    dataDir,
    store,
    configured: new Map(Object.entries(configured)),
    hasher,
    iterations: () => iterations,
    log: recordingLog().log,
    random: systemRandom,
  })
  const accepts = async (name: string, password: string): Promise<boolean> => {
    const credential = administrators.find(name)
    return credential !== undefined && (await hasher.verify(password, credential.hash))
  }
  return { administrators, store, accepts }
}

const passwordIn = async (dataDir: string) =>
  (await readFile(join(dataDir, 'admin-password'), 'utf8')).trimEnd()

t.test('with none configured the first start makes one, and the next ones keep it', async (t) => {
  const dataDir = t.testdir()
  const first = await start(dataDir)
  t.match(first.store.state.admins, [{ source: 'generated' }])
  const password = await passwordIn(dataDir)
  t.same(first.administrators.generated, { name: 'admin', password })
  t.match(password, /^[A-Za-z0-9_-]{24}$/)
  t.equal((await stat(join(dataDir, 'admin-password'))).mode & 0o777, 0o600)
  t.equal((await stat(join(dataDir, 'private.json'))).mode & 0o777, 0o600)
  t.notMatch(await readFile(join(dataDir, 'private.json'), 'utf8'), password)
  t.ok(await first.accepts('admin', password))
  t.same(first.administrators.find('admin')?.roles, ['_admin'])

  const second = await start(dataDir)
  t.equal(second.administrators.generated, undefined)
  t.match(second.store.state.admins, [{ source: 'generated' }])
  t.ok(await second.accepts('admin', password))
  t.equal(second.store.state.uuid, first.store.state.uuid)
  t.equal(second.store.state.secret, first.store.state.secret)
})

t.test('a configured administrator ends the generated one', async (t) => {
  const dataDir = t.testdir()
  await start(dataDir)
  const password = await passwordIn(dataDir)
  const { store, accepts } = await start(dataDir, { anna: 'apple' })
  t.notOk(store.state.admins.some(({ source }) => source === 'generated'))
  t.ok(await accepts('anna', 'apple'))
  t.notOk(await accepts('admin', password))
  t.same(await readdir(dataDir), ['private.json'])
  t.notMatch(await readFile(join(dataDir, 'private.json'), 'utf8'), 'apple')

  const same = await start(dataDir, { admin: 'new' })
  t.notOk(await same.accepts('admin', password), 'also under the same name')
  t.notOk(await same.accepts('anna', 'apple'), 'who is not configured any more is gone')
  const none = await start(dataDir)
  t.notOk(await none.accepts('admin', 'new'))
  t.ok(await none.accepts('admin', await passwordIn(dataDir)))
})

t.test('an unchanged password keeps its hash, a changed one or more iterations make a new one', async (t) => {
  const dataDir = t.testdir()
  const hashOf = async (password: string, iterations = 3) =>
    (await start(dataDir, { anna: password }, iterations)).administrators.find('anna')!.hash
  const first = await hashOf('apple')
  t.same(await hashOf('apple'), first)
  t.not((await hashOf('apple', 4)).salt, first.salt)
  t.not((await hashOf('pear')).salt, first.salt)
})

t.test("CouchDB's hashes are taken as they are", async (t) => {
  const dataDir = t.testdir()
  const hash = '-pbkdf2:sha256-55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc,salt,1'
  const { accepts, administrators } = await start(dataDir, { anna: hash })
  t.ok(await accepts('anna', 'passwd'))
  t.equal(administrators.find('anna')?.hash.salt, 'salt')
  await t.rejects(start(dataDir, { anna: '-hashed-abc,def' }), { name: 'ConfigError', message: /anna/ })
})

t.test('a crash between the password file and the account', async (t) => {
  const dataDir = t.testdir({ 'admin-password': 'of nobody\n', 'admin-password.new': 'hal' })
  const { accepts } = await start(dataDir)
  t.not(await passwordIn(dataDir), 'of nobody')
  t.ok(await accepts('admin', await passwordIn(dataDir)))
})

t.test('a damaged store stops the start', async (t) => {
  const dataDir = t.testdir()
  await start(dataDir)
  const path = join(dataDir, 'private.json')
  const good = await readFile(path, 'utf8')
  for (const bad of [
    '',
    '{',
    'null',
    '{}',
    good.replace('"version":1', '"version":2'),
    good.replace(/"salt":"[^"]*",/, ''),
  ]) {
    t.not(bad, good)
    await writeFile(path, bad)
    await t.rejects(start(dataDir), { name: 'ConfigError', message: /private\.json is damaged/ })
  }
  await writeFile(path, good)
  await start(dataDir)
})
