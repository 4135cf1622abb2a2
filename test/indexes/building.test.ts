/** Indexes of a server: their rows are those that the documents give, whoever asks, whatever became of the documents. */
import { setMaxListeners } from 'node:events'
import t, { type Test } from 'tap'
import type { Database } from '../../src/database/api/database.ts'
import type { FieldsDefinition, Indexes, ViewsDefinition } from '../../src/indexes/api.ts'
import { ScriptError } from '../../src/scripting/script-error.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { frontOf, type Row, rowsOf, viewsDefinition } from '../support/index-fixture.ts'

t.setTimeout(300_000)

interface Bench {
  server: TestServer
  indexes: Indexes
  database: Database
}

/** The same with the indexes of the core, and with those of a thread that serves requests. */
function both(name: string, test: (t: Test, bench: Bench) => Promise<void>): void {
  for (const isFront of [false, true]) {
    void t.test(`${name}, read by ${isFront ? 'a front' : 'the core'}`, async (t) => {
      const server = await startTestServer({ threads: 0 })
      t.teardown(() => server.stop())
      await ask(server, 'PUT /db')
      if (isFront) {
        const front = frontOf(server.server)
        t.teardown(() => front.close())
        await test(t, { server, indexes: front.indexes, database: await front.open('db') })
        return
      }
      const lease = await server.server.databases.lease('db')
      t.teardown(() => lease.release())
      await test(t, { server, indexes: server.server.indexes, database: lease.database })
    })
  }
}

const BY_N = viewsDefinition({
  byN: {
    map: 'function (doc) { if (doc.n !== undefined) emit(doc.n, doc._id) }',
    reduces: ['_count', '_sum'],
  },
  tags: { map: 'function (doc) { (doc.tags || []).forEach(function (tag) { emit(tag) }) }' },
})

async function write(server: TestServer, docs: readonly object[]): Promise<{ id: string; rev: string }[]> {
  return (await ask(server, 'POST /db/_bulk_docs', { json: { docs } })).json as { id: string; rev: string }[]
}

both('rows follow their documents', async (t, { server, indexes, database }) => {
  t.same(await rowsOf(indexes, database, BY_N), [[], []], 'of no documents')
  const written = await write(server, [
    { _id: 'a', n: 3, tags: ['x', 'y', 'x'] },
    { _id: 'b', n: 1 },
    { _id: 'c', n: 2, tags: ['y'] },
    { _id: '_design/d', n: 0, tags: ['design'] },
    { _id: 'nothing' },
  ])
  const rows: Row[][] = [
    [
      [1, 'b', 'b'],
      [2, 'c', 'c'],
      [3, 'a', 'a'],
    ],
    [
      ['x', 'a', null],
      ['x', 'a', null],
      ['y', 'a', null],
      ['y', 'c', null],
    ],
  ]
  t.same(await rowsOf(indexes, database, BY_N), rows)
  await write(server, [{ _id: 'a', _rev: written[0]!.rev, n: 0, tags: ['z'] }])
  t.same(
    await rowsOf(indexes, database, BY_N),
    [
      [
        [0, 'a', 'a'],
        [1, 'b', 'b'],
        [2, 'c', 'c'],
      ],
      [
        ['y', 'c', null],
        ['z', 'a', null],
      ],
    ],
    'of a document that was changed',
  )
  await write(server, [{ _id: 'b', _rev: written[1]!.rev, _deleted: true }])
  t.same(
    (await rowsOf(indexes, database, BY_N))[0],
    [
      [0, 'a', 'a'],
      [2, 'c', 'c'],
    ],
    'of one that was deleted',
  )
  await ask(server, 'POST /db/_purge', { json: { c: [written[2]!.rev] } })
  t.same(
    await rowsOf(indexes, database, BY_N),
    [[[0, 'a', 'a']], [['z', 'a', null]]],
    'of one that was purged',
  )
})

