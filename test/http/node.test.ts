/** The server as a node: what it says of itself, in whichever thread it is asked, and who may hear it. */
import t from 'tap'
import { METRIC_NAMES, METRICS } from '../../src/base/metric-table.ts'
import { HttpClient } from '../support/http-client.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(240_000)

const STATS = '/_node/_local/_stats'
const NODE = 'nonode@nohost'

interface Histogram {
  n: number
  max: number
}

async function figure<T = number>(server: TestServer, path: string): Promise<T> {
  const { json, status } = await ask(server, `GET ${STATS}/${path}`)
  if (status !== 200 || json === null) throw new Error(`no figure ${path}`)
  return (json as { value: T }).value
}

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads, config: { DAVENPORT_LOG__LEVEL: 'debug' } })
    t.teardown(() => server.stop())

    t.test('requests are counted where they come in, by method and by answer', async (t) => {
      const names = ['httpd/requests', 'httpd_request_methods/PUT', 'httpd_request_methods/HEAD']
      const codes = ['httpd_status_codes/201', 'httpd_status_codes/404', 'httpd_status_codes/409']
      const before = await Promise.all([...names, ...codes].map((name) => figure(server, `couchdb/${name}`)))
      // A connection each: every thread gets some.
      await Promise.all(
        Array.from({ length: 20 }, async (_, at) => {
          await ask(server, `PUT /counted${at}`)
          await ask(server, `PUT /counted${at}/a`, { json: {} })
          await ask(server, `PUT /counted${at}/a`, { json: {} })
          await ask(server, `HEAD /counted${at}/b`)
        }),
      )
      const after = await Promise.all([...names, ...codes].map((name) => figure(server, `couchdb/${name}`)))
      const grown = after.map((count, at) => count - before[at]!)
      t.ok(grown[0]! >= 80)
      t.same(grown.slice(1), [60, 20, 40, 20, 20])
    })

    t.test('documents, reads, purges, attachments of none', async (t) => {
      await ask(server, 'PUT /db')
      const paths = [
        'document_inserts',
        'document_writes',
        'local_document_writes',
        'database_reads',
        'httpd/bulk_requests',
        'httpd/purge_requests',
        'document_purges/total',
        'document_purges/success',
        'document_purges/failure',
        'database_purges',
      ].map((path) => `couchdb/${path}`)
      const before = await Promise.all(paths.map((path) => figure(server, path)))
      const { json } = await ask(server, 'PUT /db/a', { json: {} })
      const { rev } = json as { rev: string }
      await ask(server, 'PUT /db/a', { json: { _rev: rev } })
      await ask(server, 'PUT /db/a', { json: {} })
      await ask(server, 'PUT /db/_local/l', { json: {} })
      await ask(server, 'POST /db/_bulk_docs', { json: { docs: [{ _id: 'b' }, { _id: 'c' }, { _id: 'a' }] } })
      await ask(server, 'GET /db/a')
      await ask(server, 'GET /db/nothing')
      await ask(server, 'GET /db/_all_docs?include_docs=true')
      await ask(server, 'GET /db/_all_docs')
      const got = await ask(server, 'GET /db/b')
      const { _rev } = got.json as { _rev: string }
      await ask(server, 'POST /db/_purge', { json: { b: [_rev], c: ['1-00000000000000000000000000000000'] } })
      const after = await Promise.all(paths.map((path) => figure(server, path)))
      t.same(
        after.map((count, at) => count - before[at]!),
        [3, 4, 1, 5, 1, 1, 2, 1, 1, 1],
      )
    })

    t.test('what is measured: requests, syncs, openings, bulk requests', async (t) => {
      await ask(server, 'PUT /measured')
      await ask(server, 'PUT /measured/a', { json: {} })
      await ask(server, 'POST /measured/_bulk_docs', { json: { docs: [{}, {}, {}, {}, {}] } })
      await ask(server, 'GET /measured')
      for (const name of ['request_time', 'httpd/bulk_docs', 'dbinfo', 'collect_results_time']) {
        t.ok((await figure<Histogram>(server, `couchdb/${name}`)).n > 0, name)
      }
      const bulk = await figure<Histogram>(server, 'couchdb/httpd/bulk_docs')
      t.ok(bulk.max >= 5 && bulk.max < 6, `${bulk.max}`)
      t.ok((await figure<Histogram>(server, 'fsync/time')).n > 0)
      t.ok((await figure(server, 'fsync/count')) > 0)
      t.ok((await figure(server, 'couchdb/commits')) > 0)
      t.ok((await figure(server, 'couchdb/open_databases')) > 0)
      t.ok((await figure(server, 'couchdb/open_os_files')) > 3)
      t.ok((await figure(server, 'couch_log/level/notice')) > 0, 'the log of every thread')
    })

    t.test('functions that validate, and what they refuse', async (t) => {
      await ask(server, 'PUT /validated')
      const refuses = "function (doc) { if (doc.bad) throw {forbidden: 'no'} }"
      await ask(server, 'PUT /validated/_design/d', { json: { validate_doc_update: refuses } })
      const paths = ['calls/ddoc_vdu', 'vdu_rejects'].map((path) => `couchdb/query_server/${path}`)
      const before = await Promise.all(paths.map((path) => figure(server, path)))
      t.equal((await ask(server, 'PUT /validated/a', { json: {} })).status, 201)
      t.equal((await ask(server, 'PUT /validated/b', { json: { bad: true } })).status, 403)
      const after = await Promise.all(paths.map((path) => figure(server, path)))
      t.same(
        after.map((count, at) => count - before[at]!),
        [2, 1],
      )
      t.ok((await figure<Histogram>(server, 'couchdb/query_server/vdu_process_time')).n > 0)
    })

    t.test('sections, keys, and what is not there', async (t) => {
      const all = (await ask(server, `GET ${STATS}`)).json as Record<string, unknown>
      for (const name of METRIC_NAMES) {
        const { path, kind, description } = METRICS.get(name)!
        const found = path.reduce<unknown>((tree, member) => (tree as Record<string, unknown>)[member], all)
        t.match(found, { type: kind, desc: description })
      }
      const section = (await ask(server, `GET ${STATS}/mem3`)).json
      t.match(section, { shard_cache: { hit: { value: 0, type: 'counter' } } })
      t.same((await ask(server, `GET ${STATS}/couchdb/request_time/value/histogram`)).json, [[0, 0]])
      for (const path of [
        'nothing',
        'couchdb/nothing',
        'couchdb/commits/value/x',
        '__proto__',
        'couchdb/toString',
      ]) {
        const { status, json } = await ask(server, `GET ${STATS}/${path}`)
        t.equal(status, 200)
        t.equal(json, null, path)
      }
      t.equal((await ask(server, `GET /_node/${NODE}/_stats/couchdb/commits`)).status, 200)
      t.match(await ask(server, `GET /_node/other@host/_stats`), {
        status: 404,
        json: { reason: 'no such node: other@host' },
      })
    })

    t.test('clients that wait for changes, as long as they do', async (t) => {
      const waiting = (): Promise<number> => figure(server, 'couchdb/httpd/clients_requesting_changes')
      await ask(server, 'PUT /waited')
      const client = new HttpClient(server.http.port)
      const poll = await ask(server, 'PUT /waited/_security', { json: {} }).then(() =>
        fetch(`http://127.0.0.1:${server.http.port}/waited/_changes?feed=continuous&heartbeat=10000`, {
          headers: { authorization: server.authorization },
        }),
      )
      await until('one waits', async () => (await waiting()) === 1)
      await poll.body!.cancel()
      await until('nobody waits', async () => (await waiting()) === 0)
      t.ok((await figure(server, 'couchdb/httpd/aborted_requests')) >= 1)
      t.ok((await figure(server, 'couchdb/httpd/abandoned_streaming_requests')) >= 1)
      client.close()
    })

    t.test('_system: the process and its threads', async (t) => {
      const { json } = await ask(server, 'GET /_node/_local/_system')
      const system = json as { memory: Record<string, number>; uptime: number; message_queues: object }
      t.ok(system.memory['processes']! >= system.memory['processes_used']!)
      t.ok(system.memory['processes_used']! > 1_000_000)
      t.match(system, { process_count: Number, context_switches: Number, message_queues: { core: Number } })
    })

    t.test('_versions and the names of the node', async (t) => {
      t.match((await ask(server, 'GET /_node/_local/_versions')).json, {
        javascript_engine: { name: 'v8', version: process.versions.v8 },
        collation_driver: { name: 'libicu', library_version: process.versions.icu },
        erlang: { version: `Node.js ${process.versions.node}`, supported_hashes: Array },
      })
      t.same((await ask(server, 'GET /_node/_local')).json, { name: NODE })
      t.match((await ask(server, `GET /_node/${NODE}`)).json, {
        couchdb: 'Welcome',
        uuid: server.server.uuid,
      })
      t.same((await ask(server, 'GET /_membership')).json, { all_nodes: [NODE], cluster_nodes: [NODE] })
      t.equal((await ask(server, 'GET /_node')).status, 400)
      t.match((await ask(server, 'GET /_node/_local/_smoosh/status')).json, {
        channels: { ratio_dbs: { active: 0, waiting: 0 } },
      })
    })

    t.test('the state of resharding is one for all', async (t) => {
      await ask(server, 'PUT /_reshard/state', { json: { state: 'stopped', reason: 'tea' } })
      await ask(server, 'PUT /_reshard/state', { json: { state: 'stopped', reason: 'later' } })
      for (let n = 0; n < 10; n++) {
        t.match((await ask(server, 'GET /_reshard')).json, {
          state: 'stopped',
          state_reason: 'tea',
          total: 0,
        })
      }
      await ask(server, 'PUT /_reshard/state', { json: { state: 'running' } })
      t.same((await ask(server, 'GET /_reshard/state')).json, { state: 'running', reason: null })
    })

    t.test('ids of the time are never given twice', async (t) => {
      const setting = '/_node/_local/_config/uuids'
      t.equal((await ask(server, `PUT ${setting}/algorithm`, { json: 'utc_id' })).status, 200)
      t.equal((await ask(server, `PUT ${setting}/utc_id_suffix`, { json: 'x' })).status, 200)
      const lists = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const { json } = await ask(server, 'GET /_uuids?count=500')
          return (json as { uuids: string[] }).uuids
        }),
      )
      const ids = lists.flat()
      t.equal(new Set(ids).size, 10_000)
      t.ok(ids.every((id) => /^0[0-9a-f]{13}x$/.test(id)))
      t.match((await ask(server, 'POST /db', { json: {} })).json, { id: /^0[0-9a-f]{13}x$/ })
      await ask(server, `PUT ${setting}/algorithm`, { json: 'none' })
      const { uuids } = (await ask(server, 'GET /_uuids?count=2')).json as { uuids: string[] }
      t.equal(uuids[0]!.slice(0, 26), uuids[1]!.slice(0, 26), 'one that nobody knows is the default')
      await ask(server, `DELETE ${setting}/algorithm`)
    })

    t.test('maintenance_mode', async (t) => {
      const setting = '/_node/_local/_config/couchdb/maintenance_mode'
      for (const [mode, status, answer] of [
        ['true', 404, { status: 'maintenance_mode' }],
        ['nolb', 404, { status: 'nolb' }],
        ['toString', 200, { status: 'ok', seeds: {} }],
        ['false', 200, { status: 'ok', seeds: {} }],
      ] as const) {
        await ask(server, `PUT ${setting}`, { json: mode })
        const up = await ask(server, 'GET /_up', { as: null })
        t.same([up.status, up.json], [status, answer], mode)
        t.equal((await ask(server, 'GET /db')).status, 200, 'everything else goes on')
      }
    })
  })
}

