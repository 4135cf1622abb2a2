/**
 * Attachments of databases that follow another one: taken in by one thread, written by the other, and brought again where
 * a compaction came between.
 */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Database, DocumentEdit } from '../../src/database/api/database.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import type { AttachmentEdit } from '../../src/database/layout/attachment-records.ts'
import { databaseContents } from '../support/database-contents.ts'
import { edit, outcomeOf, put, settled, told } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(120_000)

const LONG = 300_000
/** The attachment `y` of a document of the core has these bytes. */
const STORED = Buffer.alloc(LONG, 'stored')

async function* pack(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  yield gzipSync(Buffer.concat(chunks))
}

async function content(database: Database, bytes: Buffer, isPacked = false): Promise<AttachmentEdit> {
  const incoming = { name: 'x', encoding: 'identity' as const, maxBytes: 1e9 }
  const taken = await database.takeAttachment([bytes], isPacked ? { ...incoming, pack } : incoming)
  return { kind: 'content', name: 'x', type: 'a/b', content: taken, revpos: 1 }
}

function withAttachments(document: DocumentEdit, ...attachments: AttachmentEdit[]): DocumentEdit {
  return { ...document, attachments }
}

async function bytesOf(database: Database, id: string, name = 'x'): Promise<Buffer> {
  const info = database
    .get(id)
    .attachments()
    .find((each) => each.name === name)!
  const pieces: Uint8Array[] = []
  for await (const piece of info.plainBytes()) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function compacted(core: StoredDatabase): Promise<void> {
  await compact(core.beginCompaction(), { clock: systemClock })
  await core.endCompaction()
}

/** Another document's attachment, as a copy names it. */
function stored(database: Database, id: string): AttachmentEdit {
  return { kind: 'stored', info: database.get(id).attachments()[0]! }
}

const stub = (name: string, revpos?: number): AttachmentEdit => ({ kind: 'stub', name, revpos })

t.test('attachments of all kinds', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  const short = Buffer.from('short')
  const long = Buffer.alloc(LONG, 'long')
  const first = await put(front, withAttachments(edit('a'), await content(front, short)))
  t.equal(writer.appended, 0)
  await put(front, withAttachments(edit('b'), await content(front, long)))
  t.equal(writer.appended, 1)
  await put(front, withAttachments(edit('c'), await content(front, Buffer.alloc(LONG, 'pack'), true)))
  await put(front, withAttachments(edit('d'), stored(front, 'b')))
  const second = await put(front, withAttachments(edit('a', { v: 2 }, { rev: first }), stub('x', 1)))
  await put(core, withAttachments(edit('e'), await content(core, long)))
  for (const database of [front, core]) {
    t.ok((await bytesOf(database, 'a')).equals(short))
    for (const id of ['b', 'd', 'e']) t.ok((await bytesOf(database, id)).equals(long), id)
    t.ok((await bytesOf(database, 'c')).equals(Buffer.alloc(LONG, 'pack')))
  }
  const missing = withAttachments(edit('a', { v: 3 }, { rev: second }), stub('x', 9))
  const refused = { error: 'missing_stub', reason: 'Invalid attachment stub in a for x' }
  t.match(await settled(front.update([missing])), refused)
  t.match(await settled(core.update([missing])), refused)
  t.same(
    { ...(await databaseContents(front)), nextExpiry: 0 },
    { ...(await databaseContents(core)), nextExpiry: 0 },
  )
})

t.test('the revision is the same wherever an edit is made ready', async (t) => {
  const folder = t.testdir({ core: {}, front: {} })
  const revs: string[] = []
  for (const at of ['core', 'front'] as const) {
    const { core, follow } = await sharedDatabase(t, {}, join(folder, at))
    const database = at === 'core' ? core : (await follow()).database
    const first = await put(
      database,
      withAttachments(edit('a', { v: 1 }), await content(database, Buffer.from('x'))),
    )
    const second = await put(database, withAttachments(edit('a', { v: 2 }, { rev: first }), stub('x')))
    const third = await put(database, edit('a', {}, { rev: second, deleted: true }))
    const again = withAttachments(edit('a', { v: 3 }), await content(database, Buffer.alloc(LONG, 'y')))
    revs.push([first, second, third, await put(database, again)].join())
  }
  t.equal(revs[0], revs[1])
})

