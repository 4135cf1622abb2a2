/** Many writers of one document, in several threads as it were. */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Database, DocumentEdit, DocumentView } from '../../src/database/api/database.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { edit, put, settled } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(120_000)

const counted = (view: DocumentView): DocumentEdit => {
  const { n } = JSON.parse(view.body().toString()) as { n: number }
  return edit(view.id, { n: n + 1 }, { rev: view.rev })
}

const numberIn = (database: Database, id: string): number =>
  (JSON.parse(database.get(id).body().toString()) as { n: number }).n

t.test('patches of two fronts and of the core, and plain updates between them', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const [one, two] = [await follow(), await follow()]
  await put(core, edit('a', { n: 0 }), edit('b', { n: 0 }))
  const databases = [one.database, two.database, core]
  let plain = 0
  const rewrite = async (database: Database): Promise<void> => {
    await database.refresh()
    const [result] = await database.update([counted(database.get('a'))])
    if (result!.ok) plain += 1
  }
  const work: Promise<unknown>[] = []
  for (let n = 0; n < 30; n++) {
    for (const database of databases) {
      work.push(database.updateInTurn('a', counted))
      if (n % 2 === 0) work.push(database.updateInTurn('b', counted))
      if (n % 10 === 0) work.push(rewrite(database))
    }
  }
  await Promise.all(work)
  for (const database of databases) {
    t.equal(numberIn(database, 'a'), 90 + plain)
    t.equal(numberIn(database, 'b'), 45)
    t.equal(database.get('b').rev.split('-')[0], '46')
  }
})

t.test('patches of one front wait for each other', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  await put(core, edit('a', { n: 0 }))
  const results = await Promise.all(Array.from({ length: 50 }, () => front.updateInTurn('a', counted)))
  t.ok(results.every(({ ok }) => ok))
  t.equal(writer.updates, 50, 'none of them was tried twice')
  t.equal(numberIn(front, 'a'), 50)
})

t.test('a patch behind a compaction and another write', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  await put(core, edit('a', { n: 0 }))
  await compact(core.beginCompaction(), { clock: systemClock })
  await core.endCompaction()
  await core.updateInTurn('a', counted)
  t.notOk(front.isFresh)
  t.match(await front.updateInTurn('a', counted), { ok: true })
  t.equal(writer.updates, 1, 'the document is read when all is taken in')
  t.equal(numberIn(core, 'a'), 2)
})

t.test('what is not there, and what fails, writes nothing', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  t.match(await settled(front.updateInTurn('a', counted)), { error: 'not_found', reason: 'missing' })
  const first = await put(core, edit('a', { n: 0 }))
  const broken = front.updateInTurn('a', () => {
    throw new TypeError('no')
  })
  const next = front.updateInTurn('a', counted)
  await t.rejects(broken, { message: 'no' })
  t.match(await next, { ok: true }, 'those behind it go on')
  const own = await front.updateInTurn('a', () => edit('a', {}, { rev: first }))
  t.match(own, { ok: false, refusal: { kind: 'conflict' } }, 'a conflict of its own')
  t.equal(writer.updates, 2)
  const { rev } = front.get('a')
  await put(core, edit('a', {}, { rev, deleted: true }))
  t.match(await settled(front.updateInTurn('a', counted)), { error: 'not_found', reason: 'deleted' })
})

t.test('another writer that is always first', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  await put(core, edit('a', { n: 0 }))
  writer.beforeUpdate = async () => {
    await core.updateInTurn('a', counted)
  }
  t.match(await settled(front.updateInTurn('a', counted)), { error: 'conflict' })
  t.equal(writer.updates, 1000)
  t.equal(numberIn(core, 'a'), 1000)
})
