import { access, mkdir, readdir, readFile, rmdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { EventBus } from '../../src/server/event-bus.ts'
import { DatabaseRegistry, type RegistryOptions } from '../../src/server/registry.ts'
import { errorLike } from '../support/error-like.ts'
import { fakeDatabases } from '../support/fake-database.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

async function open(dataDir: string, options: Partial<RegistryOptions> = {}) {
  const fakes = fakeDatabases()
  const clock = manualClock()
  const { log, lines } = recordingLog()
  const registry = await DatabaseRegistry.open({
    dataDir,
    maxOpen: 5,
    bus: new EventBus(log),
    clock,
    log,
    openDatabase: fakes.openDatabase,
    createDatabase: fakes.createDatabase,
    ...options,
  })
  const uuid = (name: string): Promise<string> => registry.withDatabase(name, (database) => database.uuid)
  return { registry, fakes, clock, lines, uuid }
}

const EXISTS = errorLike({ status: 412, error: 'file_exists' })
const MISSING = errorLike({ status: 404, error: 'not_found', reason: 'Database does not exist.' })

t.test('the life of a database, across restarts', async (t) => {
  const dataDir = t.testdir()
  const { registry, uuid, fakes } = await open(dataDir)
  await t.rejects(registry.lease('db'), MISSING)
  await t.rejects(registry.delete('db'), MISSING)
  await registry.create('db')
  t.same(fakes.open, [], 'a new database is not held open')
  await t.rejects(registry.create('db'), EXISTS)
  await t.rejects(registry.create('Capital'), errorLike({ status: 400, error: 'illegal_database_name' }))
  await t.rejects(registry.lease('Capital'), MISSING)
  const first = await uuid('db')
  await registry.stop(0)
  await t.rejects(registry.create('x'), errorLike({ status: 503 }))

  const again = await open(dataDir)
  t.same(again.registry.list(), ['db'])
  t.equal(await again.uuid('db'), first)
  await writeFile(join(dataDir, 'databases/db.davenport.lock'), '')
  await again.registry.delete('db')
  t.same(await readdir(join(dataDir, 'databases')), [], 'its companions go with it')
  t.same(again.registry.list(), [])
  await t.rejects(again.registry.lease('db'), MISSING)
  await again.registry.create('db')
  t.not(await again.uuid('db'), first)
  t.same((await open(dataDir)).registry.list(), ['db'])
})

t.test('names with slashes, and q', async (t) => {
  const dataDir = t.testdir()
  const { registry } = await open(dataDir)
  const names = ['_users', 'a', 'a/', 'a/b', 'a//b', 'a/b/c', 'a+b', 'a'.repeat(238)]
  for (const [index, name] of names.entries()) await registry.create(name, { shards: index || undefined })
  t.same(registry.list(), [...names].sort())
  t.equal(registry.shardsOf('_users'), undefined)
  await registry.delete('a/b')
  const again = (await open(dataDir)).registry
  t.same(again.list(), names.filter((name) => name !== 'a/b').sort())
  t.equal(again.shardsOf('a//b'), 4)
  t.equal(again.size, 7)
  await again.delete('a//b')
  t.equal(again.shardsOf('a//b'), undefined)
  await t.rejects(again.create('q', { shards: 0 }), errorLike({ status: 400 }))
})

t.test('at start leftovers go and foreign files stay', async (t) => {
  const dataDir = t.testdir()
  const { registry } = await open(dataDir)
  await registry.create('a/b')
  await registry.create('a/c')
  await registry.delete('a/b')
  await registry.create('x/y')
  await registry.delete('x/y')
  await writeFile(join(dataDir, 'drafts/7.davenport'), 'half')
  await writeFile(join(dataDir, 'databases/notes.txt'), '')
  await writeFile(join(dataDir, 'databases/Bad.davenport'), '')
  await writeFile(join(dataDir, 'databases/a/c.q3.davenport'), '')
  await writeFile(join(dataDir, 'databases/a/c.davenport.compact'), 'begun')
  await writeFile(join(dataDir, 'databases/gone.davenport.compact'), 'begun')
  await writeFile(join(dataDir, 'databases/gone.davenport.compact.creating'), 'begun')
  const { registry: again, lines } = await open(dataDir)
  t.same(again.list(), ['a/c'])
  t.same(await readdir(join(dataDir, 'drafts')), [])
  t.same((await readdir(join(dataDir, 'databases'))).sort(), ['Bad.davenport', 'a', 'notes.txt'])
  t.match(lines.join(''), /Bad\.davenport/)
  t.same(
    (await readdir(join(dataDir, 'databases/a'))).sort(),
    ['c.davenport', 'c.davenport.compact', 'c.q3.davenport'],
    'a compaction of a database that is there can be gone on with',
  )
  t.match(lines.join(''), /second file/)
})

t.test('a creation that fails or is cut off leaves nothing', async (t) => {
  const dataDir = t.testdir()
  const { registry, fakes } = await open(dataDir)
  fakes.before = () => Promise.reject(new Error('disk full'))
  await t.rejects(registry.create('db'), { message: 'disk full' })
  t.same(registry.list(), [])
  t.same(await readdir(join(dataDir, 'drafts')), [])
  fakes.before = () => new Promise(() => undefined)
  registry.create('db').catch(() => undefined)
  while ((await readdir(join(dataDir, 'drafts'))).length === 0) await new Promise(setImmediate)
  const again = await open(dataDir)
  t.same(again.registry.list(), [])
  await again.registry.create('db')
  await again.uuid('db')
})

t.test('a path that the file system refuses is a name that is too long', async (t) => {
  const dataDir = t.testdir()
  const { registry } = await open(dataDir)
  const name = `${'a/'.repeat(2000)}${'b'.repeat(230)}`
  await t.rejects(registry.create(name), errorLike({ status: 400, error: 'database_name_too_long' }))
  t.same(await readdir(join(dataDir, 'databases')), [], 'and makes no folders')
})

t.test('of many creations at once one wins', async (t) => {
  const { registry, uuid } = await open(t.testdir())
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => registry.create('db')))
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  const deleted = await Promise.allSettled(Array.from({ length: 10 }, () => registry.delete('db')))
  t.equal(deleted.filter(({ status }) => status === 'fulfilled').length, 1)
  const before = registry.generation
  await Promise.allSettled([registry.create('db'), registry.delete('db'), registry.create('db')])
  t.ok(registry.generation > before)
  await uuid('db')
})

