/** Compaction as a client sees it, in the real workers. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { Compactions } from '../../src/server/compactions.ts'
import { WorkerPool } from '../../src/workers/pool.ts'
import type { TaskInfo } from '../../src/workers/tasks.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'

t.setTimeout(120_000)

const JSON_TYPE = { 'content-type': 'application/json' }

async function call(server: TestServer, method: string, path: string, body?: unknown) {
  const response = await fetch(`${server.http.url}${path}`, {
    method,
    headers: { ...JSON_TYPE, authorization: server.authorization },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, never> }
}

/** Writes documents and writes them again. */
async function fill(server: TestServer, documents: number, rounds: number): Promise<Map<string, string>> {
  const revs = new Map<string, string>()
  for (let round = 0; round < rounds; round++) {
    const docs = Array.from({ length: documents }, (_, i) => {
      const _id = `doc-${i}`
      const _rev = revs.get(_id)
      return { _id, ...(_rev && { _rev }), round, text: 'x'.repeat(500) }
    })
    const { body } = await call(server, 'POST', '/a/_bulk_docs', { docs })
    for (const { id, rev } of body as unknown as { id: string; rev: string }[]) revs.set(id, rev)
  }
  return revs
}

async function history(server: TestServer): Promise<TaskInfo[]> {
  const { body } = await call(server, 'GET', '/_active_tasks?history=true')
  return body as unknown as TaskInfo[]
}

