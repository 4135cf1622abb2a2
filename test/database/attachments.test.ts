import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import type { DocumentView } from '../../src/database/api/database.ts'
import type { IncomingAttachment } from '../../src/database/attachments/content.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import {
  type AttachmentEdit,
  type AttachmentInfo,
  decodeAttachments,
  encodeAttachments,
} from '../../src/database/layout/attachment-records.ts'
import { TREES } from '../../src/database/layout/layout.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import {
  edit,
  fileDatabase,
  outcomeOf,
  put,
  replicate,
  replicated,
  settled,
  testDatabase,
} from '../support/database-fixture.ts'

async function content(
  database: StoredDatabase,
  name: string,
  bytes: Uint8Array,
  more: Partial<IncomingAttachment & { type: string; revpos: number }> = {},
): Promise<AttachmentEdit> {
  const { type = 'a/b', revpos = 0, ...incoming } = more
  const taken = await database.takeAttachment([bytes], {
    name,
    encoding: 'identity',
    maxBytes: 1e9,
    ...incoming,
  })
  return { kind: 'content', name, type, content: taken, revpos }
}

async function* pack(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  yield gzipSync(Buffer.concat(chunks))
}

function stub(name: string, revpos?: number): AttachmentEdit {
  return { kind: 'stub', name, revpos }
}

