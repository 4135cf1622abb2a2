/** Maps of databases that are open, made by a thread that reads their files beside the writer. */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import type { DatabaseMap, MapFamily } from '../../src/database/layout/file-map.ts'
import { FileMaps } from '../../src/workers/file-maps.ts'
import { edit, fileDatabase, put } from '../support/database-fixture.ts'
import { errorLike } from '../support/error-like.ts'

const BODY_BYTES = 3000

const fileOf = (database: StoredDatabase) => ({
  uuid: database.uuid,
  path: database.path,
  fileBytes: database.info().sizes.file,
})

function bytesOf({ kinds, totals }: DatabaseMap, family: MapFamily): number {
  return totals.reduce((sum, bytes, i) => sum + (kinds[i]!.family === family ? bytes : 0), 0)
}

async function attach(database: StoredDatabase, id: string, bytes: Buffer): Promise<string> {
  const content = await database.takeAttachment([bytes], { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  const attachments = [{ kind: 'content' as const, name: 'x', type: 'a/b', content, revpos: 0 }]
  const [result] = await database.update([{ ...edit(id, {}), attachments }])
  return result!.rev!
}

t.test('an open database is mapped beside its writer', async (t) => {
  const { database: opened } = await fileDatabase(t.testdir())
  const database = opened as StoredDatabase
  const maps = new FileMaps(50)
  const text = 'x'.repeat(BODY_BYTES)
  const rows = Array.from({ length: 100 }, (_, i) => edit(`doc ${i}`, { i, text }))
  const results = await database.update(rows)
  const first = await maps.map(fileOf(database))
  t.ok(bytesOf(first, 'bodies') > 100 * BODY_BYTES && bytesOf(first, 'bodies') < 101 * (BODY_BYTES + 100))
  t.equal(bytesOf(first, 'garbage'), 0)
  t.equal(first.damaged, 0)
  t.equal(
    first.totals.reduce((sum, bytes) => sum + bytes, 0),
    first.fileBytes,
  )
  t.equal(first.buckets.length, 50)
  t.same(JSON.parse(JSON.stringify(first)), first, 'it is JSON')

  await put(database, edit('small', {}))
  t.equal(await maps.map(fileOf(database)), first, 'it is good while the file is about as long')

  const rev = await attach(database, 'with', Buffer.alloc(100_000, 1))
  await database.update(
    results.slice(0, 50).map(({ rev }, i) => edit(`doc ${i}`, { i, text }, { rev: rev! })),
  )
  const [second, other] = await Promise.all([maps.map(fileOf(database)), maps.map(fileOf(database))])
  t.equal(second, other, 'who asks meanwhile waits for the same one')
  t.ok(bytesOf(second, 'attachments') > 100_000 && bytesOf(second, 'attachments') < 101_000)
  t.ok(bytesOf(second, 'earlier') > 50 * BODY_BYTES, 'bodies that were replaced')
  t.match(
    second.kinds.map(({ title }) => title),
    ['document bodies', 'attachments'],
  )

  await database.update([edit('with', {}, { rev, deleted: true })])
  await compact(database.beginCompaction(), { clock: systemClock })
  await database.endCompaction()
  const third = await maps.map(fileOf(database))
  t.equal(bytesOf(third, 'attachments') + bytesOf(third, 'earlier'), 0, 'another file has another map')
  await database.close()
  await maps.close()
})

t.test('maps that cannot be made, and that nobody waits for', async (t) => {
  const { database: opened } = await fileDatabase(t.testdir())
  const database = opened as StoredDatabase
  const maps = new FileMaps()
  const there = fileOf(database)
  await t.rejects(
    maps.map({ ...there, path: join(t.testdirName, 'none') }),
    errorLike({ error: 'not_found' }),
  )

  const leaving = new AbortController()
  const left = maps.map(there, leaving.signal)
  leaving.abort(new Error('gone'))
  await t.rejects(left, { message: 'gone' })
  t.ok((await maps.map(there)).fileBytes > 0, 'the next one is made')

  const many = Array.from({ length: 17 }, (_, i) =>
    maps.map({ ...there, uuid: `${i}` }).catch((error: { kind: string }) => error.kind),
  )
  t.equal(await many.at(-1), 'mapsBusy')
  await maps.close()
  t.ok(
    (await Promise.all(many.slice(0, 16))).every((map) => map !== 'mapsBusy'),
    'those that ran are ended',
  )
  await database.close()
})
