/** What goes wrong with an index costs time, and never a row. */
import { setMaxListeners } from 'node:events'
import { copyFile, mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import type { Database } from '../../src/database/api/database.ts'
import type { ViewsDefinition } from '../../src/indexes/api.ts'
import { treeOptionsOf } from '../../src/indexes/index-trees.ts'
import type { TaskInfo } from '../../src/workers/tasks.ts'
import { startChild } from '../support/child.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { frontOf, KILLED_VIEWS, type Row, rowsOf, viewsDefinition } from '../support/index-fixture.ts'
import { until } from '../support/until.ts'

t.setTimeout(300_000)

const DOCUMENTS = 4000
const COLLATOR = new Intl.Collator('en')

function documents(count = DOCUMENTS): { _id: string; n: number; text: string }[] {
  return Array.from({ length: count }, (_, n) => ({ _id: `d${n}`, n, text: `text ${n}` }))
}

/** Of `KILLED_VIEWS`. */
function expectedRows(count = DOCUMENTS): Row[] {
  const rows: Row[] = documents(count).map(({ _id, n, text }) => [n, _id, text])
  const pairs = documents(count).map(({ _id, n }): Row => [[n % 10, _id], _id, null])
  pairs.sort(([a], [b]) => {
    const [x, y] = [a as [number, string], b as [number, string]]
    return x[0] - y[0] || COLLATOR.compare(x[1], y[1])
  })
  return [...rows, ...pairs]
}

async function newFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-indexes-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function fill(server: TestServer, docs: readonly object[] = documents()): Promise<void> {
  await ask(server, 'PUT /db')
  await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
}

async function leased(server: TestServer): Promise<{ database: Database; release(): void }> {
  const lease = await server.server.databases.lease('db')
  return { database: lease.database, release: () => lease.release() }
}

/** All rows of one index of `db`. */
async function read(server: TestServer, definition: ViewsDefinition = KILLED_VIEWS): Promise<Row[]> {
  const { database, release } = await leased(server)
  try {
    return (await rowsOf(server.server.indexes, database, definition))[0]!
  } finally {
    release()
  }
}

async function indexPaths(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'views'), { recursive: true }).catch(() => [])
  return names.filter((name) => name.endsWith('.davenport')).map((name) => join(folder, 'views', name))
}

t.test('a server that is killed while it builds goes on where it was', async (t) => {
  const dataDir = await newFolder(t)
  const first = await startTestServer({ dataDir, threads: 0 })
  await fill(first)
  await first.stop()
  for (let round = 0; round < 5; round++) {
    const child = startChild('index-server.js', [dataDir], {}, {})
    await child.until(/building/)
    await sleep(round * 120)
    child.process.kill('SIGKILL')
    await child.ended
  }
  const server = await startTestServer({ dataDir, threads: 0 })
  t.teardown(() => server.stop())
  t.same(await read(server), expectedRows())
  t.notOk(server.lines.some((line) => line.includes('built anew')))
})

t.test('when the thread ends those who wait are told, and another one goes on', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server)
  const waits = [read(server), read(server)].map((each) => each.catch((error: unknown) => error))
  await until('a thread', () => server.server.indexing.thread.worker !== undefined)
  await sleep(300)
  await server.server.indexing.thread.worker?.terminate()
  for (const outcome of await Promise.all(waits)) {
    if (outcome instanceof Error) t.match(outcome, { kind: 'serviceUnavailable' })
    else t.equal((outcome as Row[]).length, 2 * DOCUMENTS)
  }
  t.same(await read(server), expectedRows())
  const front = frontOf(server.server)
  t.teardown(() => front.close())
  const database = await front.open('db')
  t.same((await rowsOf(front.indexes, database, KILLED_VIEWS))[0], expectedRows())
  await server.server.indexing.thread.worker?.terminate()
  await fill(server, [{ _id: `d${DOCUMENTS}`, n: DOCUMENTS, text: `text ${DOCUMENTS}` }])
  t.same(await read(server), expectedRows(DOCUMENTS + 1), 'those who followed it follow the next')
  t.same((await rowsOf(front.indexes, database, KILLED_VIEWS))[0], expectedRows(DOCUMENTS + 1))
})

