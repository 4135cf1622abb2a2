/**
 * A compaction keeps all that can be asked of a database and nothing else: compared before and after, beside writes,
 * and when it is broken off anywhere and gone on with.
 */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { CompactionCancelled, openStore, PageCache } from '../../native-free-btree/index.ts'
import { systemClock } from '../../src/base/clock.ts'
import { type CompactionOptions, compact } from '../../src/database/compaction/compaction.ts'
import type { StoredDatabase } from '../../src/database/database.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { openDatabase } from '../../src/database/open.ts'
import { databaseContents } from '../support/database-contents.ts'
import {
  edit,
  fileDatabase,
  purgeOf,
  put as putEdits,
  replicate,
  replicated,
} from '../support/database-fixture.ts'

t.setTimeout(120_000)

async function compacted(database: StoredDatabase, options: Partial<CompactionOptions> = {}) {
  try {
    return await compact(database.beginCompaction(), { clock: systemClock, ...options })
  } finally {
    await database.endCompaction()
  }
}

/** An edit of the revision that is the winner now, or of none. */
const editOf = (id: string, body: object, rev: string | undefined) =>
  edit(id, body, rev === undefined ? {} : { rev })

const put = (database: StoredDatabase, id: string, body: object, rev?: string) =>
  putEdits(database, editOf(id, body, rev))

async function attach(database: StoredDatabase, id: string, rev: string | undefined, bytes: Buffer) {
  const content = await database.takeAttachment([bytes], { name: 'x', encoding: 'identity', maxBytes: 1e9 })
  const attachments = [{ kind: 'content' as const, name: 'x', type: 'a/b', content, revpos: 0 }]
  const [result] = await database.update([{ ...editOf(id, { with: 'x' }, rev), attachments }])
  return result!.rev!
}

/** Compares, and tells where they differ. */
function sameContents(t: Test, found: object, expected: object, what = 'the same contents'): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  if (a === b) t.pass(what)
  else t.fail(`${what}: ${a.slice(at - 50, at + 150)} instead of ${b.slice(at - 50, at + 150)}`)
}

/** Documents of every kind, most of them rewritten. */
async function fill(database: StoredDatabase, documents: number): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const edits = Array.from({ length: documents }, (_, i) => {
      const id = `doc-${(i * 7919) % documents}`
      return editOf(id, { round, i, text: 'x'.repeat(i % 400) }, database.lookup(id)?.rev)
    })
    await database.update(edits)
  }
  await replicate(database, replicated('doc-1', { other: 1 }, 3, 'cba'))
  await replicate(database, replicated('doc-2', { other: 2 }, 9, 'db'))
  await put(database, 'gone', { a: 1 }).then((rev) =>
    database.update([edit('gone', {}, { rev, deleted: true })]),
  )
  const shared = Buffer.alloc(70_000, 'shared')
  await attach(database, 'with-1', undefined, shared)
  const rev = await attach(database, 'with-2', undefined, shared)
  await attach(database, 'with-2', rev, Buffer.alloc(3_000_000, 'long'))
  await attach(database, 'with-3', undefined, Buffer.from('short'))
  await put(database, 'purged', { a: 1 }).then((purged) => database.purge([purgeOf('purged', [purged])]))
  await database.putLocal('checkpoint', Buffer.from(`{"long":"${'y'.repeat(2000)}"}`), undefined)
  await database.setSecurity(Buffer.from('{"admins":{"names":["ann"],"roles":[]}}'))
  await database.setRevsLimit(20)
  await database.update([{ ...edit('expires', { a: 1 }), expiry: { atMs: 4_000_000_000_000 } }])
  await put(database, 'large', { text: 'z'.repeat(1_500_000) })
}

async function sound(t: Test, path: string): Promise<void> {
  const store = await openStore(path, { readOnly: true, trees: TREE_OPTIONS, cache: new PageCache(1e6) })
  t.same((await store.check()).problems, [])
  await store.close()
}

t.test('a compaction keeps everything but what nobody can ask for', async (t) => {
  const folder = t.testdir()
  const fixture = await fileDatabase(folder)
  const path = join(folder, 'a.nfb')
  const { database } = fixture
  await fill(database, 600)
  const before = await databaseContents(database)
  const { file } = database.info().sizes
  const { uuid } = database
  await compacted(database)
  sameContents(t, await databaseContents(database), before, 'at once')
  const { sizes } = database.info()
  t.ok(sizes.file < file, `${file} bytes before, ${sizes.file} after`)
  t.ok(sizes.file < 1.15 * sizes.external + 100 * 606, 'little beside the bodies')
  await sound(t, path)
  await put(database, 'after', { a: 1 })
  await attach(database, 'with-4', undefined, Buffer.alloc(70_000, 'shared'))
  const after = await databaseContents(database)
  const again = await fixture.reopen()
  t.equal(again.uuid, uuid)
  sameContents(t, await databaseContents(again), after, 'after it was opened again')
  const once = again.info().sizes.file
  await compacted(again)
  sameContents(t, await databaseContents(again), after, 'compacted twice')
  t.ok(again.info().sizes.file <= once)
  await again.close()
  await sound(t, path)
  await t.rejects(stat(`${path}.compact`))
})