/** What `_active_tasks` said, until none is left. */
async function watch(server: TestServer, each: (task: TaskInfo) => Promise<void> = async () => {}) {
  const seen: TaskInfo[] = []
  for (;;) {
    const { body } = await call(server, 'GET', '/_active_tasks')
    const [task] = body as unknown as TaskInfo[]
    if (task === undefined) return seen
    seen.push(task)
    await each(task)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}

t.test('a compaction can be asked for and watched', async (t) => {
  // Slow enough to be met while it runs, however seldom this process gets a turn.
  const server = await startTestServer({ config: { DAVENPORT_COMPACTION__BYTES_PER_SECOND: '500000' } })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  const revs = await fill(server, 1000, 5)
  const before = (await call(server, 'GET', '/a')).body as unknown as { sizes: { file: number } }
  const dry = await call(server, 'POST', '/a/_compact?dry_run=true')
  t.equal(dry.status, 200)
  const { freed } = dry.body.sizes as unknown as { freed: number }
  t.equal((await call(server, 'POST', '/a/_compact?dry_run=maybe')).status, 400)
  const refused = await fetch(`${server.http.url}/a/_compact`, {
    method: 'POST',
    headers: { authorization: server.authorization },
  })
  t.equal(refused.status, 415)
  t.same(await call(server, 'POST', '/a/_compact'), { status: 202, body: { ok: true } })
  t.same(await call(server, 'POST', '/a/_compact'), { status: 202, body: { ok: true } }, 'and once more')
  let running = false
  const seen = await watch(server, async () => {
    const { body } = await call(server, 'GET', '/a')
    running ||= body.compact_running as unknown as boolean
  })
  t.ok(running, 'the database says so')
  t.match(seen[0], {
    node: 'nonode@nohost',
    pid: /^<0\.\d+\.0>$/,
    type: 'database_compaction',
    database: 'a',
    status: 'running',
    progress: Number,
    changes_done: Number,
    total_changes: Number,
    started_on: Number,
    updated_on: Number,
    bytes_done: Number,
    bytes_to_do: Number,
  })
  for (const [i, task] of seen.entries()) {
    const last = seen[i - 1]
    if (last && (task.progress < last.progress || task.changes_done < last.changes_done))
      t.fail('it went back')
  }
  const [ended] = await history(server)
  t.match(ended, { status: 'completed', progress: 100 })
  const after = (await call(server, 'GET', '/a')).body as unknown as typeof before & {
    compact_running: boolean
  }
  t.equal(after.compact_running, false)
  t.ok(after.sizes.file < before.sizes.file / 2, `${before.sizes.file} bytes, then ${after.sizes.file}`)
  const promised = before.sizes.file - freed
  t.ok(Math.abs(promised / after.sizes.file - 1) < 0.2, `the dry run promised ${promised} bytes`)
  for (const [id, rev] of [...revs].slice(0, 50)) {
    const { body } = await call(server, 'GET', `/a/${id}`)
    if (body._rev !== rev) t.fail(`${id} is not ${rev}`)
  }
})

t.test('one can be cancelled', async (t) => {
  const server = await startTestServer({ config: { DAVENPORT_COMPACTION__BYTES_PER_SECOND: '200000' } })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  await fill(server, 1000, 2)
  await call(server, 'POST', '/a/_compact')
  t.equal((await call(server, 'DELETE', '/_active_tasks/%3C0.99.0%3E')).status, 404)
  t.equal((await call(server, 'DELETE', '/_active_tasks')).status, 405)
  let asked = false
  const seen = await watch(server, async ({ pid, progress }) => {
    if (asked || progress < 10) return
    asked = true
    t.same((await call(server, 'DELETE', `/_active_tasks/${encodeURIComponent(pid)}`)).status, 202)
  })
  t.ok(asked)
  t.ok(seen.length > 0)
  t.match((await history(server))[0], { status: 'cancelled' })
  const files = await readdir(join(server.folder, 'databases'))
  t.notOk(
    files.find((name) => name.includes('compact')),
    'no file is left',
  )
  t.equal((await call(server, 'PUT', '/a/more', { a: 1 })).status, 201)
})

t.test('a server that stops leaves the file, and the next compaction goes on from it', async (t) => {
  const server = await startTestServer({ config: { DAVENPORT_COMPACTION__BYTES_PER_SECOND: '200000' } })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  await fill(server, 1500, 1)
  await server.server.compactions.start('a')
  await watch(server, async ({ progress }) => {
    if (progress >= 40) await server.server.compactions.stop()
  })
  t.match((await history(server))[0], { status: 'cancelled' })
  t.ok(existsSync(join(server.folder, 'databases', 'a.davenport.compact')))
  t.equal((await call(server, 'PUT', '/a/more', { a: 1 })).status, 201)
})

t.test('a database that is deleted meanwhile takes its files with it', async (t) => {
  const server = await startTestServer({ config: { DAVENPORT_COMPACTION__BYTES_PER_SECOND: '200000' } })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  await fill(server, 1500, 1)
  await call(server, 'POST', '/a/_compact')
  let asked = false
  await watch(server, async ({ progress }) => {
    if (progress < 10 || asked) return
    asked = true
    t.equal((await call(server, 'DELETE', '/a')).status, 200)
  })
  t.ok(asked)
  t.match((await history(server))[0], { status: 'cancelled' })
  t.same(
    (await readdir(join(server.folder, 'databases'))).filter((name) => name.startsWith('a.')),
    [],
  )
})

t.test('a database that has much to give back is compacted unasked', async (t) => {
  const server = await startTestServer({
    config: {
      DAVENPORT_COMPACTION__INTERVAL_MS: '50',
      DAVENPORT_COMPACTION__LEAST_FILE_BYTES: '100000',
      DAVENPORT_COMPACTION__FRAGMENTATION_PERCENT: '60',
    },
  })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  await fill(server, 300, 5)
  while ((await history(server)).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
  t.match((await history(server))[0], { status: 'completed', database: 'a' })
})

t.test('none begins where there is no room', async (t) => {
  const server = await startTestServer({ config: { DAVENPORT_COMPACTION__RESERVE_BYTES: String(2 ** 49) } })
  t.teardown(() => server.stop())
  await call(server, 'PUT', '/a')
  const { status, body } = await call(server, 'POST', '/a/_compact')
  t.match([status, body], [507, { error: 'insufficient_storage', reason: /needs \d+ bytes/ }])
  t.same(await history(server), [])
})

/** Compactions of a server whose jobs run another module. */
function other(server: TestServer, worker: string, memoryBytes = 64 * 1024 * 1024): Compactions {
  return new Compactions({
    lease: (name) => server.server.databases.lease(name),
    pool: new WorkerPool({ threads: 1, memoryBytes, idleMs: 1000 }),
    tasks: server.server.tasks,
    clock: systemClock,
    settings: {
      bytesPerSecond: 0,
      sharePercent: 100,
      cacheBytes: 1024 * 1024,
      reserveBytes: 0,
      compression: 'none',
    },
    worker: pathToFileURL(worker).href,
  })
}

/** Asks for the writer's turn, as the last step of a compaction does. */
const TAKE_TURN = `
  await new Promise((resolve) => {
    job.port.on('message', resolve)
    job.port.postMessage({ call: 1, method: 'turn' })
  })`

/** V8 of Node 24 may end the whole process where a thread runs out of memory, above all on a machine that is busy. */
const endsProcess = Number.parseInt(process.versions.node, 10) >= 24

const RUN_OUT = `
  const all = []
  for (;;) {
    all.push(new Array(1e4).fill(all.length))
    await new Promise(setImmediate)
  }`

const FAILURES: [string, string, RegExp][] = [
  ['throws', 'throw new Error("broken")', /broken/],
  ['runs out of memory', RUN_OUT, /memory/i],
  ['ends its thread', 'process.exit(3)', /exit/i],
]

for (const [what, code, reason] of FAILURES) {
  const skip = what === 'runs out of memory' && endsProcess && 'V8 may end the process'
  t.test(`a task that ${what} while it has the writer's turn harms nothing`, { skip }, async (t) => {
    const server = await startTestServer()
    t.teardown(() => server.stop())
    await call(server, 'PUT', '/a')
    await fill(server, 10, 2)
    const folder = t.testdir({ 'worker.mjs': `export default async (job) => { ${TAKE_TURN}\n${code} }` })
    const compactions = other(server, join(folder, 'worker.mjs'))
    await compactions.start('a')
    const written = call(server, 'PUT', '/a/during', { a: 1 })
    await compactions.ended('a')
    t.equal((await written).status, 201)
    const [task] = await history(server)
    t.match(task, { status: 'failed', error: reason })
    t.ok(
      server.lines.some((line) => line.includes('task failed') && reason.test(line)),
      'it is logged',
    )
    t.equal((await call(server, 'GET', '/a')).body.compact_running, false)
    await server.server.compactions.start('a')
    await server.server.compactions.ended('a')
    t.match((await history(server))[0], { status: 'completed' })
    t.equal((await call(server, 'GET', '/a/during')).status, 200)
    await compactions.stop()
  })
}

t.test(
  'bodies are packed from the moment on that the setting changes, and by the next compaction',
  async (t) => {
    const server = await startTestServer()
    t.teardown(() => server.stop())
    await call(server, 'PUT', '/a')
    await fill(server, 20, 1)
    type Sizes = { active: number; external: number }
    const sizes = async () => (await call(server, 'GET', '/a')).body['sizes'] as unknown as Sizes
    const before = await sizes()
    t.ok(before.active > before.external)
    const setting = '/_node/_local/_config/couchdb/file_compression'
    t.equal((await call(server, 'PUT', setting, 'zip')).status, 400)
    t.match(await call(server, 'PUT', setting, 'snappy'), { status: 200, body: 'none' })
    const text = 'y'.repeat(5000)
    await call(server, 'PUT', '/a/packed', { text })
    const written = await sizes()
    t.ok(written.external > before.external + 5000)
    t.ok(written.active < before.active + 1000, 'what is written is packed')
    await server.server.compactions.start('a')
    await server.server.compactions.ended('a')
    const compacted = await sizes()
    t.ok(compacted.active < written.active - 20 * 400, 'and what is compacted')
    t.equal(compacted.external, written.external)
    t.match((await call(server, 'GET', '/a/packed')).body, { text })
    const found = await call(server, 'POST', '/a/_find', { selector: { text }, fields: ['_id'] })
    t.match(found.body, { docs: [{ _id: 'packed' }] })
    for (const path of ['/a/_all_docs?include_docs=true', '/a/_changes?include_docs=true']) {
      const { body } = await call(server, 'GET', path)
      const { rows = [], results = rows } = body as Record<string, { doc: { text: string } }[]>
      const docs = results.map(({ doc }) => doc.text)
      t.same(docs.sort(), [...new Array<string>(20).fill('x'.repeat(500)), text], path)
    }
  },
)

t.test('an idle pool has no threads', async (t) => {
  const pool = new WorkerPool({ threads: 2, memoryBytes: 64 * 1024 * 1024, idleMs: 50 })
  const folder = t.testdir({ 'worker.mjs': 'export default (n) => n * 2' })
  const url = pathToFileURL(join(folder, 'worker.mjs')).href
  const signal = new AbortController().signal
  t.equal(pool.threads, 0)
  t.equal(await pool.run(url, 21, { transfer: [], signal }), 42)
  while (pool.threads > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(await pool.run(url, 4, { transfer: [], signal }), 8, 'and makes one when it needs it')
  await pool.destroy()
})