t.test('who may read what', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  for (const [name, roles] of [
    ['reader', ['_metrics']],
    ['other', ['metrics', '_reader']],
  ] as const) {
    // Roles that begin with an underscore are given by others than _users: a token, a proxy.
    const headers = { 'x-auth-couchdb-username': name, 'x-auth-couchdb-roles': roles.join(',') }
    for (const section of ['_stats', '_stats/couchdb', '_system', '_prometheus']) {
      const { status, json } = await asProxy(server, `/_node/_local/${section}`, headers)
      t.equal(status, name === 'reader' ? 200 : 401, `${name} ${section}`)
      if (status === 401) {
        t.match(json, { reason: 'You are not a server admin or read-only metrics user' })
      }
    }
    for (const path of [
      '/_node/_local',
      '/_node/_local/_versions',
      '/_node/_local/_config',
      '/_membership',
    ]) {
      t.match(await asProxy(server, path, headers), { status: 401 }, `${name} ${path}`)
    }
  }
  for (const path of ['_stats', '_system', '_prometheus', '_versions', '_restart', '_smoosh/status']) {
    t.equal((await ask(server, `GET /_node/_local/${path}`, { as: null })).status, 401, path)
  }
  for (const path of ['/_reshard', '/_reshard/jobs', '/_cluster_setup', '/_membership', '/_search_analyze']) {
    t.equal((await ask(server, `GET ${path}`, { as: null })).status, 401, path)
  }
  t.match(
    await ask(server, 'POST /_node/_local/_restart'),
    { status: 501 },
    'nobody restarts a server of tests',
  )
})

