/** `_restart`: a server is started anew in its process, with what is configured by then, on the port that it had. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type RunningServer, startServer } from '../../src/cli/start-server.ts'
import { startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

t.setTimeout(280_000)

const AUTHORIZATION = `Basic ${Buffer.from('admin:secret').toString('base64')}`
const RESTART = '/_node/_local/_restart'

interface Sent {
  status: number
  json: unknown
}

/** A connection for each request: those of before are closed by the restart. */
async function send(url: string, line: string, json?: unknown): Promise<Sent> {
  const [method, path] = line.split(' ')
  const response = await fetch(url + path, {
    method: method!,
    headers: { authorization: AUTHORIZATION, 'content-type': 'application/json', connection: 'close' },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  })
  return { status: response.status, json: await response.json() }
}

/** Resolves when a server answers that was started later than the one that is asked to start anew. */
async function restarted(url: string): Promise<void> {
  const marker = '/_node/_local/_stats/couchdb/document_inserts/value'
  await until('there is another server', async () => {
    try {
      return (await send(url, `GET ${marker}`)).json === 0
    } catch {
      return false
    }
  })
}

function start(dataDir: string, threads: string): Promise<RunningServer> {
  return startServer({
    dataDir,
    port: 0,
    admins: ['admin:secret'],
    settings: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2', DAVENPORT_DAVENPORT__THREADS: threads },
  })
}

for (const threads of ['0', '2']) {
  t.test(`in process, with ${threads} threads`, async (t) => {
    const server = await start(t.testdir(), threads)
    const { url } = server
    t.equal((await send(url, 'PUT /db')).status, 201)
    for (let round = 1; round <= 2; round++) {
      t.equal((await send(url, `PUT /db/a${round}`, {})).status, 201)
      const { uuid } = (await send(url, 'GET /')).json as { uuid: string }
      t.match(await send(url, `POST ${RESTART}`), { status: 200, json: { ok: true } })
      await restarted(url)
      t.equal(server.url, url, 'it has its port again')
      t.match((await send(url, 'GET /')).json, { uuid }, 'it is the same server')
      t.match((await send(url, 'GET /db')).json, { doc_count: round })
      t.match((await send(url, 'GET /db/a1')).status, 200)
    }
    await server.stop()
    await t.rejects(send(url, 'GET /'))
  })

  t.test(`requests that run end first, with ${threads} threads`, async (t) => {
    const server = await start(t.testdir(), threads)
    const { url } = server
    await send(url, 'PUT /db')
    await send(url, 'PUT /db/a', {})
    const poll = send(url, 'GET /db/_changes?feed=longpoll&since=now&timeout=60000')
    const waiting = '/_node/_local/_stats/couchdb/httpd/clients_requesting_changes/value'
    await until('it waits', async () => (await send(url, `GET ${waiting}`)).json === 1)
    // Two at once are one.
    const asked = await Promise.all([
      send(url, `POST ${RESTART}`),
      send(url, `POST ${RESTART}`).catch(() => undefined),
    ])
    t.match(asked[0], { status: 200 })
    t.match(await poll, { status: 200, json: { results: [] } })
    await restarted(url)
    t.equal((await send(url, 'PUT /db/b', {})).status, 201)
    // The stop waits for a restart that is under way, and nothing runs after it.
    await send(url, `POST ${RESTART}`)
    await server.stop()
    await sleep(50)
    await t.rejects(send(url, 'GET /'))
  })
}

t.test(
  'what was configured meanwhile holds; what makes no sense is refused before anything stops',
  async (t) => {
    const dataDir = t.testdir()
    const server = await start(dataDir, '0')
    const { url } = server
    await send(url, 'PUT /db')
    await send(url, 'PUT /db/a', {})
    const setting = '/_node/_local/_config'
    t.equal((await send(url, `PUT ${setting}/couchdb/max_dbs_open`, '7')).status, 200)
    t.equal((await send(url, `PUT ${setting}/uuids/max_count`, '3')).status, 200)
    const file = join(dataDir, 'local.ini')
    const kept = await readFile(file, 'utf8')
    await writeFile(file, `${kept}[chttpd]\nport = many\n`)
    t.match(await send(url, `POST ${RESTART}`), { status: 400, json: { reason: /local\.ini:\d+: .*port/ } })
    t.equal((await send(url, 'GET /db/a')).status, 200, 'it goes on')
    await writeFile(file, kept)
    await send(url, `POST ${RESTART}`)
    await restarted(url)
    t.equal((await send(url, `GET ${setting}/couchdb/max_dbs_open`)).json, '7')
    t.equal((await send(url, 'GET /_uuids?count=4')).status, 400)
    await server.stop()
  },
)

t.test('davenport serve', async (t) => {
  for (const threads of ['0', '1']) {
    const dataDir = t.testdir()
    const environment = { DAVENPORT_DAVENPORT__THREADS: threads, DAVENPORT_LOG__LEVEL: 'info' }
    const process = startServerProcess({ dataDir, environment })
    const url = `http://127.0.0.1:${await process.port}`
    await send(url, 'PUT /db')
    await send(url, 'PUT /db/a', {})
    t.match(await send(url, `POST ${RESTART}`), { status: 200 })
    await restarted(url)
    t.equal((await send(url, 'GET /db/a')).status, 200)
    t.equal(process.child.process.exitCode, null, 'in the same process')
    t.equal(await process.stop(), 0)
    t.match(process.child.err, /"starting anew".*\n(.*\n)*.*"started anew"/)
  }
})