t.test('writes go on beside it', async (t) => {
  const folder = t.testdir()
  const { database } = await fileDatabase(folder)
  await fill(database, 300)
  let running = true
  const expected = new Map<string, string>()
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; running; n++) {
      const id = `doc-${(writer * 131 + n * 17) % 300}-${writer}`
      expected.set(id, await put(database, id, { writer, n }, database.lookup(id)?.rev))
      if (n % 20 === 0)
        await attach(database, `${id}-a`, database.lookup(`${id}-a`)?.rev, Buffer.alloc(66_000, String(n)))
    }
  }
  const writers = [0, 1, 2, 3].map(write)
  for (let i = 0; i < 4; i++) await compacted(database, { turnBytes: 4096, stretchBytes: 16_384 })
  running = false
  await Promise.all(writers)
  for (const [id, rev] of expected) if (database.lookup(id)?.rev !== rev) t.fail(`${id} is not ${rev}`)
  const before = await databaseContents(database)
  await database.close()
  const again = await openDatabase(join(folder, 'a.nfb'), 'a')
  sameContents(t, await databaseContents(again), before)
  await again.close()
  await sound(t, join(folder, 'a.nfb'))
})

t.test('broken off anywhere, it is gone on with', async (t) => {
  const folder = t.testdir()
  const fixture = await fileDatabase(folder)
  let { database } = fixture
  await fill(database, 300)
  let before = await databaseContents(database)
  let resumed = 0
  let steps = 0
  for (let round = 0; ; round++) {
    // Further each time: a long value that was not copied whole is copied again.
    let left = 4 + round
    const pace = async (): Promise<void> => {
      steps += 1
      if (left-- <= 0) throw new CompactionCancelled(true)
    }
    try {
      const result = await compacted(database, {
        markBytes: 100_000,
        stretchBytes: 4096,
        turnBytes: 100,
        pace,
      })
      t.equal(result.resumed, true)
      break
    } catch (error) {
      if (!(error instanceof CompactionCancelled)) throw error
      resumed += 1
    }
    await put(database, `between-${round}`, { round })
    before = await databaseContents(database)
    if (round % 2 === 0) database = await fixture.reopen()
    sameContents(t, await databaseContents(database), before)
  }
  t.ok(resumed >= 2, `${resumed} resumptions, ${steps} steps`)
  sameContents(t, await databaseContents(database), before)
  await database.close()
  await sound(t, join(folder, 'a.nfb'))
})

t.test('one that is cancelled for good leaves no file, and neither does a foreign one stay', async (t) => {
  const folder = t.testdir()
  const fixture = await fileDatabase(folder)
  const path = join(folder, 'a.nfb')
  await fill(fixture.database, 200)
  const pace = async (): Promise<void> => {
    throw new CompactionCancelled(false)
  }
  await t.rejects(compacted(fixture.database, { pace }), { message: /cancelled/ })
  await t.rejects(stat(`${path}.compact`), { code: 'ENOENT' })
  const keep = async (): Promise<void> => {
    throw new CompactionCancelled(true)
  }
  await t.rejects(compacted(fixture.database, { pace: keep }), { message: /cancelled/ })
  await stat(`${path}.compact`)
  await fixture.reopen()
  await t.rejects(stat(`${path}.compact`), { code: 'ENOENT' }, 'without a mark it is of no use')
  await fixture.database.close()
})

t.test('a history that was written under a limit raised meanwhile is not cut to the old one', async (t) => {
  const { database } = await fileDatabase(t.testdir())
  await database.setRevsLimit(2)
  await replicate(database, replicated('a', {}, 2, 'ba'))
  let isWritten = false
  await compact(database.beginCompaction(), {
    clock: systemClock,
    pace: async () => {
      if (isWritten) return
      isWritten = true
      await database.setRevsLimit(5)
      await replicate(database, replicated('a', {}, 5, 'edcba'))
    },
  })
  await database.endCompaction()
  t.equal(database.get('a').revisions().ids.length, 5)
  await database.close()
})
