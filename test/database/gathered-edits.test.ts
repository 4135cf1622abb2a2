/**
 * Single edits that go to the writer's thread in one piece: what is answered and stored is what each would get and leave alone, one
 * behind the other.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Compression } from '../../src/base/compression.ts'
import { DatabaseError } from '../../src/base/errors.ts'
import { Metrics } from '../../src/base/metrics.ts'
import type { Database, DocumentEdit, EditCheck, UpdateOptions } from '../../src/database/api/database.ts'
import { createDatabase } from '../../src/database/open.ts'
import { databaseContents } from '../support/database-contents.ts'
import { edit, put, replicated, settled, testDatabase, told } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(60_000)

const COMPARED = { uuid: undefined, instanceStartTime: undefined, nextExpiry: undefined }

/** A front, and a database beside it whose edits wait for each other. */
async function pair(t: Test, properties: { partitioned?: boolean } = {}, compression: Compression = 'none') {
  const folder = t.testdir({ plain: {}, shared: {} })
  const plain = await createDatabase(join(folder, 'plain', 'a.nfb'), 'a', {
    properties,
    compression: () => compression,
  })
  const { core, follow } = await sharedDatabase(t, { properties }, join(folder, 'shared'))
  const { database: front, writer } = await follow({ compression: () => compression })
  t.teardown(() => plain.close())
  /** Each edit as a request of its own, all at once. Returns what the writer was called for them. */
  const write = async (edits: readonly DocumentEdit[], what: string, options: UpdateOptions = {}) => {
    const alone: unknown[] = []
    for (const each of edits) alone.push(await settled(told(plain.update([each], options))))
    const before = writer.updates
    const together = await Promise.all(edits.map((each) => settled(told(front.update([each], options)))))
    t.strictSame(together, alone, what)
    return writer.updates - before
  }
  const same = async () => {
    const wanted = { ...(await databaseContents(plain)), ...COMPARED }
    for (const database of [front, core]) {
      t.strictSame({ ...(await databaseContents(database)), ...COMPARED }, wanted)
    }
  }
  return { plain, front, core, writer, write, same }
}

const revOf = (database: Database, id: string): string => database.get(id).rev

/** Edits that extend each other; revisions do not depend on the id. */
async function chainOf(id: string, length: number): Promise<DocumentEdit[]> {
  const { database } = await testDatabase()
  const chain: DocumentEdit[] = []
  for (let n = 0; n < length; n++) {
    const next = edit(id, { n }, n === 0 ? {} : { rev: revOf(database, id) })
    await put(database, next)
    chain.push(next)
  }
  await database.close()
  return chain
}

t.test('edits of all kinds, answered and stored as alone', async (t) => {
  const { plain, write, same } = await pair(t)
  const some = Array.from({ length: 30 }, (_, n) => edit(`d${29 - n}`, { n }))
  t.equal(await write(some, 'new documents, in no order of their ids'), 1)
  const updates = some.map(({ id }, n) => edit(id, { n, v: 2 }, { rev: revOf(plain, id) }))
  t.equal(await write(updates, 'updates'), 1)
  t.equal(await write(updates, 'conflicts'), 1)
  t.equal(await write(some, 'conflicts of new ones'), 1)
  const twice = [edit('twice', { v: 1 }), edit('twice', { v: 2 }), edit('other'), edit('twice', { v: 3 })]
  t.equal(await write(twice, 'of one document the first'), 1)
  t.equal(await write(await chainOf('chain', 5), 'each upon the one before, whose revision was guessed'), 1)

  const gone = some.slice(0, 3).map(({ id }) => edit(id, {}, { rev: revOf(plain, id), deleted: true }))
  t.equal(await write(gone, 'deletions'), 3, 'go alone')
  const again = gone.map(({ id }) => edit(id, { again: true }))
  t.equal(await write(again, 'documents that were deleted'), 1)
  await write(
    [
      edit('before', { n: 1 }),
      edit('long', { text: 'x'.repeat(100_000) }),
      edit('_local/l', { n: 1 }),
      edit('_design/d', { views: {} }),
      edit('before', { n: 2 }),
      { ...edit('short-lived'), expiry: { atMs: 2_000_000_000_000 } },
      edit('i'.repeat(300)),
      edit('é'),
      edit('malformed', {}, { rev: 'x' }),
      edit('odd', {}, { rev: '1-odd' }),
      edit('far', {}, { rev: `${2 ** 31}-${'a'.repeat(32)}` }),
      edit('behind', { n: 3 }),
    ],
    'others among them, in their order',
  )
  const options = { newEdits: false }
  await write(
    [replicated('d5', { r: 1 }, 3, 'cba'), replicated('r', {}, 2, 'ef')],
    'replicated ones',
    options,
  )
  await write([edit('d5', { v: 3 }, { rev: revOf(plain, 'd5') }), edit('r', {})], 'of a document in conflict')
  await same()
})

