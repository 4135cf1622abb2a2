/**
 * A compaction copied an attachment in one step, whatever its length: for minutes it heeded no byte rate, told no
 * progress and could not be cancelled, so that its thread was ended and its file stayed.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CompactionCancelled } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { edit, fileDatabase } from '../support/database-fixture.ts'

const MEBIBYTE = 1024 * 1024

t.test('a compaction gives way, and can be left, in the middle of an attachment', async (t) => {
  const folder = t.testdir()
  const { database } = await fileDatabase(folder)
  const pieces = Array.from({ length: 12 }, (_, i) => Buffer.alloc(MEBIBYTE, i))
  const content = await database.takeAttachment(pieces, { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  const attachments = [{ kind: 'content' as const, name: 'x', type: 'a/b', content, revpos: 0 }]
  await database.update([{ ...edit('d', { a: 1 }), attachments }])
  let steps = 0
  const attempt = compact(database.beginCompaction(), {
    clock: systemClock,
    pace: async (bytes) => {
      t.ok(bytes < 2 * MEBIBYTE, `a step of ${bytes} bytes`)
      steps += 1
      if (steps === 6) throw new CompactionCancelled(false)
    },
  })
  await t.rejects(attempt, { message: /cancelled/ })
  await database.endCompaction()
  t.notOk(existsSync(join(folder, 'a.nfb.compact')))
  let bytes = 0
  await compact(database.beginCompaction(), {
    clock: systemClock,
    pace: async (step) => {
      bytes += step
    },
  })
  await database.endCompaction()
  t.ok(bytes > 12 * MEBIBYTE && bytes < 13 * MEBIBYTE, `${bytes} bytes in all: none twice`)
  const stored: Uint8Array[] = []
  for await (const piece of database.get('d').attachments()[0]!.storedBytes()) stored.push(piece)
  t.ok(Buffer.concat(stored).equals(Buffer.concat(pieces)))
  await database.close()
})
