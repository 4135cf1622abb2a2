/**
 * All writes waited while a compaction copied an attachment that had been stored early and was named just before the
 * last of the log was read.
 */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { edit } from '../support/database-fixture.ts'

const MEBIBYTE = 1024 * 1024

t.test("a long attachment is not copied in the writer's turn", async (t) => {
  const path = join(t.testdir(), 'a.nfb')
  const database = await createDatabase(path, 'a')
  const pieces = Array.from({ length: 12 }, (_, i) => Buffer.alloc(MEBIBYTE, i))
  const content = await database.takeAttachment(pieces, { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  const attachments = [{ kind: 'content' as const, name: 'x', type: 'a/b', content, revpos: 0 }]
  const source = database.beginCompaction()
  const turn = source.turn.bind(source)
  let turns = 0
  source.turn = async () => {
    turns += 1
    if (turns === 1) await database.update([{ ...edit('d', { a: 1 }), attachments }])
    return turn()
  }
  await compact(source, { clock: systemClock })
  await database.endCompaction()
  t.equal(turns, 2, 'the first turn was given back')
  await database.close()
  const again = await openDatabase(path, 'a')
  const stored: Uint8Array[] = []
  for await (const piece of again.get('d').attachments()[0]!.storedBytes()) stored.push(piece)
  t.ok(Buffer.concat(stored).equals(Buffer.concat(pieces)))
  await again.close()
})
