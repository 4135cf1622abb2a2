/**
 * A store whose file had been deleted, renamed or replaced underneath went on acknowledging writes to a file that nobody
 * could find; a compaction would have given its file the name of whatever had been put there.
 */
import { link, mkdtemp, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { openStore, type Store } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { createDatabase } from '../../src/database/open.ts'
import { edit, put, settled } from '../support/database-fixture.ts'

const KEY = Buffer.from('key')
const trees = { plain: {} }
const write = (store: Store, value: string) =>
  store.transact((tx) => tx.put('plain', KEY, Buffer.from(value)))

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

const LOST: Record<string, (path: string) => Promise<void>> = {
  deleted: (path) => unlink(path),
  renamed: (path) => rename(path, `${path}.moved`),
  replaced: async (path) => {
    await writeFile(`${path}.other`, 'another')
    await rename(`${path}.other`, path)
  },
  'deleted, with another name left': async (path) => {
    await link(path, `${path}.second`)
    await unlink(path)
  },
}

for (const [what, lose] of Object.entries(LOST)) {
  t.test(`a file that was ${what}`, async (t) => {
    const path = join(await folderOf(t), 'a.nfb')
    const store = await openStore(path, { trees })
    await write(store, 'first')
    await lose(path)
    const gone = { code: 'POISONED', message: /removed or replaced/ }
    await t.rejects(write(store, 'second'), gone)
    await t.rejects(write(store, 'third'), gone)
    t.equal(store.get('plain', KEY)?.toString(), 'first')
    await store.close()
  })
}

t.test('a compaction does not take the name of what was put there', async (t) => {
  const path = join(await folderOf(t), 'a.davenport')
  const database = await createDatabase(path, 'a')
  await put(database, edit('a'))
  const source = database.beginCompaction()
  const swap = source.swap.bind(source)
  source.swap = async (from) => {
    await LOST['replaced']!(path)
    await swap(from)
  }
  await t.rejects(compact(source, { clock: systemClock }), {
    code: 'POISONED',
    message: /removed or replaced/,
  })
  await database.endCompaction()
  t.equal(await readFile(path, 'utf8'), 'another')
  await database.close()
})

t.test('a path is taken from where the process was when the store was opened', async (t) => {
  const folder = await folderOf(t)
  const before = process.cwd()
  const store = await openStore(relative(before, join(folder, 'a.nfb')), { trees })
  process.chdir(folder)
  try {
    await write(store, 'first')
  } finally {
    process.chdir(before)
  }
  await store.close()
})

t.test('a database says so with 503', async (t) => {
  const path = join(await folderOf(t), 'a.davenport')
  const database = await createDatabase(path, 'a')
  await put(database, edit('a'))
  await unlink(path)
  const error = await settled(database.update([edit('b')]))
  t.match(error, { status: 503, error: 'storage_unavailable', reason: /removed or replaced/ })
  await database.close()
})
