/**
 * An upload that a compaction overtook, and whose document came minutes later (its request had more to send), was
 * refused: the file that it lay in had been closed, since nobody had read it for a minute.
 */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { createDatabase } from '../../src/database/open.ts'
import { edit } from '../support/database-fixture.ts'
import { manualClock } from '../support/manual-clock.ts'

const MINUTE_MS = 60_000

t.test('content that was taken in is kept until a document names it', async (t) => {
  const clock = manualClock()
  const database = await createDatabase(join(t.testdir(), 'a.nfb'), 'a', { clock })
  const bytes = Buffer.alloc(300_000, 'content')
  const content = await database.takeAttachment([bytes], { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  await compact(database.beginCompaction(), { clock: systemClock })
  await database.endCompaction()
  for (let minute = 0; minute < 10; minute++) {
    clock.advance(MINUTE_MS)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  const attachments = [{ kind: 'content' as const, name: 'x', type: 'a/b', content, revpos: 0 }]
  const [result] = await database.update([{ ...edit('d', { a: 1 }), attachments }])
  t.match(result, { id: 'd', rev: /^1-/ })
  const [info] = database.get('d').attachments()
  const pieces: Uint8Array[] = []
  for await (const piece of info!.storedBytes()) pieces.push(piece)
  t.ok(Buffer.concat(pieces).equals(bytes))
  await database.close()
})