t.test('texts and histories of all lengths', async (t) => {
  for (const compression of ['none', 'snappy'] as const) {
    const { plain, write, same } = await pair(t, {}, compression)
    const texts = Array.from({ length: 40 }, (_, n) => edit(`t${n}`, { text: 'abcdefgh'.repeat(n * n) }))
    t.equal(await write(texts, `${compression}: new`), 1)
    const old = [300, 2, 255, 256, 70_000].map((start, n) => {
      const ids = ['a', 'b'].map((digit) => digit.repeat(32))
      return edit(`old${n}`, {}, { revisions: { start, ids } })
    })
    await write(old, 'with revisions', { newEdits: false })
    const more = [...old, ...texts].map(({ id }, n) => edit(id, { n }, { rev: revOf(plain, id) }))
    t.equal(await write(more, `${compression}: updates`), 1)
    await write(
      [edit('t1', {}, { rev: `0-${'a'.repeat(32)}` }), edit('zero', {}, { rev: `0-${'a'.repeat(32)}` })],
      'no generation',
    )
    await same()
  }
})

t.test('partitions', async (t) => {
  const { write, same } = await pair(t, { partitioned: true })
  t.equal(await write([edit('a:1'), edit('b:1'), edit('none')], 'each alone'), 2)
  await same()
})

t.test('what ends the write of all ends none', async (t) => {
  const { writer, write, same, front } = await pair(t)
  let failures = 1
  writer.beforeUpdate = () => {
    if (failures === 0) return
    failures -= 1
    throw new DatabaseError('storageUnavailable')
  }
  t.equal(await write([edit('a'), edit('b'), edit('a')], 'then each goes alone'), 4)
  await same()
  failures = Infinity
  const writes = ['c', 'd'].map((id) => settled(front.update([edit(id)])))
  t.match(await Promise.all(writes), [{ status: 503 }, { status: 503 }])
  failures = 1
  t.match(await settled(front.update([edit('e')])), { status: 503 }, 'one is alone already')
})

t.test('edits that were checked against different rules', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  let isChecked = false
  const check: EditCheck = {
    isNeeded: () => {
      isChecked = front.hasValidation()
      return isChecked
    },
    look: async (edits) => edits.map(() => new DatabaseError('forbidden')),
  }
  const write = (id: string) => told(front.update([edit(id)], { check }))
  const together = [write('a'), write('b')]
  const guard = put(core, edit('_design/d', { validate_doc_update: 'function () {}' }))
  t.equal(writer.updates, 0, 'they wait for each other')
  await guard
  const answers = await Promise.all([...together, write('c')])
  t.match(answers[2], [{ status: 403 }])
  for (const answer of answers.slice(0, 2)) {
    const [one] = answer as { ok: boolean; status?: number }[]
    t.ok(one!.ok || one!.status === 403, 'written before the design document, or refused')
  }
  const stamps = [
    front.update([edit('x')]),
    front.update([edit('y')], { check: { ...check, isNeeded: () => false } }),
  ]
  const before = writer.updates
  t.match(await Promise.all(stamps), [[{ ok: true }], [{ ok: true }]])
  t.equal(writer.updates - before, 1, 'the first went when the second came')
})

t.test('a piece is never more than one transaction, however many are written at once', async (t) => {
  const { writer, write, same } = await pair(t)
  let pieces = 0
  writer.beforeUpdate = () => {
    pieces += 1
    // The last piece: had it been a part of the first, that would be written, and each of it again, in vain.
    if (pieces === 3) throw new DatabaseError('storageUnavailable')
  }
  const edits = Array.from({ length: 600 }, (_, n) => edit(`d${n}`))
  t.equal(await write(edits, 'each is answered as alone'), 3 + 600 - 512)
  await same()
})

t.test('each is counted as a write', async (t) => {
  const metrics = new Metrics()
  const { follow } = await sharedDatabase(t, { metrics })
  const { database: front } = await follow()
  await Promise.all(['a', 'b', 'a'].map((id) => told(front.update([edit(id)]))))
  t.equal(metrics.value('couchdb.database_writes'), 2)
  t.equal(metrics.value('couchdb.coalesced_updates.interactive'), 2)
})