async function asProxy(server: TestServer, path: string, headers: Record<string, string>) {
  const setting = '/_node/_local/_config/chttpd/authentication_handlers'
  const handlers =
    '{chttpd_auth, proxy_authentication_handler}, {chttpd_auth, default_authentication_handler}'
  if ((await ask(server, `GET ${setting}`)).json !== handlers) {
    await ask(server, `PUT ${setting}`, { json: handlers })
  }
  return ask(server, `GET ${path}`, { as: null, headers })
}

t.test('one node is set up by requests, and no more than one', async (t) => {
  const server = await startTestServer({ threads: 0 })
  t.teardown(() => server.stop())
  const setUp = (json: unknown) => ask(server, 'POST /_cluster_setup', { json })
  const state = async (query = '') => (await ask(server, `GET /_cluster_setup${query}`)).json
  t.same(await state(), { state: 'single_node_enabled' })
  t.same(await state('?ensure_dbs_exist=["one","two"]'), { state: 'single_node_disabled' })
  t.match(await setUp({ action: 'finish_cluster' }), {
    status: 400,
    json: { reason: 'Cluster is already finished' },
  })
  t.match(await setUp({ action: 'enable_single_node', ensure_dbs_exist: ['one', 'two'] }), { status: 201 })
  t.same(await state('?ensure_dbs_exist=["one","two"]'), { state: 'single_node_enabled' })
  t.equal((await ask(server, 'GET /two')).status, 200)
  const administrator = { username: 'second', password: 'word', ensure_dbs_exist: ['three'] }
  const fixed = await setUp({ action: 'enable_single_node', ...administrator, port: 7000 })
  t.equal(fixed.status, 409, 'the port is that of a flag')
  t.equal((await ask(server, 'GET /_all_dbs', { as: 'second:word' })).status, 401)
  const bound = { ...administrator, bind_address: '127.0.0.2' }
  t.match(await setUp({ action: 'enable_single_node', ...bound }), { status: 201 })
  t.equal((await ask(server, 'GET /_all_dbs', { as: 'second:word' })).status, 200)
  t.equal((await ask(server, 'GET /_node/_local/_config/chttpd/bind_address')).json, '127.0.0.2')
  for (const [wish, reason] of [
    [{}, "Invalid Action'"],
    [{ action: 'toString' }, "Invalid Action'"],
    [{ action: 'add_node', host: 'a' }, 'Cluster is not enabled.'],
    [{ action: 'finish_cluster', ensure_dbs_exist: 'one' }, '`ensure_dbs_exist` must be a list of names'],
    [{ action: 'enable_single_node', username: 'x' }, '`username` and `password`: one needs the other'],
  ] as const) {
    t.match(await setUp(wish), { status: 400, json: { reason } })
  }
  for (const action of ['enable_cluster', 'remove_node', 'receive_cookie']) {
    t.match(await setUp({ action }), { status: 501, json: { error: 'not_implemented' } }, action)
  }
  t.match(await setUp({ action: 'finish_cluster', ensure_dbs_exist: ['_replicator'] }), {
    status: 400,
    json: { reason: 'Cluster is already finished' },
  })
  await ask(server, 'PUT /_node/_local/_config/couchdb/single_node', { json: 'true' })
  t.same(await state('?ensure_dbs_exist=["no"]'), { state: 'single_node_enabled' })
})