t.test('a file that is damaged is built anew', async (t) => {
  const dataDir = await newFolder(t)
  const before = await startTestServer({ dataDir, threads: 0 })
  await fill(before, documents(1500))
  t.same(await read(before), expectedRows(1500))
  await before.stop()
  for (const share of [0.001, 0.2, 0.5, 0.8, 1]) {
    const [path] = await indexPaths(dataDir)
    const file = await open(path!, 'r+')
    const { size } = await stat(path!)
    await file.write(Buffer.alloc(3000, 0xa5), 0, 3000, Math.max(0, Math.floor(size * share) - 3000))
    await file.close()
    const server = await startTestServer({ dataDir, threads: 0 })
    const rows = await read(server).catch(async (error: unknown) => {
      t.match(error, { kind: 'storageDamaged' }, 'whoever finds it is told')
      return read(server)
    })
    t.same(rows, expectedRows(1500), `damage at ${share}`)
    await server.stop()
  }
})

t.test('a file that is damaged while it is open is built anew', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server, documents(1500))
  t.same(await read(server), expectedRows(1500))
  const [path] = await indexPaths(server.folder)
  const file = await open(path!, 'r+')
  const { size } = await stat(path!)
  await file.write(Buffer.alloc(size - 20_000, 0xa5), 0, size - 20_000, 10_000)
  await file.close()
  const front = frontOf(server.server)
  t.teardown(() => front.close())
  const database = await front.open('db')
  const readThere = async (): Promise<Row[]> => (await rowsOf(front.indexes, database, KILLED_VIEWS))[0]!
  t.same(await readThere(), expectedRows(1500), 'who finds it when he opens it waits for another one')
  t.ok(server.lines.some((line) => line.includes('an index is damaged and is built anew')))
})

t.test('a file in another order, or of something else, is built anew', async (t) => {
  const dataDir = await newFolder(t)
  const first = await startTestServer({ dataDir, threads: 0 })
  await fill(first, documents(50))
  await read(first)
  await first.stop()
  const [path] = await indexPaths(dataDir)
  const lock = async () => ({ release: async () => undefined })
  const trees = treeOptionsOf(KILLED_VIEWS)
  const otherOrder = { name: 'another', version: 1, compare: Buffer.compare }
  for (const changed of [
    { ...trees, 'rows.0': { ...trees['rows.0']!, comparator: otherOrder } },
    { ...trees, 'rows.0': {} },
    trees,
  ]) {
    await rm(path!)
    const store = await openStore(path!, { trees: changed, lock })
    await store.transact((tx) => tx.put('meta', Buffer.from('state'), Buffer.from('{"updateSeq":50}')))
    await store.close()
    const server = await startTestServer({ dataDir, threads: 0 })
    t.same(await read(server), expectedRows(50))
    t.ok(server.lines.some((line) => line.includes('built anew')))
    await server.stop()
  }
})

/** Numbers of changes of the lost history against those of the new one: behind it, as many, before it. */
for (const [lost, written] of [
  [20, 0],
  [20, 10],
  [20, 20],
  [20, 30],
] as const) {
  t.test(
    `a copy of the database was put back, ${lost} changes later, and has ${written} others`,
    async (t) => {
      const dataDir = await newFolder(t)
      const path = join(dataDir, 'databases', 'db.davenport')
      const copy = join(dataDir, 'copy')
      const later = (from: number, count: number): object[] =>
        documents(from + count)
          .slice(from)
          .map((document) => ({ ...document, n: document.n + 1000 }))
      const before = await startTestServer({ dataDir, threads: 0 })
      await fill(before, documents(20))
      t.same(await read(before), expectedRows(20))
      await copyFile(path, copy)
      await fill(before, later(20, lost))
      t.equal((await read(before)).length, 2 * (20 + lost))
      await before.stop()
      await copyFile(copy, path)
      const server = await startTestServer({ dataDir, threads: 0 })
      t.teardown(() => server.stop())
      if (written > 0) await fill(server, later(100, written))
      const front = frontOf(server.server)
      t.teardown(() => front.close())
      const there = await front.open('db')
      const [stale] = await rowsOf(front.indexes, there, KILLED_VIEWS, { freshness: 'stale' })
      const ids = new Set((await read(server)).map(([, id]) => id))
      t.same(new Set(stale!.map(([, id]) => id)), ids, 'also where the rows need not be new')
      t.equal(ids.size, 20 + written)
      t.notOk(ids.has('d20'), 'what was lost is in no row')
      t.same((await rowsOf(front.indexes, there, KILLED_VIEWS))[0], await read(server))
    },
  )
}

