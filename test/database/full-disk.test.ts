/** A disk that is nearly full: documents are refused, deletions, reads and compactions go on. */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { DiskRoom } from '../../src/base/disk-room.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { createDatabase } from '../../src/database/open.ts'
import { edit, put, settled } from '../support/database-fixture.ts'

t.test('what goes on where there is little room', async (t) => {
  let free = 1000
  let now = 0
  const room = new DiskRoom({
    folder: '/',
    reserveBytes: 500,
    clock: { monotonic: () => now },
    freeBytes: () => free,
  })
  const path = join(t.testdir(), 'a.davenport')
  const database = await createDatabase(path, 'a', { refusal: () => room.refusal() })
  const rev = await put(database, edit('a', { a: 1 }))
  await put(database, edit('b', { a: 1 }))
  free = 100
  await put(database, edit('c'))
  now = 1000
  const refused = { status: 507, error: 'insufficient_storage', reason: /100 bytes left/ }
  t.match(await settled(database.update([edit('d')])), refused)
  const incoming = { name: 'x', encoding: 'identity' as const, maxBytes: 1e9 }
  t.match(await settled(database.takeAttachment([Buffer.from('x')], incoming)), refused)
  t.match(database.get('b').body().toString(), /1/)
  await put(database, edit('a', {}, { rev, deleted: true }))
  await compact(database.beginCompaction(), { clock: systemClock })
  await database.endCompaction()
  t.equal(database.info().docCount, 2)
  free = 1000
  now = 2000
  await put(database, edit('d'))
  await database.close()
})

t.test('a disk whose room is not asked for is not refused', async (t) => {
  const room = new DiskRoom({ folder: '/nowhere', reserveBytes: 0, clock: systemClock })
  t.equal(room.refusal(), undefined)
  const unknown = new DiskRoom({ folder: '/nowhere/at/all', reserveBytes: 1, clock: systemClock })
  t.equal(unknown.refusal(), undefined)
})
