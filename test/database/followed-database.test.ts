/**
 * A database that follows the one that writes, beside one that does all itself: both are asked the same, and what one
 * answers the other must. Whatever passes between the follower and its writer is cloned.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { runAtOnce } from '../../src/base/time-slice.ts'
import type { Database, DocumentEdit, UpdateOptions } from '../../src/database/api/database.ts'
import { createDatabase } from '../../src/database/open.ts'
import { DatabaseService } from '../../src/database/shared/database-service.ts'
import { openFollowed } from '../../src/database/shared/open-followed.ts'
import { databaseContents } from '../support/database-contents.ts'
import {
  changedIds,
  edit,
  listedIds,
  outcomeOf,
  purgeOf,
  put,
  replicated,
  rev,
  settled,
  told,
} from '../support/database-fixture.ts'
import { Loopback, sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(120_000)

/** A front, and a database of its own beside it. */
async function pair(t: Test, properties: { partitioned?: boolean } = {}) {
  const folder = t.testdir({ plain: {}, shared: {} })
  const plain = await createDatabase(join(folder, 'plain', 'a.nfb'), 'a', { properties })
  const shared = await sharedDatabase(t, { properties }, join(folder, 'shared'))
  const { database: front, writer } = await shared.follow()
  t.teardown(() => plain.close())
  const both = async (ask: (database: Database) => Promise<unknown>, what: string): Promise<void> => {
    const [a, b] = [await ask(plain), await ask(front)]
    t.strictSame(b, a, what)
  }
  const update = (edits: readonly DocumentEdit[], options: UpdateOptions, what: string) =>
    both((database) => settled(told(database.update(edits, options))), what)
  return { plain, front, writer, core: shared.core, shared, both, update }
}

/** Of a page that is read to its end. */
function lastSeqOf(database: Database, since: string | number): string {
  const page = database.changes({ since })
  for (const _ of page.rows);
  return page.lastSeq()
}

function pendingOf(database: Database, since: string | number): number {
  const page = database.changes({ since, limit: 0 })
  return page.pending()
}

const COMPARED = { uuid: undefined, instanceStartTime: undefined, nextExpiry: undefined }

t.test('edits of every kind, and what is refused', async (t) => {
  const { plain, front, core, update } = await pair(t)
  await update([edit('b', { v: 1 }), edit('a', { v: 1 }), edit('a', { v: 2 })], {}, 'two of one document')
  const first = plain.get('a').rev
  await update([edit('a', { v: 2 }, { rev: first }), edit('c')], {}, 'an edit and a new one')
  await update([edit('a', { v: 3 }, { rev: first })], {}, 'a conflict')
  await update([edit('a', {}, { rev: 'x' })], {}, 'a malformed revision')
  await update([edit('a'.repeat(70_000))], {}, 'an id that is too long')
  await update([edit('c', {}, { deleted: true, rev: plain.get('c').rev })], {}, 'a deletion')
  await update([edit('c', { again: true, text: 'x'.repeat(5000) })], {}, 'a document that was deleted')
  await update(
    [replicated('a', { r: 1 }, 3, 'cba'), replicated('d', {}, 2, 'ef')],
    { newEdits: false },
    'paths',
  )
  await update([replicated('d', {}, 3, 'gef', true)], { newEdits: false }, 'a replicated deletion')
  const far = { start: 2 ** 50 + 1, ids: ['a'.repeat(32)] }
  await update(
    [edit('far', {}, { revisions: far }), edit('near')],
    { newEdits: false },
    'no revision, and a far one',
  )
  await update(
    [edit('far', {}, { revisions: far }), replicated('e', {}, 1, 'a')],
    { newEdits: false },
    'a far one',
  )
  await update(
    [edit('_design/d', { views: 1 }), edit('_design/e', { views: {} })],
    {},
    'a design document that is none',
  )
  await update(
    [edit('_local/l', { n: 1 }), edit('_local/m', {}, { rev: 'x' }), edit('z')],
    {},
    'local documents',
  )
  await update([edit('_local/l', {}, { rev: '0-1', deleted: true })], {}, 'a local document deleted')
  await update([{ ...edit('x'), expiry: { atMs: 2_000_000_000_000 } }], {}, 'a document that expires')
  await update([], {}, 'nothing')
  for (const database of [front, core]) {
    t.strictSame(
      { ...(await databaseContents(database)), ...COMPARED },
      {
        ...(await databaseContents(plain)),
        ...COMPARED,
      },
    )
  }
  t.equal(front.get('x').expiresAtMs, core.nextExpiry())
  t.equal(front.updateSeqNumber, plain.updateSeqNumber)
})