t.test('an index of a history that the copy has too stays', async (t) => {
  const dataDir = await newFolder(t)
  const path = join(dataDir, 'databases', 'db.davenport')
  const before = await startTestServer({ dataDir, threads: 0 })
  await fill(before, documents(20))
  t.same(await read(before), expectedRows(20))
  await copyFile(path, join(dataDir, 'copy'))
  await before.stop()
  await copyFile(join(dataDir, 'copy'), path)
  const server = await startTestServer({ dataDir, threads: 0 })
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db/d20', { json: { n: 20, text: 'text 20' } })
  t.same(await read(server), expectedRows(21))
  t.notOk(server.lines.some((line) => line.includes('built anew')))
})

t.test('indexes go with their database, and another one of the name has its own', async (t) => {
  const dataDir = await newFolder(t)
  let server = await startTestServer({ dataDir, threads: 0 })
  await fill(server, documents(20))
  t.same(await read(server), expectedRows(20))
  const [before] = await indexPaths(dataDir)
  await ask(server, 'DELETE /db')
  await fill(server, documents(10))
  t.same(await read(server), expectedRows(10))
  await until('the folder has gone', async () => !(await indexPaths(dataDir)).includes(before!))
  t.equal((await indexPaths(dataDir)).length, 1)
  await server.stop()
  await rm(join(dataDir, 'databases', 'db.davenport'))
  server = await startTestServer({ dataDir, threads: 0 })
  await until('what nobody needs has gone', async () => (await indexPaths(dataDir)).length === 0)
  await server.stop()
})

t.test('a compaction of the database does not disturb its indexes', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server, documents(3000))
  const reading = read(server)
  await ask(server, 'POST /db/_compact', { json: {} })
  t.same(await reading, expectedRows(3000))
  await server.server.compactions.ended('db')
  await ask(server, 'PUT /db/d3000', { json: { n: 3000, text: 'text 3000' } })
  t.same(await read(server), expectedRows(3001))
})

t.test(
  'a compaction of an index tells how far it is, holds up neither builds nor queries, and leaves its rows',
  async (t) => {
    // Longer than any machine needs for what is looked at meanwhile; then it is cancelled, and another one hurries.
    const pace = (bytesPerSecond: string) =>
      ask(server, 'PUT /_node/_local/_config/compaction/bytes_per_second', { json: bytesPerSecond })
    const server = await startTestServer({ threads: 0 })
    t.teardown(() => server.stop())
    await pace('30000')
    await fill(server, documents(2000))
    await read(server)
    const { database, release } = await leased(server)
    t.teardown(release)
    const { indexes, tasks } = server.server
    const [path] = await indexPaths(server.folder)
    const before = (await stat(path!)).size
    for (let round = 0; round < 3; round++) {
      const { json } = await ask(server, 'GET /db/_all_docs')
      const docs = (json as { rows: { id: string; value: { rev: string } }[] }).rows.map(({ id, value }) => {
        const n = Number(id.slice(1))
        return { _id: id, _rev: value.rev, n, text: `text ${n}` }
      })
      await ask(server, 'POST /db/_bulk_docs', { json: { docs } })
      await read(server)
    }
    const grown = (await stat(path!)).size
    t.ok(grown > before)
    await indexes.compact(database, KILLED_VIEWS)
    const compaction = (): TaskInfo | undefined =>
      tasks.list().find(({ type, changes_done }) => type === 'view_compaction' && changes_done > 0)
    await until('it is on its way', () => compaction() !== undefined)
    const first = compaction()!
    t.ok(first.changes_done < first.total_changes, 'and not at its end')
    await ask(server, 'PUT /db/d2000', { json: { n: 2000, text: 'text 2000' } })
    t.same(await read(server), expectedRows(2001))
    t.ok(
      compaction()!.changes_done >= first.changes_done,
      'what was built meanwhile did not wait for its end',
    )
    tasks.cancel(first.pid)
    await until('it is cancelled', () => tasks.list().length === 0)
    t.match(tasks.history()[0], { type: 'view_compaction', status: 'cancelled' })
    t.ok((await stat(path!)).size >= grown, 'a compaction that is cancelled leaves the file')
    t.same(await read(server), expectedRows(2001))
    await pace('0')
    await indexes.compact(database, KILLED_VIEWS)
    await until('it has ended', () => tasks.list().length === 0)
    t.match(tasks.history()[0], { type: 'view_compaction', status: 'completed' })
    t.ok((await stat(path!)).size < grown)
    t.same(await read(server), expectedRows(2001))
    const info = await indexes.info(database, KILLED_VIEWS)
    t.match(info, { updateSeq: database.updateSeqNumber, isBuilding: false, isCompacting: false, waiting: 0 })
    t.ok(
      info.fileBytes >= info.activeBytes && info.activeBytes > info.externalBytes && info.externalBytes > 0,
    )
  },
)

