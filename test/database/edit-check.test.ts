/**
 * Edits that are checked before they are written: on a database in the thread that writes it, and on one that follows it.
 * What the check hears of is what the edit meets, or it is asked again.
 */
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import type { CheckedEdit, Database, EditCheck } from '../../src/database/api/database.ts'
import { edit, put, replicated, rev, testDatabase, told } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(60_000)

const GUARD = edit('_design/guard', { validate_doc_update: 'function () {}' })

/** Notes what it is asked, as "id replaced"; refuses documents with a member `no`. */
class Check implements EditCheck {
  readonly asked: string[] = []
  readonly #isNeeded: () => boolean
  /** Runs while an answer is awaited, once each. */
  readonly meanwhile: (() => Promise<unknown>)[] = []

  constructor(isNeeded: () => boolean = () => true) {
    this.#isNeeded = isNeeded
  }

  isNeeded(): boolean {
    return this.#isNeeded()
  }

  async look(edits: readonly CheckedEdit[]): Promise<(DatabaseError | undefined)[]> {
    for (const { edit, parent } of edits) this.asked.push(`${edit.id} ${parent?.body().toString() ?? '-'}`)
    await this.meanwhile.shift()?.()
    return edits.map(({ edit }) =>
      Buffer.from(edit.body).includes('"no"') ? new DatabaseError('forbidden', 'no') : undefined,
    )
  }

  /** What was asked since the last time. */
  take(): string[] {
    return this.asked.splice(0)
  }
}

const NO = { ok: false, status: 403, error: 'forbidden', reason: 'no' }

function bothKinds(name: string, run: (t: Test, database: Database, other: Database) => Promise<void>): void {
  t.test(`${name}: in the thread that writes`, async (t) => {
    const { database } = await testDatabase()
    await run(t, database, database)
    await database.close()
  })
  t.test(`${name}: in another one`, async (t) => {
    const shared = await sharedDatabase(t)
    const [front, other] = [await shared.follow(), await shared.follow()]
    await run(t, front.database, other.database)
  })
}

bothKinds('each edit with what it replaces', async (t, database) => {
  const check = new Check()
  const write = (...edits: Parameters<Database['update']>[0]) => told(database.update(edits, { check }))
  t.match(await write(edit('a', { v: 1 }), edit('b', { no: 1 }), edit('_local/l'), edit('_design/d')), [
    { ok: true, id: 'a' },
    { ...NO, id: 'b' },
    { ok: true, id: '_local/l' },
    { ok: true, id: '_design/d' },
  ])
  t.same(check.take(), ['a -', 'b -'], 'neither local documents nor design documents')
  const first = database.get('a').rev
  t.match(await write(edit('a', { v: 2 }, { rev: first }), edit('a', { v: 3 })), [
    { ok: true },
    { status: 409 },
  ])
  t.same(check.take(), ['a {"v":1}'], 'a conflict is not looked at')
  t.match(await write(edit('a', { v: 4 }, { rev: first })), [{ status: 409 }])
  const gone = edit('a', {}, { rev: database.get('a').rev, deleted: true })
  t.match(await write(gone), [{ ok: true }])
  t.same(check.take(), ['a {"v":2}'])
  t.match(await write(edit('a', { v: 5 })), [{ ok: true }])
  t.same(check.take(), ['a -'], 'after a deletion there is nothing that is replaced')
  t.match(await write(edit('b', { no: 2 })), [NO])
  t.throws(() => database.get('b'), { message: /missing/ })
})

bothKinds('replicated edits with the nearest stored ancestor', async (t, database) => {
  const check = new Check()
  const write = (...edits: Parameters<Database['update']>[0]) =>
    told(database.update(edits, { check, newEdits: false }))
  await write(replicated('a', { v: 2 }, 2, 'ba'))
  await write(replicated('a', { v: 5 }, 5, 'edcba'), replicated('x', { no: 1 }, 1, 'a'))
  await write(replicated('a', { v: 6 }, 6, 'f'))
  t.same(check.take(), ['a -', 'a {"v":2}', 'x -', 'a -'])
  t.equal(database.get('a').rev, rev('6f'))
  t.throws(() => database.get('x'), { message: /missing/ })
})

bothKinds('all or nothing', async (t, database) => {
  const options = { check: new Check(), allOrNothing: true }
  t.match(await told(database.update([edit('a'), edit('b', { no: 1 })], options)), [
    { ok: false, error: 'not_written' },
    NO,
  ])
  t.match(await told(database.update([edit('a'), edit('b')], options)), [{ ok: true }, { ok: true }])
})

bothKinds('what an edit is checked against changes meanwhile', async (t, database, other) => {
  const check = new Check()
  check.meanwhile.push(
    () => put(other, GUARD),
    () => other.setSecurity(Buffer.from('{"v":1}')),
  )
  t.match(await told(database.update([edit('a')], { check })), [{ ok: true }])
  t.same(check.take(), ['a -', 'a -', 'a -'], 'checked once more after each')

  check.meanwhile.push(() => other.update([replicated('b', { v: 1 }, 1, 'a')], { newEdits: false }))
  const late = replicated('b', { v: 2 }, 2, 'ba')
  await database.update([late], { check, newEdits: false })
  t.same(check.take(), ['b -', 'b {"v":1}'], 'an ancestor came')

  const options = { check, allOrNothing: true }
  check.meanwhile.push(() => other.setSecurity(Buffer.from('{"v":2}')))
  t.match(await told(database.update([edit('c'), edit('d')], options)), [{ ok: true }, { ok: true }])
  t.same(check.take(), ['c -', 'd -', 'c -', 'd -'])
})

bothKinds('a check that was not needed when the edit came', async (t, database, other) => {
  const check = new Check(() => database.hasValidation())
  // All are handed over at once, and written in one group.
  const all = await Promise.all([
    told(database.update([edit('before', { no: 1 })], { check })),
    told(other.update([GUARD])),
    told(database.update([edit('a', { no: 1 }), edit('b')], { check })),
    told(
      database.updateInTurn('before', () => edit('before', { no: 2 }), { check }).then((one) => [one]),
    ).catch((error: unknown) => error),
  ])
  t.match(all[1], [{ ok: true }])
  for (const [place, text] of [[2, 'a']] as const) {
    const [first, second] = all[place] as object[]
    const wasChecked = check.asked.some((asked) => asked.startsWith(text))
    t.match(second, { ok: true })
    // Which comes first is the writer's choice; whoever came after the design document was checked.
    t.match(first, wasChecked ? NO : { ok: true })
  }
  t.match(await told(database.update([edit('c', { no: 1 })], { check })), [NO], 'from now on always')
})

t.test('a design document on its way to the disk is one already', async (t) => {
  const { database } = await testDatabase()
  const check = new Check(() => database.hasValidation())
  const [, refused] = await Promise.all([
    database.update([GUARD]),
    told(database.update([edit('a', { no: 1 })], { check })),
  ])
  t.match(refused, [NO])
  t.same(check.asked, ['a -'])
  await database.close()
})

bothKinds('an edit of the winner', async (t, database) => {
  const check = new Check()
  await put(database, edit('a', { v: 1 }))
  const next = (body: object) =>
    told(
      database
        .updateInTurn('a', (winner) => edit('a', body, { rev: winner.rev }), { check })
        .then((one) => [one]),
    )
  t.match(await next({ v: 2 }), [{ ok: true }])
  t.match(await next({ no: 1 }), [NO])
  t.same(check.asked, ['a {"v":1}', 'a {"v":2}'])
  t.equal(database.get('a').body().toString(), '{"v":2}')
})
