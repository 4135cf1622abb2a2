/**
 * A snapshot that was exported while a compaction gave the store another file named the new file with the old one's
 * checkpoint: whoever opened it was told that a sound file was damaged. A checkpoint that was asked for was not made.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openSnapshot, openStore, type SnapshotHandle, type Store } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { TREES } from '../../src/database/layout/layout.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { createDatabase } from '../../src/database/open.ts'
import { edit, put } from '../support/database-fixture.ts'

t.test('what is asked for before a swap is answered for the file after it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-'))
  t.teardown(() => rm(folder, { recursive: true }))
  let store: Store | undefined
  const database = await createDatabase(join(folder, 'a.davenport'), 'a', {
    openStore: async (...args) => {
      store = await openStore(...args)
      return store
    },
  })
  await put(database, edit('a'))
  const source = database.beginCompaction()
  const { salt } = source
  const swap = source.swap.bind(source)
  const turn = source.turn.bind(source)
  source.turn = async () => {
    await put(database, edit('b'))
    return turn()
  }
  let exported: Promise<SnapshotHandle> | undefined
  let checkpointed: Promise<void> | undefined
  source.swap = async (path) => {
    exported = store!.exportSnapshot()
    checkpointed = store!.checkpoint()
    await swap(path)
  }
  await compact(source, { clock: systemClock })
  await database.endCompaction()
  const handle = await exported!
  await checkpointed
  t.not(handle.salt, salt)
  t.equal(handle.salt, store!.salt)
  const snapshot = await openSnapshot(handle, { trees: TREE_OPTIONS })
  t.equal(snapshot.tree(TREES.id).count(), 2)
  await snapshot.close()
  await database.close()
})