t.test('purges that were forgotten let the index be built anew', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server, documents(30))
  await read(server)
  await ask(server, 'PUT /db/_purged_infos_limit', { body: '2' })
  for (let n = 20; n < 30; n++) {
    const { json } = await ask(server, `GET /db/d${n}`)
    await ask(server, 'POST /db/_purge', { json: { [`d${n}`]: [(json as { _rev: string })._rev] } })
  }
  t.same(await read(server), expectedRows(20))
})

t.test('maps that do not end cost the others nothing', async (t) => {
  const server = await startTestServer({
    threads: 0,
    config: { DAVENPORT_COUCHDB__OS_PROCESS_TIMEOUT: '300' },
  })
  t.teardown(() => server.stop())
  await fill(server, documents(20))
  const hostile = [
    'for (;;) {}',
    'var a = []; for (;;) a.push(a.length + "x")',
    'emit(new Array(1e9).join("x"))',
  ]
  const failures = hostile.map((body) =>
    read(server, viewsDefinition({ bad: { map: `function (doc) { ${body} }` } })).catch(
      (error: unknown) => error,
    ),
  )
  t.same(await read(server), expectedRows(20))
  for (const failure of await Promise.all(failures)) t.type(failure, Error)
  t.same(await read(server), expectedRows(20))
})

t.test('many rows of few documents are written in parts', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server, documents(40))
  const map = 'function (doc) { for (var i = 0; i < 500; i++) emit(i, new Array(2000).join("x")) }'
  const long = viewsDefinition({ long: { map, reduces: ['_count'] } })
  const rows = await read(server, long)
  t.equal(rows.length, 40 * 500)
  t.equal(new Set(rows.map(([key, id]) => `${String(key)} ${id}`)).size, rows.length)
})

t.test('a bound on those who wait, and an orderly end', async (t) => {
  const server = await startTestServer({ threads: 0, config: { DAVENPORT_INDEXES__MAX_WAITING: '3' } })
  await fill(server)
  const { database } = await leased(server)
  const { signal } = new AbortController()
  setMaxListeners(0, signal)
  const waits = Array.from({ length: 8 }, () =>
    rowsOf(server.server.indexes, database, KILLED_VIEWS, { signal }).catch((error: unknown) => error),
  )
  const refused = await Promise.race([waits[7]!, sleep(5000)])
  t.match(refused, { kind: 'serviceUnavailable' })
  const stopped = server.stop()
  const outcomes = await Promise.all(waits)
  t.ok(outcomes.every((each) => Array.isArray(each) || each instanceof Error))
  await stopped
  t.equal(server.server.indexing.thread.worker, undefined)
})

t.test('clean-up removes what no signature names', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  await fill(server, documents(10))
  const other = viewsDefinition({ other: { map: 'function (doc) { emit(doc._id) }' } })
  await read(server)
  await read(server, other)
  t.equal((await indexPaths(server.folder)).length, 2)
  const { database, release } = await leased(server)
  t.teardown(release)
  await server.server.indexes.cleanUp(database, [other.signature])
  t.equal((await indexPaths(server.folder)).length, 1)
  t.equal((await read(server, other)).length, 10)
  t.same(await read(server), expectedRows(10), 'and is there again when it is asked for')
  t.ok((await readFile((await indexPaths(server.folder))[0]!)).length > 0)
})