both('what is acknowledged is in an index that is current', async (t, { server, indexes, database }) => {
  for (let n = 0; n < 30; n++) {
    await ask(server, `PUT /db/${n}`, { json: { n } })
    const [rows] = await rowsOf(indexes, database, BY_N)
    t.equal(rows!.length, n + 1)
  }
  const [before] = await rowsOf(indexes, database, BY_N)
  await ask(server, 'PUT /db/new', { json: { n: 1000 } })
  t.same(
    (await rowsOf(indexes, database, BY_N, { freshness: 'stale' }))[0],
    before,
    'and may be missing in a stale one',
  )
})

both('reductions and ranks are those of the rows', async (t, { server, indexes, database }) => {
  const docs = Array.from({ length: 3000 }, (_, n) => ({ _id: `d${n}`, n }))
  await write(server, docs)
  const snapshot = await indexes.open(database, BY_N, {
    freshness: 'current',
    signal: new AbortController().signal,
  })
  const [tree] = snapshot.trees
  t.equal(tree!.count(), 3000)
  t.equal(snapshot.updateSeq, database.updateSeqNumber)
  const cursor = tree!.cursor({ skip: 1000 })
  t.ok(cursor.next())
  t.equal(tree!.rank(cursor.place()), 1000)
  t.equal(tree!.reduce({ start: cursor.place() }).count, 2000)
  const back = tree!.cursor({ reverse: true })
  t.ok(back.next())
  t.equal(back.key().toString(), '2999')
  snapshot.close()
})

both('a map that fails ends the build, and a new one begins', async (t, { server, indexes, database }) => {
  await write(server, [{ _id: 'a', n: 1 }])
  const fatal: ViewsDefinition = viewsDefinition({ bad: { map: 'function () { throw "fatal_error" }' } })
  for (let round = 0; round < 2; round++) {
    const error = await rowsOf(indexes, database, fatal).catch((thrown: unknown) => thrown)
    t.type(error, ScriptError)
  }
  t.equal((await rowsOf(indexes, database, BY_N))[0]!.length, 1, 'others are built')
})

both('who goes is not waited with, and the build goes on', async (t, { server, indexes, database }) => {
  const docs = Array.from({ length: 5000 }, (_, n) => ({ _id: `d${n}`, n }))
  await write(server, docs)
  const gone = new AbortController()
  setMaxListeners(0, gone.signal)
  const waits = Array.from({ length: 20 }, (_, at) =>
    rowsOf(indexes, database, BY_N, at === 0 ? {} : { signal: gone.signal }).catch((error: unknown) => error),
  )
  setTimeout(() => gone.abort(new Error('gone')), 5)
  const [first, ...others] = await Promise.all(waits)
  t.equal((first as Row[][])[0]!.length, 5000)
  t.ok(
    others.every((each) =>
      each instanceof Error ? each.message === 'gone' : (each as Row[][])[0]!.length === 5000,
    ),
  )
})

const REPEATED = viewsDefinition({
  repeated: {
    map: 'function (doc) { emit(1, "second"); emit([1e21], -1.5e-9); emit(1, "first"); emit("1e5", "\\u0001e") }',
  },
})

both('rows are in the order and the texts of CouchDB', async (t, { server, indexes, database }) => {
  await write(server, [{ _id: 'a' }])
  const snapshot = await indexes.open(database, REPEATED, {
    freshness: 'current',
    signal: new AbortController().signal,
  })
  const cursor = snapshot.trees[0]!.cursor({})
  const texts: string[] = []
  while (cursor.next()) texts.push(`${cursor.key().toString()} ${cursor.value().toString()}`)
  snapshot.close()
  t.same(texts, ['1 "first"', '1 "second"', '"1e5" "\\u0001e"', '[1.0e21] -1.5e-9'])
})

const BY_FIELDS: FieldsDefinition = {
  kind: 'fields',
  signature: 'f1',
  fields: [['a', 'b'], ['list', '1'], ['na"me']],
  filter: Buffer.from('{"kept":{"$ne":false}}'),
  isPartitioned: false,
}