t.test(
  'a split is refused for what is wrong with it, and where nothing is, for what a database is',
  async (t) => {
    const server = await startTestServer({ threads: 0 })
    t.teardown(() => server.stop())
    await ask(server, 'PUT /db')
    const split = (json: Record<string, unknown>) => ask(server, 'POST /_reshard/jobs', { json })
    for (const [wish, status, reason] of [
      [{ type: 'split', db: 'db' }, 501, /one file/],
      [{ type: 'split', db: 'db', node: NODE, range: '00000000-ffffffff' }, 501, /one file/],
      [{ type: 'split', shard: 'shards/00000000-ffffffff/db.1700000000' }, 501, /one file/],
      [{ type: 'split', db: 'db', range: '00000000-7fffffff' }, 404, 'missing'],
      [{ type: 'split', shard: 'shards/00000000-ffffffff/no.1' }, 404, 'missing'],
      [{ type: 'split', db: 'db', shard: 'shards/00000000-ffffffff/db.1' }, 400, /mutually exclusive/],
      [{ type: 'split', db: 7 }, 400, 'Invalid `db`'],
      [{ type: 'split', shard: 7 }, 400, 'Invalid `shard`'],
      [{ type: 'split', db: 'db', node: 7 }, 400, 'Invalid `node`'],
      [{ type: 'split', db: 'db', range: 'ffffffff-00000000' }, 400, 'Invalid `range`'],
    ] as const) {
      t.match(await split(wish), { status, json: { reason } }, JSON.stringify(wish))
    }
    for (const line of ['DELETE /_reshard/jobs/x', 'GET /_reshard/jobs/x/state', 'GET /_reshard/jobs/x/y']) {
      t.match(await ask(server, line), { status: 404, json: { reason: 'missing' } }, line)
    }
    t.match(await ask(server, 'POST /_reshard/jobs/x/state', { json: {} }), {
      status: 405,
      headers: { allow: 'GET,HEAD,PUT' },
    })
  },
)
