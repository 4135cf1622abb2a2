/** `/_dashboard/` over sockets: its files, who may look on, what the stream tells and when it ends. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { MOST_VIEWERS } from '../../src/http/feeds/dashboard-feed.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

type Sections = Record<string, unknown>

/** Somebody who looks on. */
class Onlooker {
  readonly #response: IncomingMessage
  readonly #request: ClientRequest
  #text = ''
  isOver = false

  private constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#request = sent
    this.#response = response
    response.setEncoding('utf8').on('data', (text: string) => {
      this.#text += text
    })
    response.on('close', () => {
      this.isOver = true
    })
  }

  static open(headers: Record<string, string>): Promise<Onlooker> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: server.http.port, path: '/_dashboard/events', headers })
      sent.on('response', (response) => resolve(new Onlooker(sent, response)))
      sent.on('error', reject)
      sent.end()
    })
  }

  get status(): number | undefined {
    return this.#response.statusCode
  }

  get headers(): IncomingMessage['headers'] {
    return this.#response.headers
  }

  /** Whole events so far. */
  get events(): Sections[] {
    const whole = this.#text.slice(0, this.#text.lastIndexOf('\n\n'))
    const lines = whole.split('\n').filter((line) => line.startsWith('data: '))
    return lines.map((line) => JSON.parse(line.slice(6)) as Sections)
  }

  /** What the page would show by now. */
  get sections(): Sections {
    return Object.assign({}, ...this.events) as Sections
  }

  leave(): void {
    this.#request.on('error', () => {})
    this.#request.destroy()
  }
}

const admin = { authorization: server.authorization }

t.test('the page and its files', async (t) => {
  const bare = await ask(server, 'GET /_dashboard', { as: null })
  t.match([bare.status, bare.headers.location], [301, /\/_dashboard\/$/])
  const page = await ask(server, 'GET /_dashboard/', { as: null })
  t.match(page, { status: 200, text: /<title>Davenport<\/title>/, headers: { 'content-type': 'text/html' } })
  t.match(page.headers['content-security-policy'], /^default-src 'none'; script-src 'self'; style-src 'self'/)
  for (const [, name] of page.text.matchAll(/(?:src|href)="([^"#]+)"/g)) {
    t.equal((await ask(server, `GET /_dashboard/${name!}`, { as: null })).status, 200, name!)
  }
  t.notMatch(page.text, /https?:|style=|onclick/, 'nothing that the policy would refuse')
  t.equal((await ask(server, 'GET /_dashboard/nothing', { as: null })).status, 404)
})

t.test('who may not look on', async (t) => {
  t.equal((await ask(server, 'GET /_dashboard/events', { as: null })).status, 401)
  const json = { name: 'eve', password: 'secret', type: 'user', roles: [] }
  await ask(server, 'PUT /_users/org.couchdb.user:eve', { json })
  t.equal((await ask(server, 'GET /_dashboard/events', { as: 'eve:secret' })).status, 401)
})

t.test('everything at first, then what has changed', async (t) => {
  const onlooker = await Onlooker.open(admin)
  t.equal(onlooker.headers['content-type'], 'text/event-stream')
  await until('everything is told', () => onlooker.events.length > 0)
  t.match(onlooker.events[0], {
    server: { version: String, startedMs: Number },
    storage: { cacheHits: null },
    process: { threads: Number, memory: Number },
    databases: { count: 2, shown: ['_replicator', '_users'] },
    tasks: { count: 0, shown: [] },
  })
  await ask(server, 'PUT /letters')
  const docs = Array.from({ length: 50 }, (_, at) => ({ _id: `doc${at}` }))
  await ask(server, 'POST /letters/_bulk_docs', { json: { docs } })
  for (const { _id } of docs) await ask(server, `GET /letters/${_id}`)
  await until('the database is told of', () => {
    const row = onlooker.sections['db:letters'] as { documents?: number } | undefined
    return row?.documents === 50
  })
  t.match(onlooker.sections['databases'], { count: 3, shown: ['_replicator', '_users', 'letters'] })
  await until('requests are told of', () => JSON.stringify(onlooker.sections['requests']).includes('"read"'))
  const kinds = onlooker.sections['requests'] as { kind: string; perSecond: number; p50: number }[]
  t.ok(
    kinds.every(({ perSecond, p50 }) => perSecond > 0 && p50 > 0),
    'each with its rate and its time',
  )
  t.notOk('server' in onlooker.events.at(-1)!, 'what has not changed is not told again')
  await until('the slowest are told', () => JSON.stringify(onlooker.sections['slow']).includes('_bulk_docs'))
  t.notMatch(JSON.stringify(onlooker.sections['slow']), /doc1/, 'without the ids of documents')
  await ask(server, 'DELETE /letters')
  await until('it is gone', () => (onlooker.sections['databases'] as { count: number }).count === 2)
  onlooker.leave()
})

t.test('the map of a file', async (t) => {
  const { status, json } = await ask(server, 'GET /_dashboard/map?db=_users')
  t.equal(status, 200)
  const { fileBytes, totals } = json as { fileBytes: number; totals: number[] }
  t.equal(
    totals.reduce((sum, bytes) => sum + bytes, 0),
    fileBytes,
    'every byte is one of something',
  )
  t.equal((await ask(server, 'GET /_dashboard/map')).status, 400)
  t.equal((await ask(server, 'GET /_dashboard/map?db=nothing')).status, 404)
  t.equal((await ask(server, 'GET /_dashboard/map?db=_users', { as: 'eve:secret' })).status, 401)
})

t.test('a stream ends with the right to it', async (t) => {
  await ask(server, 'PUT /_node/_local/_config/admins/grace', { json: 'secret' })
  const credentials = Buffer.from('grace:secret').toString('base64')
  const onlooker = await Onlooker.open({ authorization: `Basic ${credentials}` })
  t.equal(onlooker.status, 200)
  await ask(server, 'DELETE /_node/_local/_config/admins/grace')
  for (let seconds = 0; seconds < 10 && !onlooker.isOver; seconds++) {
    await until('a second goes by', () => onlooker.isOver).catch(() => undefined)
  }
  t.ok(onlooker.isOver)
})

t.test('as many as there is room for', async (t) => {
  const onlookers = await Promise.all(Array.from({ length: MOST_VIEWERS }, () => Onlooker.open(admin)))
  t.ok(onlookers.every(({ status }) => status === 200))
  t.equal((await ask(server, 'GET /_dashboard/events')).status, 503)
  for (const onlooker of onlookers) onlooker.leave()
  await until('there is room again', async () => {
    const another = await Onlooker.open(admin)
    another.leave()
    return another.status === 200
  })
})

t.test('streams end when the server stops', async (t) => {
  const onlooker = await Onlooker.open(admin)
  await server.http.stop(0)
  await until('it is over', () => onlooker.isOver)
  t.pass()
})