t.test('all or nothing', async (t) => {
  const { plain, front, update } = await pair(t)
  await update([edit('a')], { allOrNothing: true }, 'all')
  await update([edit('b'), edit('a'), edit('c')], { allOrNothing: true }, 'nothing')
  await update([edit('b'), edit('_local/l'), edit('c')], { allOrNothing: true }, 'all of them')
  t.same(listedIds(front), ['a', 'b', 'c'])
  t.same(changedIds(front), changedIds(plain))
})

t.test('a long request is several transactions, and one where all or nothing is wanted', async (t) => {
  const { front, writer, update } = await pair(t)
  const edits = Array.from({ length: 1500 }, (_, n) => edit(`d-${(n * 7919) % 1500}`, { n }))
  await update(edits, {}, 'new ones')
  t.equal(writer.updates, 3)
  await update(edits, { allOrNothing: true }, 'all are conflicts')
  t.equal(writer.updates, 4)
  t.equal(front.info().docCount, 1500)
  const many = Array.from({ length: 1100 }, (_, n) => replicated('d-1', { n }, 2, `a${'0123456789'[n % 10]}`))
  await update(many, { newEdits: false }, 'very many of one document')
})

t.test('partitioned databases', async (t) => {
  const { front, update, both } = await pair(t, { partitioned: true })
  await update([edit('p:a'), edit('q:a'), edit('_design/d')], {}, 'documents')
  await update([edit('p:b'), edit('none')], {}, 'an id without a partition')
  await update([edit('_p:b')], {}, 'a partition of a wrong name')
  await both(async (database) => database.partitionInfo('p'), 'counts')
  for (const ask of [
    (database: Database) => outcomeOf(() => database.get('none')),
    (database: Database) => settled(database.purge([purgeOf('none', [rev('1a')])])),
    (database: Database) => settled(database.updateInTurn('none', () => edit('none'))),
  ]) {
    await both(async (database) => ask(database), 'an id that no document can have')
  }
  t.equal(front.properties.partitioned, true)
})

t.test('purges', async (t) => {
  const { front, core, update, both } = await pair(t)
  await update(
    [replicated('a', { v: 1 }, 2, 'ab'), replicated('a', { v: 2 }, 2, 'cb')],
    { newEdits: false },
    'leaves',
  )
  await update([replicated('b', { v: 1 }, 1, 'a')], { newEdits: false }, 'another')
  const numbers = (database: Database) => {
    const { updateSeq, purgeSeq, docCount } = database.info()
    return [Number.parseInt(updateSeq, 10), Number.parseInt(purgeSeq, 10), docCount, database.updateSeqNumber]
  }
  for (const [id, revs] of [
    ['a', [rev('2a')]],
    ['b', [rev('1a')]],
    ['b', [rev('1a')]],
    ['nothing', []],
  ] as const) {
    await both((database) => database.purge([purgeOf(id, revs)]), `of ${id}`)
    await both(async (database) => numbers(database), 'numbers')
    await both(async (database) => lastSeqOf(database, 'now').split('-')[0], 'now')
  }
  await both(async (database) => [...database.purgedInfos()], 'what is remembered')
  t.equal(lastSeqOf(front, 0), lastSeqOf(core, 0))
  await both((database) => database.setPurgedInfosLimit(1), 'a limit')
  await both(async (database) => [...database.purgedInfos()], 'what is still remembered')
})

t.test('local documents', async (t) => {
  const { front, both } = await pair(t)
  await both((database) => settled(database.putLocal('l', Buffer.from('{"a":1}'), undefined)), 'a new one')
  await both((database) => settled(database.putLocal('l', Buffer.from('{"a":2}'), '0-1')), 'the next')
  await both((database) => settled(database.putLocal('l', Buffer.from('{}'), 'x')), 'a malformed revision')
  await both((database) => settled(database.deleteLocal('m', undefined)), 'none to be deleted')
  t.equal(front.getLocal('l')!.body.toString(), '{"a":2}')
  await both(async (database) => [...database.localDocs()].map(({ id, rev }) => [id, rev]), 'a listing')
  await both((database) => settled(database.deleteLocal('l', '0-2')), 'a deletion')
  t.equal(front.getLocal('l'), undefined)
})