t.test('deleting a database that is in use', async (t) => {
  const { registry, clock, fakes } = await open(t.testdir(), { deleteGraceMs: 1000 })
  await registry.create('db')
  const lease = await registry.lease('db')
  const deleted = registry.delete('db')
  await t.rejects(registry.lease('db'), MISSING, 'nobody gets it any more')
  t.same(registry.list(), [])
  t.equal(lease.database.updateSeqNumber, 0, 'those who have it may finish')
  const created = registry.create('db')
  await new Promise(setImmediate)
  t.ok(lease.signal.aborted)
  while (clock.pending === 0) await new Promise(setImmediate)
  clock.advance(1000)
  await deleted
  t.throws(() => lease.database.updateSeqNumber, { message: 'db is closed' })
  await created
  t.same(fakes.open, [])
  lease.release()
  t.same(registry.list(), ['db'])
})

t.test('a deletion that fails leaves the database', async (t) => {
  const dataDir = t.testdir()
  const { registry, uuid } = await open(dataDir)
  await registry.create('db')
  const path = join(dataDir, 'databases/db.davenport')
  const text = await readFile(path)
  await registry.withDatabase('db', async () => {
    await unlink(path)
    await mkdir(path)
  })
  await t.rejects(registry.delete('db'))
  t.same(registry.list(), ['db'])
  await rmdir(path)
  await writeFile(path, text)
  await uuid('db')
  await registry.delete('db')
  await t.rejects(access(path))
})

t.test('a file whose name is unknown is not overwritten', async (t) => {
  const dataDir = t.testdir()
  const { registry } = await open(dataDir)
  const path = join(dataDir, 'databases/db.davenport')
  await writeFile(path, 'precious')
  await t.rejects(registry.create('db'), EXISTS)
  t.equal(await readFile(path, 'utf8'), 'precious')
})

t.test('new databases may be public from the start', async (t) => {
  const { registry } = await open(t.testdir(), { initialSecurity: () => Buffer.from('{}') })
  await registry.create('db')
  t.equal(await registry.withDatabase('db', (database) => database.security()?.toString()), '{}')
})

t.test('withDatabase holds the lease until the work is done, whatever it throws', async (t) => {
  const { registry, fakes } = await open(t.testdir(), { maxOpen: 1 })
  await registry.create('a')
  await registry.create('b')
  await registry.withDatabase('a', async (database) => {
    await new Promise(setImmediate)
    t.equal(database.updateSeqNumber, 0)
  })
  await t.rejects(
    registry.withDatabase('a', () => {
      throw new Error('mine')
    }),
    { message: 'mine' },
  )
  await registry.withDatabase('b', () => undefined)
  t.same(fakes.open, ['b'])
  t.equal(registry.openCount, 1)
})

t.test('hundreds of databases under a small cap', async (t) => {
  const dataDir = t.testdir()
  const { registry, fakes } = await open(dataDir, { maxOpen: 8 })
  const names = Array.from({ length: 300 }, (_, i) => `d${i}/${i % 7}`)
  await Promise.all(names.map((name) => registry.create(name)))
  await Promise.all(names.map((name) => registry.withDatabase(name, (database) => t.ok(database.uuid))))
  t.ok(fakes.opened.length === 300)
  t.ok(registry.openCount <= 8)
  t.same((await open(dataDir)).registry.list(), [...names].sort())
})
