/**
 * A deletion listed the whole folder of databases to find what lies beside one of them, twice: the registry, and the lock
 * when it was the last in the folder. What a deletion does must not grow with the number of databases.
 */
import { access, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { DatabaseRegistry } from '../../src/server/registry.ts'
import { recordingLog } from '../support/recording-log.ts'

type Calls = Record<string, (...args: unknown[]) => Promise<unknown>>
const promises = createRequire(import.meta.url)('node:fs/promises') as Calls

const open = (dataDir: string) =>
  DatabaseRegistry.open({
    dataDir,
    maxOpen: 5,
    bus: new EventBus(recordingLog().log),
    clock: systemClock,
    log: recordingLog().log,
    openDatabase: (path, name) => openDatabase(path, name),
    createDatabase: (path, name, properties) => createDatabase(path, name, { properties }),
  })

t.test('a deletion lists no folder, and leaves nothing', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(dataDir, { recursive: true }))
  const registry = await open(dataDir)
  const folder = join(dataDir, 'databases')
  await registry.create('a')
  await registry.withDatabase('a', (database) => t.ok(database.uuid))
  await writeFile(join(folder, 'a.davenport.compact'), 'begun')
  await writeFile(join(folder, 'a.davenport.compact.creating'), 'begun')
  const real = promises['readdir']!
  const listed: unknown[] = []
  promises['readdir'] = (...args) => {
    listed.push(args[0])
    return real(...args)
  }
  syncBuiltinESMExports()
  try {
    await registry.delete('a')
  } finally {
    promises['readdir'] = real
    syncBuiltinESMExports()
  }
  t.same(listed, [])
  t.same(await readdir(folder), [])
  await registry.stop(0)
})

t.test('what a killed process has left beside a database that is gone goes at the start', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(dataDir, { recursive: true }))
  const first = await open(dataDir)
  await first.create('kept')
  await first.stop(0)
  const folder = join(dataDir, 'databases')
  const hex = 'a'.repeat(32)
  for (const suffix of [
    '.lock',
    `.lock.temp-${hex}`,
    `.lock.after-${hex}`,
    '.compact',
    '.compact.creating',
  ]) {
    await writeFile(join(folder, `gone.davenport${suffix}`), '')
    await writeFile(join(folder, `kept.davenport${suffix}`), '')
  }
  await writeFile(join(folder, 'gone.davenport.notes'), '')
  await (await open(dataDir)).stop(0)
  const left = await readdir(folder)
  t.same(
    left.filter((name) => name.startsWith('gone')),
    ['gone.davenport.notes'],
  )
  t.equal(left.filter((name) => name.startsWith('kept')).length, 6)
  await access(join(folder, 'kept.davenport'))
})