t.test('content that a compaction overtook', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  for (const isCaughtUp of [false, true]) {
    const id = `of ${isCaughtUp}`
    const bytes = Buffer.alloc(LONG, id)
    const taken = await content(front, bytes)
    await compacted(core)
    t.notOk(front.isFresh)
    if (isCaughtUp) await front.refresh()
    const { updates } = writer
    await put(front, withAttachments(edit(id), taken))
    t.equal(writer.updates - updates, isCaughtUp ? 1 : 2, 'refused where nobody knew')
    await front.refresh()
    for (const database of [front, core]) t.ok((await bytesOf(database, id)).equals(bytes))
  }
})

t.test('content that two compactions overtook, one of them while it was brought', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  const bytes = Buffer.alloc(LONG, 'moved')
  const taken = await content(front, bytes)
  let left = 2
  writer.beforeUpdate = async () => {
    left -= 1
    if (left >= 0) await compacted(core)
  }
  await put(front, withAttachments(edit('a'), taken), edit('b'))
  t.equal(writer.updates, 3)
  await front.refresh()
  t.ok((await bytesOf(front, 'a')).equals(bytes))
  t.match(await told(front.update([edit('b')])), [{ error: 'conflict' }])
})

t.test('an upload that a compaction overtook', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  const bytes = Buffer.alloc(LONG, 'upload')
  async function* source(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, 200_000)
    await compacted(core)
    yield bytes.subarray(200_000)
  }
  const taken = await front.takeAttachment(source(), { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  t.ok(front.isFresh, 'the new file is opened to hold it')
  await put(
    front,
    withAttachments(edit('a'), { kind: 'content', name: 'x', type: 'a/b', content: taken, revpos: 1 }),
  )
  t.ok((await bytesOf(core, 'a')).equals(bytes))
})

t.test('an attachment of another document that was read before a compaction', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  const original = await content(core, STORED)
  await put(core, withAttachments(edit('y'), original))
  const copied = stored(front, 'y')
  await compacted(core)
  await put(front, withAttachments(edit('copy'), copied))
  t.equal(writer.updates, 2)
  t.ok((await bytesOf(core, 'copy')).equals(STORED))
  await front.refresh()
  t.ok((await bytesOf(front, 'copy')).equals(STORED))
})

t.test('patches with content that a compaction overtook', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  await put(core, edit('a'), edit('b'))
  for (const [id, database] of [
    ['a', core],
    ['b', front],
  ] as const) {
    const bytes = Buffer.alloc(LONG, id)
    const taken = await content(database, bytes)
    await compacted(core)
    const result = await database.updateInTurn(id, ({ rev }) =>
      withAttachments(edit(id, { v: 2 }, { rev }), taken),
    )
    t.match(result, { ok: true })
    t.ok((await bytesOf(core, id)).equals(bytes))
  }
})

t.test('an upload that breaks off, and one that is refused', async (t) => {
  const { follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(LONG)
    throw new Error('the client is gone')
  }
  const incoming = { name: 'x', encoding: 'identity' as const, maxBytes: 1e9 }
  await t.rejects(front.takeAttachment(failing(), incoming), { message: 'the client is gone' })
  t.match(await settled(front.takeAttachment([Buffer.alloc(LONG)], { ...incoming, maxBytes: LONG - 1 })), {
    error: 'attachment_too_large',
  })
  t.match(
    outcomeOf(() => front.get('a')),
    { reason: 'missing' },
  )
})

t.test('reads across a compaction', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  await put(front, withAttachments(edit('a', { v: 1 }), await content(front, STORED)))
  await core.setSecurity(Buffer.from('{"n":1}'))
  t.same([front.security()?.toString(), front.hasValidation()], ['{"n":1}', false])
  const source = core.beginCompaction()
  t.ok(front.info().compactRunning)
  const view = front.get('a')
  await compact(source, { clock: systemClock })
  await core.endCompaction()
  t.notOk(front.info().compactRunning)
  await core.setSecurity(Buffer.from('{"n":2}'))
  await put(core, edit('_design/v', { validate_doc_update: 'f' }), edit('b'))
  front.security()
  front.hasValidation()
  const stale = front.allDocs()
  t.equal(stale.updateSeq.split('-')[0], String([...stale.rows].length), 'not ahead of its rows')
  await front.refresh()
  t.same([front.security()?.toString(), front.hasValidation()], ['{"n":2}', true], 'nothing old was kept')
  t.equal(view.body().toString(), '{"v":1}')
  t.ok((await bytesOf(front, 'a')).equals(STORED))
  t.equal(
    front.changes({ since: 'now', limit: 0 }).lastSeq(),
    core.changes({ since: 'now', limit: 0 }).lastSeq(),
  )
})
