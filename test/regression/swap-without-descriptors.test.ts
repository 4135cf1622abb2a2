/**
 * A compaction renamed its file and then had no descriptor for the folder's sync: the store was poisoned, though no sync
 * had failed. Now the store goes on with the new file, and no write is acknowledged before the sync is made up for.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type FileSystem, nodeFileSystem } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { createDatabase } from '../../src/database/open.ts'
import { edit, put, settled } from '../support/database-fixture.ts'

const noDescriptors = () => Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })

/** A database of one document whose file system fails where `fails` says so. */
async function databaseOn(t: Test, fails: (call: keyof FileSystem) => boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.davenport')
  const calls: string[] = []
  const meet = (call: keyof FileSystem) => {
    calls.push(call)
    if (fails(call)) throw noDescriptors()
  }
  const fileSystem: FileSystem = {
    ...nodeFileSystem,
    async open(name, mode) {
      meet('open')
      return nodeFileSystem.open(name, mode)
    },
    async syncDirectory(name) {
      meet('syncDirectory')
      await nodeFileSystem.syncDirectory(name)
    },
  }
  const database = await createDatabase(path, 'a', { store: { fileSystem } })
  await put(database, edit('a'))
  return { database, calls }
}

t.test('after the rename', async (t) => {
  let failing = false
  const { database, calls } = await databaseOn(t, (call) => failing && call === 'syncDirectory')
  const source = database.beginCompaction()
  const swap = source.swap.bind(source)
  source.swap = async (from) => {
    failing = true
    await swap(from)
  }
  await compact(source, { clock: systemClock })
  await database.endCompaction()
  t.match(await settled(database.update([edit('b')])), { status: 503, error: 'storage_unavailable' })
  failing = false
  calls.length = 0
  await put(database, edit('b'))
  t.same(calls, ['syncDirectory'])
  await put(database, edit('c'))
  t.same(calls, ['syncDirectory'], 'once')
  t.equal(database.info().docCount, 3)
  await database.close()
})

t.test('before it, the store goes on as it was', async (t) => {
  let failing = false
  const { database } = await databaseOn(t, (call) => failing && call === 'open')
  const source = database.beginCompaction()
  const swap = source.swap.bind(source)
  source.swap = async (from) => {
    failing = true
    await swap(from)
  }
  await t.rejects(compact(source, { clock: systemClock }), {
    code: 'WRITE_FAILED',
    cause: { details: { systemCode: 'EMFILE' } },
  })
  await database.endCompaction()
  await put(database, edit('b'))
  t.equal(database.info().docCount, 2)
  failing = false
  await compact(database.beginCompaction(), { clock: systemClock })
  await database.endCompaction()
  t.equal(database.info().docCount, 2)
  await database.close()
})
