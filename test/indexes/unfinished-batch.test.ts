/** An index whose first batch was written in part when its thread ended: what is there of it is not taken for nothing. */
import { join } from 'node:path'
import t from 'tap'
import { PageCache } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { FollowedDatabase } from '../../src/database/shared/followed-database.ts'
import type { FieldsDefinition } from '../../src/indexes/api.ts'
import { readBatch, TextRoom } from '../../src/indexes/batch.ts'
import { DocumentTexts } from '../../src/indexes/document-texts.ts'
import { FieldRows } from '../../src/indexes/field-rows.ts'
import { IndexFile } from '../../src/indexes/index-file.ts'
import { rowsTree } from '../../src/indexes/index-trees.ts'
import { idOf } from '../../src/indexes/keys/row-key.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { frontOf } from '../support/index-fixture.ts'
import { recordingLog } from '../support/recording-log.ts'

const definition: FieldsDefinition = {
  kind: 'fields',
  signature: '0'.repeat(32),
  fields: [['n']],
  filter: undefined,
  isPartitioned: false,
}

t.test('rows of a part of the first batch go with what became of their documents', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const written = await ask(server, 'PUT /db/a', { json: { n: 1 } })
  await ask(server, 'PUT /db/b', { json: { n: 2 } })
  const front = frontOf(server.server)
  t.teardown(() => front.close())
  const database = (await front.open('db')) as FollowedDatabase
  const path = join(t.testdir(), 'index.davenport')
  const open = (): Promise<IndexFile> =>
    IndexFile.open({
      path,
      database: database.uuid,
      definition,
      cache: new PageCache(1024 * 1024),
      clock: systemClock,
      random: systemRandom,
      log: recordingLog().log,
    })
  const maker = new FieldRows(definition)
  const texts = new DocumentTexts(definition, maker.members)
  const room = new TextRoom()
  const made = async (of: readonly Uint8Array[]) => (await maker.make(of).next()).value!

  const before = await open()
  const batch = readBatch(database, definition, before.state, texts, room)
  t.same(
    batch.documents.map(({ isNew }) => isNew),
    [true, true],
  )
  await before.writePart(batch, 0, await made(batch.texts.slice(0, 1)))
  await before.close()

  const { rev } = written.json as { rev: string }
  await ask(server, 'PUT /db/a', { json: { _rev: rev, n: 9 } })
  await database.refresh()
  const after = await open()
  t.teardown(() => after.close())
  t.equal(after.state.updateSeq, 0, 'it has no change as a whole')
  const again = readBatch(database, definition, after.state, texts, room)
  await after.writeLast(again, 0, await made(again.texts))
  const snapshot = after.store.snapshot()
  const cursor = snapshot.tree(rowsTree(0)).cursor()
  const ids: string[] = []
  while (cursor.next()) ids.push(idOf(cursor.key()))
  snapshot.close()
  t.same(ids, ['b', 'a'], 'the row that was written of the document before it changed is gone')
})