async function bytesOf(view: DocumentView, name: string): Promise<string> {
  const chunks: Uint8Array[] = []
  const info = view.attachments().find((each) => each.name === name)!
  for await (const chunk of info.plainBytes()) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

t.test('the stored list', async (t) => {
  const info: AttachmentInfo = {
    name: 'é',
    type: 'text/plain',
    md5: Buffer.alloc(16, 0xaa),
    length: 300,
    encodedLength: 40,
    encoding: 'gzip',
    revpos: 2,
    reference: Buffer.alloc(16, 0xbb),
  }
  const plain: AttachmentInfo = { ...info, name: '', encoding: 'identity', encodedLength: 300 }
  const bytes = encodeAttachments([info, plain])!
  const wanted = [
    '0102',
    '02c3a9',
    '0a746578742f706c61696e',
    'aa'.repeat(16),
    'ac02',
    '01',
    '28',
    '02',
    'bb'.repeat(16),
    '00',
    '0a746578742f706c61696e',
    'aa'.repeat(16),
    'ac02',
    '00',
    '02',
    'bb'.repeat(16),
  ]
  t.equal(bytes.toString('hex'), wanted.join(''))
  t.same(decodeAttachments(bytes), [info, plain])
  t.equal(encodeAttachments([]), null)
  t.same(decodeAttachments(null), [])
  for (let end = 0; end < bytes.length; end++) t.throws(() => decodeAttachments(bytes.subarray(0, end)))
})

t.test('stubs stand for what the parent has', async (t) => {
  const { database } = await testDatabase()
  const a = await content(database, 'a', Buffer.from('first'))
  const b = await content(database, 'b', Buffer.from('second'))
  const one = await put(database, { ...edit('d'), attachments: [a, b] })
  const two = await put(database, { ...edit('d', { v: 2 }, { rev: one }), attachments: [stub('b', 1)] })
  const view = database.get('d')
  t.same(
    view.attachments().map(({ name, revpos, length }) => [name, revpos, length]),
    [['b', 1, 6]],
  )
  t.equal(await bytesOf(view, 'b'), 'second')
  t.equal(await bytesOf(database.get('d', { rev: one }), 'a'), 'first')
  const seqBefore = database.updateSeqNumber
  for (const bad of [stub('a'), stub('b', 2)]) {
    const outcome = await settled(
      database.update([edit('other'), { ...edit('d', {}, { rev: two }), attachments: [bad] }]),
    )
    t.match(outcome, { status: 412, error: 'missing_stub' })
  }
  t.match(await settled(database.update([{ ...edit('new'), attachments: [stub('a')] }])), { status: 412 })
  t.equal(database.updateSeqNumber, seqBefore)
  t.match(
    outcomeOf(() => database.get('other')),
    { status: 404 },
    'nothing of the request was written',
  )
  const stale = await database.update([{ ...edit('d', {}, { rev: one }), attachments: [stub('a')] }])
  t.match(stale, [{ ok: false, refusal: { kind: 'conflict' } }])
})

t.test('the changes show the attachments of the winner', async (t) => {
  const { database } = await testDatabase()
  await put(
    database,
    { ...edit('d'), attachments: [await content(database, 'a', Buffer.from('x'))] },
    edit('e'),
  )
  const rows: string[][] = []
  for (const row of database.changes().rows) {
    const attachments = row.document().attachments()
    rows.push(attachments.map(({ name }) => name))
  }
  t.same(rows, [['a'], []])
})

t.test('replicated edits: revpos as given, stubs from the nearest ancestor that is stored', async (t) => {
  const { database } = await testDatabase()
  const a = await content(database, 'a', Buffer.from('x'), { revpos: 1 })
  await replicate(database, { ...replicated('d', {}, 1, 'a'), attachments: [a] })
  const b = { ...replicated('d', {}, 3, 'cba'), attachments: [stub('a', 1)] }
  t.match(await replicate(database, b), [{ ok: true }])
  const seqBefore = database.updateSeqNumber
  const strangers = { ...replicated('d', {}, 3, 'fed'), attachments: [stub('a', 1)] }
  const unknown = { ...replicated('d', {}, 2, '9a'), attachments: [stub('z')] }
  for (const [bad, reason] of [
    [strangers, 'Invalid attachment stub in d for a'],
    [unknown, 'Invalid attachment stub in d for z'],
  ] as const) {
    const outcome = await settled(replicate(database, replicated('c', {}, 1, '1'), bad))
    t.match(outcome, { status: 412, error: 'missing_stub', reason })
  }
  t.equal(database.updateSeqNumber, seqBefore, 'nothing of the request was written')
  // The path of the edit ends at a revision without a body; the tree knows what is above it.
  const short = { ...replicated('d', {}, 3, 'db'), attachments: [stub('a', 1)] }
  t.match(await replicate(database, short), [{ ok: true }])
  t.same(
    database
      .get('d')
      .attachments()
      .map(({ revpos }) => revpos),
    [1],
  )
})

t.test('intake: lengths, digests, encodings and limits', async (t) => {
  const { database } = await testDatabase()
  const take = (bytes: Uint8Array, more: Partial<IncomingAttachment>): Promise<unknown> =>
    settled(content(database, 'a', bytes, more))
  t.match(await take(Buffer.alloc(11), { maxBytes: 10 }), { status: 413, error: 'attachment_too_large' })
  t.match(await take(Buffer.alloc(1), { md5: Buffer.alloc(16) }), {
    status: 400,
    error: 'content_md5_mismatch',
  })
  const packed = gzipSync('plain text')
  t.match(await take(packed, { encoding: 'gzip' }), {
    content: { encoding: 'gzip', length: packed.length, encodedLength: packed.length },
  })
  t.match(await take(packed, { encoding: 'gzip', length: 10 }), { content: { length: 10 } })
  t.match(await take(packed, { encoding: 'gzip', length: 11 }), { status: 400 })
  t.match(await take(Buffer.from('none'), { encoding: 'gzip' }), { status: 400 })
  t.match(await take(packed.subarray(0, 12), { encoding: 'gzip' }), { status: 400 })
  t.match(await take(Buffer.alloc(1000), { pack }), { content: { encoding: 'gzip', length: 1000 } })
  const failing = (async function* () {
    yield randomBytes(200_000)
    throw new Error('the client went away')
  })()
  await t.rejects(
    database.takeAttachment(failing, { name: 'a', encoding: 'identity', maxBytes: 1e9, pack }),
    new Error('the client went away'),
  )
})

t.test('equal content is stored once, and everything is checked', async (t) => {
  const folder = t.testdir()
  const fixture = await fileDatabase(folder)
  const { database } = fixture
  const short = randomBytes(30_000)
  const long = randomBytes(300_000)
  const before = database.info().sizes.file
  for (let n = 0; n < 20; n++) {
    await put(database, { ...edit(`d${n}`), attachments: [await content(database, 'a', short)] })
  }
  t.ok(database.info().sizes.file - before < 2 * short.length, 'short content')
  for (const id of ['x', 'y']) {
    const revision = await put(database, { ...edit(id), attachments: [await content(database, 'a', long)] })
    t.match(revision, /^1-/)
  }
  const [x, y] = ['x', 'y'].map((id) => database.get(id).attachments()[0]!)
  t.same(x!.reference, y!.reference, 'long content')
  const reopened = await fixture.reopen()
  t.equal(await bytesOf(reopened.get('y'), 'a'), long.toString('latin1'))
  t.equal(reopened.info().sizes.external >= 20 * short.length + 2 * long.length, true)
  await reopened.close()
  const store = await openStore(`${folder}/a.nfb`, { readOnly: true, trees: TREE_OPTIONS })
  const report = await store.check()
  t.same(report.problems, [])
  t.equal(store.stats().trees[TREES.attachments]!.count, 2)
  await store.close()
})

t.test('a revision id depends on its attachments, also on a tombstone', async (t) => {
  const { database } = await testDatabase()
  const ids: string[] = []
  for (const [id, text] of [
    ['p', 'one'],
    ['q', 'two'],
    ['r', 'one'],
  ] as const) {
    const first = await put(database, edit(id))
    await put(database, edit(id, {}, { rev: first, deleted: true }))
    const again = await content(database, 'a', Buffer.from(text))
    ids.push(await put(database, { ...edit(id), attachments: [again] }))
  }
  t.equal(ids[0], ids[2])
  t.not(ids[0], ids[1])
})