both('indexes of fields have the documents with all of them', async (t, { server, indexes, database }) => {
  await write(server, [
    { _id: '1', a: { b: 'x', c: 1 }, list: [0, { deep: ['y'] }], 'na"me': null, kept: true },
    { _id: '2', a: { b: 7 }, list: ['[', ',"\\'], 'na"me': true, kept: 1 },
    { _id: 'no element', a: { b: 7 }, list: [1], 'na"me': true, kept: 1 },
    { _id: 'no member', a: { c: 7 }, list: [1, 2], 'na"me': true, kept: 1 },
    { _id: 'astray', a: 1, list: [1, 2], 'na"me': true, kept: 1 },
    { _id: 'filtered', a: { b: 7 }, list: [1, 2], 'na"me': true, kept: false },
    { _id: '_design/d', a: { b: 7 }, list: [1, 2], 'na"me': true, kept: 1 },
  ])
  t.same(await rowsOf(indexes, database, BY_FIELDS), [
    [
      [[7, ',"\\', true], '2', null],
      [['x', { deep: ['y'] }, null], '1', null],
    ],
  ])
})

/** So many documents are made a file as a whole. */
const MANY = 4500

both(
  'the first rows of many documents, and what becomes of them',
  async (t, { server, indexes, database }) => {
    interface Doc {
      _id: string
      _rev?: string
      n: number
      kind?: string
    }
    const docs = new Map<string, Doc>()
    const put = async (changed: readonly Doc[]): Promise<void> => {
      const written = await write(server, changed)
      for (const [at, doc] of changed.entries()) docs.set(doc._id, { ...doc, _rev: written[at]!.rev })
    }
    await put(
      Array.from({ length: MANY }, (_, n) => ({
        _id: `d${n}`,
        n: (n * 7919) % MANY,
        ...(n % 3 > 0 && { kind: ['é', 'plain'][n % 2]! }),
      })),
    )
    const byKind: FieldsDefinition = {
      kind: 'fields',
      signature: 'f00',
      fields: [['kind'], ['n']],
      filter: Buffer.from('{"n":{"$gt":10}}'),
      isPartitioned: false,
    }
    const byId: FieldsDefinition = {
      ...byKind,
      signature: 'f01',
      fields: [['n'], ['_id']],
      filter: undefined,
    }
    const check = async (when: string): Promise<void> => {
      const all = [...docs.values()].sort((a, b) => a.n - b.n)
      const kinds = all.filter(({ n, kind }) => kind !== undefined && n > 10)
      const expected = [
        ...kinds.filter(({ kind }) => kind === 'é'),
        ...kinds.filter(({ kind }) => kind === 'plain'),
      ].map(({ _id, kind, n }): Row => [[kind, n], _id, null])
      t.same(await rowsOf(indexes, database, byKind), [expected], `${when}: a partial index`)
      const ids = all.map(({ _id, n }): Row => [[n, _id], _id, null])
      t.same(await rowsOf(indexes, database, byId), [ids], `${when}: an index with ids`)
      const views = all.map(({ _id, n }): Row => [n, _id, _id])
      t.same(await rowsOf(indexes, database, BY_N), [views, []], `${when}: a view`)
    }
    await check('at first')
    const some = [...docs.values()].filter((_, at) => at % 5 === 0)
    await put(some.map((doc) => ({ ...doc, n: doc.n + 0.5 })))
    const gone = [...docs.values()].filter((_, at) => at % 7 === 0)
    await write(
      server,
      gone.map(({ _id, _rev }) => ({ _id, _rev, _deleted: true })),
    )
    for (const { _id } of gone) docs.delete(_id)
    const { _id: purged, _rev } = docs.get('d1')!
    await ask(server, 'POST /db/_purge', { json: { [purged]: [_rev] } })
    docs.delete(purged)
    await put([{ _id: 'late', n: -1, kind: 'plain' }])
    await check('after changes')
  },
)
