/** What a compaction had begun, and could not be read or removed, kept the database itself from being opened. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { edit, fileDatabase, put } from '../support/database-fixture.ts'

t.test('a database opens whatever lies beside it', async (t) => {
  const folder = t.testdir()
  const fixture = await fileDatabase(folder)
  await put(fixture.database, edit('d', { a: 1 }))
  const begun = join(folder, 'a.nfb.compact')
  await mkdir(begun)
  const database = await fixture.reopen()
  t.equal(database.lookup('d')?.id, 'd')
  await t.rejects(compact(database.beginCompaction(), { clock: systemClock }))
  await database.endCompaction()
  await rmdir(begun)
  await compact(database.beginCompaction(), { clock: systemClock })
  await database.endCompaction()
  await put(database, edit('e', { a: 1 }))
  await database.close()
})