t.test('settings, whoever sets them', async (t) => {
  const { front, core, both, shared } = await pair(t)
  const { database: other } = await shared.follow()
  t.same([front.security(), front.revsLimit(), front.purgedInfosLimit()], [undefined, 1000, 1000])
  const asked = (): unknown =>
    [front, other, core].map((database) => [
      database.security()?.toString(),
      database.revsLimit(),
      database.purgedInfosLimit(),
    ])
  const setters: Database[] = [front, other, core]
  for (const [at, setter] of setters.entries()) {
    await setter.setSecurity(Buffer.from(`{"n":${at}}`))
    for (const database of setters) t.equal(database.security()?.toString(), `{"n":${at}}`)
    await setter.setRevsLimit(10 + at)
    for (const database of setters) t.equal(database.revsLimit(), 10 + at)
    await setter.setPurgedInfosLimit(20 + at)
    const wanted = [`{"n":${at}}`, 10 + at, 20 + at]
    t.same(asked(), [wanted, wanted, wanted])
  }
  t.equal(front.security(), front.security(), 'the same bytes')
  const before = front.security()
  await core.setRevsLimit(3)
  t.equal(front.security(), before, 'and still, when another setting changed')
  for (const limit of [0, -1, 1.5]) {
    await both((database) => settled(database.setRevsLimit(limit)), 'no limit')
    await both((database) => settled(database.setPurgedInfosLimit(limit)), 'no limit')
  }
  await both((database) => settled(database.ensureFullCommit()), 'a commit')
})

t.test('a limit of revisions holds for who reads and who writes', async (t) => {
  const { update, both } = await pair(t)
  await update([replicated('a', {}, 6, 'fedcba')], { newEdits: false }, 'a history')
  await both((database) => database.setRevsLimit(3), 'a limit')
  await both(async (database) => database.get('a').revisions(), 'is shown to the limit')
  await update([edit('a', { v: 1 }, { rev: rev('6f') })], {}, 'and cut')
  await both(async (database) => database.get('a').revisions(), 'what is left')
})

t.test('the flag of validation', async (t) => {
  const { front, core, shared } = await pair(t)
  const { database: other } = await shared.follow()
  const flags = (): boolean[] => [front, other, core].map((database) => database.hasValidation())
  t.same(flags(), [false, false, false])
  const first = await put(other, edit('_design/v', { validate_doc_update: 'f' }))
  t.same(flags(), [true, true, true])
  await put(front, edit('_design/v', {}, { rev: first }))
  t.same(flags(), [false, false, false])
  await put(core, edit('_design/w', { validate_doc_update: 'f' }))
  t.same(flags(), [true, true, true])
  await front.purge([purgeOf('_design/w', [front.get('_design/w').rev])])
  t.same(flags(), [false, false, false])
})

t.test('sequences are the same in every thread', async (t) => {
  const { front, core } = await pair(t)
  for (let n = 0; n < 5; n++) await put(front, edit(`d${n}`))
  const seqs = (database: Database): string[] => [...database.changes().rows].map(({ seq }) => seq)
  t.same(seqs(front), seqs(core))
  for (const since of seqs(core)) t.equal(pendingOf(front, since), pendingOf(core, since))
  t.equal(pendingOf(front, '3-strange'), 5)
  t.same([...front.changes({ since: 'now' }).rows], [])
  const { totalRows, updateSeq } = front.allDocs({ limit: 0 })
  t.same([totalRows, updateSeq], [5, core.allDocs({ limit: 0 }).updateSeq])
  t.throws(() => front.changes({ since: 'x' }), DatabaseError)
  const missing = runAtOnce(front.missingRevs('d1', [{ pos: 9, id: 'x' }]))
  t.same(missing, runAtOnce(core.missingRevs('d1', [{ pos: 9, id: 'x' }])))
})

t.test('numbers beside rows are those of the rows', async (t) => {
  const { front, core } = await pair(t)
  await put(core, edit('a'))
  const page = front.changes()
  const ids = front.allDocs()
  await put(core, edit('b'))
  t.same(
    [...page.rows].map(({ id }) => id),
    ['a'],
  )
  t.equal(page.lastSeq().split('-')[0], '1')
  t.equal(ids.updateSeq.split('-')[0], '1')
  ids.rows.return?.()
  t.same([front.updateSeqNumber, pendingOf(front, page.lastSeq())], [2, 1])
})

