/** `GET /{db}` asked for all statistics of the store to get the length of its file: a walk down each of seven trees. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  nodeFileSystem,
  openStore,
  PageCache,
  type StorageFile,
  type Store,
} from '../../native-free-btree/index.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { edit, put } from '../support/database-fixture.ts'

t.test('the sizes of a database that has just been opened are known without reading a page', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'a.davenport')
  let store: Store | undefined
  const made = await createDatabase(path, 'a', {
    openStore: async (...args) => {
      store = await openStore(...args)
      return store
    },
  })
  for (let n = 0; n < 300; n++) await put(made, edit(`document-${n}`))
  // Nothing is left to be replayed: the trees are in the file alone.
  await store!.checkpoint()
  await made.close()
  let reads = 0
  const counted = (file: StorageFile): StorageFile =>
    new Proxy(file, {
      get(target, name) {
        if (name === 'readSync') reads += 1
        const found = target[name as keyof StorageFile]
        return typeof found === 'function' ? (found as () => unknown).bind(target) : found
      },
    })
  const fileSystem = {
    ...nodeFileSystem,
    open: async (...args: Parameters<typeof nodeFileSystem.open>) =>
      counted(await nodeFileSystem.open(...args)),
  }
  const database = await openDatabase(path, 'a', { store: { fileSystem, cache: new PageCache(1024 * 1024) } })
  reads = 0
  const { docCount, sizes } = database.info()
  t.equal(docCount, 300)
  t.ok(sizes.file > 8192)
  t.equal(reads, 0)
  await database.close()
})
