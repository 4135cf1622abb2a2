/** The page for Prometheus, read by a parser that others have written: every metric has a type, a unit and a help. */
import parsePrometheusTextFormat from 'parse-prometheus-text-format'
import t from 'tap'
import { METRIC_NAMES } from '../../src/base/metric-table.ts'
import { startServer } from '../../src/cli/start-server.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.setTimeout(240_000)

const PAGE = '/_node/_local/_prometheus'

interface Sample {
  value?: string
  labels?: Record<string, string>
  quantiles?: Record<string, string>
  count?: string
  sum?: string
}

interface Family {
  name: string
  help: string
  type: string
  metrics: Sample[]
}

function parse(page: string): Map<string, Family> {
  const families = parsePrometheusTextFormat(page) as Family[]
  return new Map(families.map((family) => [family.name, family]))
}

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    const inserts = (page: string): number =>
      Number(parse(page).get('couchdb_document_inserts_total')!.metrics[0]!.value)
    // The server has written what `_users` is born with.
    const before = inserts((await ask(server, `GET ${PAGE}`)).text)
    await ask(server, 'PUT /db')
    await ask(server, 'PUT /db/a', { json: {} })
    await ask(server, 'GET /db/a')
    await ask(server, 'GET /db/b')
    const { text, headers, status } = await ask(server, `GET ${PAGE}`)
    t.equal(status, 200)
    t.equal(headers['content-type'], 'text/plain; version=2.0')
    const families = parse(text)
    t.ok(families.size > 150, `${families.size} families`)
    for (const { name, help, type, metrics } of families.values()) {
      t.match(name, /^couchdb_[a-z0-9_]+$/)
      t.match(help, /\S.* \(unit: [a-z-]+\)$/, name)
      t.match(type, /^(COUNTER|GAUGE|SUMMARY)$/, name)
      t.ok(metrics.length > 0, name)
      for (const { value, quantiles } of metrics) {
        const values = quantiles === undefined ? [value] : Object.values(quantiles)
        t.ok(
          values.every((each) => Number.isFinite(Number(each))),
          `${name}: ${values}`,
        )
      }
    }
    const only = (name: string): Sample => families.get(`couchdb_${name}`)!.metrics[0]!
    t.equal(inserts(text), before + 1)
    t.equal(only('database_reads_total').value, '1')
    const codes = families.get('couchdb_httpd_status_codes')!
    t.equal(codes.type, 'COUNTER')
    t.equal(codes.metrics.length, METRIC_NAMES.filter((name) => name.includes('status_codes')).length)
    t.match(
      codes.metrics.find(({ labels }) => labels!['code'] === '404'),
      { value: '1' },
    )
    const time = only('request_time_seconds')
    t.same(Object.keys(time.quantiles!), ['0.5', '0.75', '0.9', '0.95', '0.99', '0.999'])
    t.ok(Number(time.count) >= 4 && Number(time.sum) > 0)
    t.ok(Number(time.quantiles!['0.5']) < 60, 'seconds')
    t.equal(families.get('couchdb_open_databases')!.type, 'GAUGE')
    t.equal(families.get('couchdb_uptime_seconds')!.type, 'COUNTER')
    const memory = families.get('couchdb_erlang_memory_bytes')!.metrics
    t.ok(memory.some(({ labels, value }) => labels!['memory_type'] === 'processes' && Number(value) > 1e6))

    await ask(server, 'GET /db/a')
    const later = parse((await ask(server, `GET ${PAGE}`)).text)
    t.equal(later.get('couchdb_database_reads_total')!.metrics[0]!.value, '2')
    const head = await ask(server, `HEAD ${PAGE}`)
    t.match(head, { status: 200, text: '' })
    t.match(await ask(server, `POST ${PAGE}`), { status: 405, headers: { allow: 'GET' } })
  })
}

for (const threads of ['0', '1']) {
  t.test(`on a port of its own, with ${threads} threads`, async (t) => {
    const lines: string[] = []
    const server = await startServer({
      dataDir: t.testdir(),
      port: 0,
      admins: ['admin:secret'],
      log: (line) => lines.push(line),
      settings: {
        DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2',
        DAVENPORT_DAVENPORT__THREADS: threads,
        DAVENPORT_LOG__LEVEL: 'info',
        DAVENPORT_PROMETHEUS__ADDITIONAL_PORT: 'true',
        DAVENPORT_PROMETHEUS__PORT: '0',
      },
    })
    t.teardown(() => server.stop(0))
    const { url } = JSON.parse(lines.find((line) => line.includes('"metrics"'))!) as { url: string }
    const get = (path: string, method = 'GET') => fetch(url + path, { method })
    const page = await get(PAGE)
    t.equal(page.status, 200)
    t.equal(page.headers.get('content-type'), 'text/plain; version=2.0')
    t.ok(parse(await page.text()).has('couchdb_httpd_requests_total'), 'nobody has to sign in')
    t.equal((await get('/_node/nonode@nohost/_prometheus')).status, 200)
    for (const path of ['/', '/_all_dbs', '/_node/_local/_stats', `${PAGE}/more`, '/_node/x/_prometheus']) {
      t.match(await (await get(path)).json(), { error: 'not_found' }, path)
    }
    t.equal((await get(PAGE, 'POST')).status, 405)
    t.equal((await fetch(server.url + PAGE)).status, 401, 'on the other port somebody has to')
    await server.stop(0)
    await t.rejects(get(PAGE), 'the port is closed with the server')
  })
}