t.test('listeners hear of the last change, once', async (t) => {
  const { front, core } = await pair(t)
  const heard: number[] = []
  const stop = front.onChange((last) => heard.push(last))
  await Promise.all([put(core, edit('a')), put(front, edit('b')), put(core, edit('c'))])
  t.equal(heard.at(-1), 3)
  t.ok(heard.length <= 2, 'a group is told at once')
  front.changed()
  await Promise.resolve()
  t.equal(heard.at(-1), 3)
  stop()
  await put(core, edit('d'))
  t.equal(heard.at(-1), 3)
})

t.test('a copy of the file', async (t) => {
  const { front, core } = await pair(t)
  await put(front, edit('a', { text: 'x'.repeat(10_000) }))
  const bytesOf = async (database: Database): Promise<Buffer> => {
    const pieces: Buffer[] = []
    for await (const piece of database.backup().bytes()) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  const [a, b] = [await bytesOf(front), await bytesOf(core)]
  t.equal(a.length, b.length)
  t.ok(a.subarray(8192).equals(b.subarray(8192)))
})

t.test('a disk without room', async (t) => {
  let reason: string | undefined
  const { core, follow } = await sharedDatabase(t, { refusal: () => reason })
  const { database: front } = await follow()
  const first = await put(front, edit('a'))
  reason = 'no room'
  const refused = { status: 507, error: 'insufficient_storage', reason }
  const long = Buffer.alloc(200_000)
  const incoming = { name: 'x', encoding: 'identity' as const, maxBytes: 1e9 }
  for (const database of [core, front]) {
    t.match(await settled(database.update([edit('b')])), refused)
    t.match(await settled(database.updateInTurn('a', ({ rev }) => edit('a', { n: 1 }, { rev }))), refused)
    t.match(await settled(database.takeAttachment([long], incoming)), refused)
  }
  t.match(await front.update([edit('a', {}, { rev: first, deleted: true })]), [{ ok: true }])
})

t.test('a database that cannot be written any more, and one that is closed', async (t) => {
  const { core, front, writer } = await pair(t)
  const first = await put(front, edit('a'))
  await rm(join(t.testdirName, 'shared', 'a.nfb'))
  const writes: readonly ((database: Database) => Promise<unknown>)[] = [
    (database: Database) => database.update([edit('b')]),
    (database: Database) => database.update([edit('a', {}, { rev: first })], { allOrNothing: true }),
    (database: Database) => database.updateInTurn('a', ({ rev }) => edit('a', { n: 1 }, { rev })),
    (database: Database) => database.putLocal('l', Buffer.from('{}'), undefined),
    (database: Database) => database.setSecurity(Buffer.from('{}')),
    (database: Database) => database.purge([purgeOf('a', [first])]),
  ]
  for (const write of writes) {
    const [a, b] = [await settled(write(core)), await settled(write(front))]
    t.match(a, { status: 503 })
    t.same(b, a)
  }
  t.equal(front.get('a').rev, first, 'reads go on')
  await core.close()
  const closed = { status: 503, error: 'service_unavailable', reason: 'The database is being closed.' }
  for (const write of writes) t.match(await settled(write(front)), closed)
  t.match(await settled(front.ensureFullCommit()), closed)
  t.equal(front.isFresh, false)
  t.match(await settled(front.refresh()), closed)
  t.match(
    outcomeOf(() => front.get('a')),
    closed,
  )
  const { updates } = writer
  await front.close()
  t.match(await settled(front.update([edit('c')])), closed)
  t.match(
    outcomeOf(() => front.security()),
    closed,
  )
  t.equal(writer.updates, updates, 'nothing is asked of the writer')
})

t.test('a database that was closed before it was followed', async (t) => {
  const { core } = await sharedDatabase(t)
  const told = core.share()
  await core.close()
  t.match(await settled(openFollowed(told, new Loopback(new DatabaseService(core)))), {
    reason: 'The database is being closed.',
  })
})

t.test('what is asked of the writer and is no method is refused', async (t) => {
  const { core } = await sharedDatabase(t)
  const service = new DatabaseService(core)
  await t.rejects(service.call('close' as 'purge', [[]]), TypeError)
  await t.rejects(service.update(Buffer.from('nonsense'), { allOrNothing: false }), {
    name: 'ByteFormatError',
  })
})
