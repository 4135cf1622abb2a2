/** `_changes` by functions of design documents, on every feed; and validation functions as a request meets them. */
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.setTimeout(120_000)

interface Changes {
  results: { id: string; seq: string; changes: { rev: string }[]; doc?: Record<string, unknown> }[]
  last_seq: string
  pending: number
}

const DESIGN = {
  filters: {
    even: 'function (doc, req) { return doc.n % 2 === 0 }',
    mod: 'function (doc, req) { return doc.n % Number(req.query.mod) === 0 }',
    all: 'function () { return true }',
    request: 'function (doc, req) { log(JSON.stringify(req)); return doc._id === req.headers["X-Wanted"] }',
    proof: 'function (doc, req) { return /secret|YWRtaW4|AuthSession=/.test(JSON.stringify(req)) }',
    body: 'function (doc, req) { return doc.n === 0 && JSON.stringify(req.body) === req.query.body }',
    'a/b': 'function (doc) { return doc.n === 1 }',
    endless: 'function () { for (;;); }',
    throwing: 'function (doc) { return doc.a.b.c }',
  },
  views: { third: { map: 'function (doc) { if (doc.n % 3 === 0) emit(doc._id, null) }' } },
  validate_doc_update:
    'function (doc, old, user) { if (doc.no) throw { forbidden: "no" }; if (doc.loop) for (;;); ' +
    'if (old && old.fixed) throw { unauthorized: "fixed by " + user.name } }',
}
const COUNT = 200

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const config = { DAVENPORT_COUCHDB__OS_PROCESS_TIMEOUT: '500' }
    const server = await startTestServer({ threads, config })
    t.teardown(() => server.stop())
    const send = (line: string, sending?: Sending): Promise<Reply> => ask(server, line, sending)
    const changes = async (query: string, sending?: Sending): Promise<Changes> => {
      const reply = await send(`GET /f/_changes?${query}`, sending)
      if (reply.status !== 200) throw new Error(reply.text)
      return reply.json as Changes
    }
    await send('PUT /f')
    await send('PUT /other')
    const docs = Array.from({ length: COUNT }, (_, n) => ({ _id: `d${n}`, n }))
    await send('POST /f/_bulk_docs', { json: { docs } })
    await send('PUT /f/_design/d', { json: DESIGN })
    await filters(t, send, changes)
    await validation(t, send)
  })
}

type Send = (line: string, sending?: Sending) => Promise<Reply>

async function filters(
  t: Test,
  send: Send,
  changes: (query: string, sending?: Sending) => Promise<Changes>,
): Promise<void> {
  const ids = ({ results }: Changes): string[] => results.map(({ id }) => id)
  const even = docsWhere((n) => n % 2 === 0)

  t.test('page after page gives each change once', async (t) => {
    const all = await changes('filter=d/even')
    t.same(ids(all).sort(), even)
    t.equal(all.pending, 0)
    for (const limit of [1, 7, 64, 65, 100]) {
      const found: string[] = []
      let since = '0'
      for (;;) {
        const page = await changes(`filter=d/even&limit=${limit}&since=${encodeURIComponent(since)}`)
        found.push(...ids(page))
        since = page.last_seq
        if (page.results.length === 0) break
        t.equal(page.results.at(-1)!.seq, page.results.length < limit ? page.results.at(-1)!.seq : since)
      }
      t.same(found.toSorted(), even, `by ${limit}`)
    }
    const first = await changes('filter=d/mod&mod=100&limit=1')
    t.same([ids(first).length, first.pending > 0], [1, true])
    t.same(
      ids(await changes('filter=_view&view=d/third')).sort(),
      docsWhere((n) => n % 3 === 0),
    )
    const backwards = await changes('filter=d/mod&mod=50&descending=true')
    t.same(
      ids(backwards).sort(),
      docsWhere((n) => n % 50 === 0),
    )
  })

  t.test('what is shown of a document', async (t) => {
    await send('PUT /f/d7/file.txt?rev=1-none', { body: 'x' })
    const { results } = await changes('filter=d/mod&mod=100&include_docs=true&conflicts=true')
    t.match(results[0]!.doc, { n: Number(results[0]!.id.slice(1)) })
    const wanted = await changes('filter=d/request', { headers: { 'x-wanted': 'd5' } })
    t.same(ids(wanted).length <= 1, true)
    const headers = { 'content-type': 'application/json' }
    for (const [body, shown] of [
      ['{"a":[1, null]}', '{"a":[1,null]}'],
      ['', '""'],
    ] as const) {
      const path = `/f/_changes?filter=d/body&body=${encodeURIComponent(shown)}`
      t.same(ids((await send(`POST ${path}`, { headers, body })).json as Changes), ['d0'], shown)
    }
    t.same(ids(await changes('filter=d/body&body=%22undefined%22')), ['d0'])
    const proved = await changes('filter=d/proof')
    t.same(proved.results, [], 'what a client proves itself by is not shown')
  })

  t.test('feeds that wait', async (t) => {
    const { last_seq } = await changes('limit=0&since=now')
    const since = encodeURIComponent(last_seq)
    const longpoll = changes(`feed=longpoll&filter=d/even&since=${since}&timeout=20000`)
    await send('PUT /f/odd', { json: { n: 301 } })
    await send('PUT /f/new', { json: { n: 300 } })
    t.same(ids(await longpoll), ['new'])
    const lines = await send(`GET /f/_changes?feed=continuous&filter=d/even&since=${since}&timeout=1`)
    t.same(
      lines.text
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { id?: string }).id),
      ['new', undefined],
    )
    const events = await send(
      `GET /f/_changes?feed=eventsource&filter=d/even&since=${since}&timeout=1&limit=1`,
    )
    t.match(events.text, /^data: \{.*"id":"new"/)
  })

  t.test('functions that fail', async (t) => {
    t.same(ids(await changes('filter=/')), ids(await changes('')))
    t.same(ids(await changes('filter=//d//a%252Fb/')), ['d1'])
    t.match(await send('GET /f/_changes?filter=d/a/b'), { status: 400 })
    for (const view of ['/', 'd', 'd/third/more']) {
      const reason = '`view` must be of the form `designname/viewname`'
      const reply = await send(`GET /f/_changes?filter=_view&view=${view}`)
      t.match(reply, { status: 400, json: { error: 'bad_request', reason } }, view)
    }
    t.match(await send('GET /f/_changes?filter=d/none'), {
      status: 404,
      json: { reason: 'missing json key: none' },
    })
    t.match(await send('GET /f/_changes?filter=d/throwing'), { status: 500, json: { error: 'error' } })
    const endless = send('GET /f/_changes?filter=d/endless')
    t.equal((await send('PUT /other/beside', { json: {} })).status, 201, 'others are served meanwhile')
    t.match(await endless, {
      status: 500,
      json: { error: 'os_process_error', reason: 'OS process timed out.' },
    })
  })
}

async function validation(t: Test, send: Send): Promise<void> {
  t.test('validation', async (t) => {
    t.match(await send('PUT /f/v', { json: { no: 1 } }), {
      status: 403,
      json: { error: 'forbidden', reason: 'no' },
    })
    const { json } = await send('PUT /f/v', { json: { fixed: true } })
    const { rev } = json as { rev: string }
    t.match(await send(`PUT /f/v?rev=${rev}`, { json: {} }), {
      status: 401,
      json: { reason: 'fixed by admin' },
    })
    t.match(await send(`DELETE /f/v?rev=${rev}`), { status: 401 })
    t.match(await send(`PUT /f/v/a.txt?rev=${rev}`, { body: 'x' }), { status: 401 })
    t.match(
      await send('PATCH /f/v', {
        json: { a: 1 },
        headers: { 'content-type': 'application/merge-patch+json' },
      }),
      {
        status: 401,
      },
    )
    t.match(await send('COPY /f/v', { headers: { destination: 'v2' } }), { status: 201 })
    const bulk = await send('POST /f/_bulk_docs', { json: { docs: [{ _id: 'x1', no: 1 }, { _id: 'x2' }] } })
    t.match(bulk.json, [
      { id: 'x1', error: 'forbidden' },
      { ok: true, id: 'x2' },
    ])
    const replicated = {
      docs: [
        { _id: 'x3', no: 1, _rev: '1-abc' },
        { _id: 'x4', _rev: '1-abc' },
      ],
      new_edits: false,
    }
    t.match((await send('POST /f/_bulk_docs', { json: replicated })).json, [
      { id: 'x3', rev: '1-abc', error: 'forbidden' },
    ])
    const all = { docs: [{ _id: 'y1', no: 1 }, { _id: 'y2' }], all_or_nothing: true }
    t.match((await send('POST /f/_bulk_docs', { json: all })).json, [
      { id: 'y1', error: 'forbidden' },
      { id: 'y2', error: 'not_written' },
    ])
    t.equal((await send('GET /f/y2')).status, 404)
    const loop = send('PUT /f/loop', { json: { loop: true } })
    t.equal((await send('PUT /other/beside2', { json: {} })).status, 201, 'others are served meanwhile')
    t.match(await loop, { status: 500, json: { error: 'os_process_error' } })
    t.equal((await send('PUT /f/after', { json: {} })).status, 201, 'and the database goes on')
  })
}

function docsWhere(test: (n: number) => boolean): string[] {
  return Array.from({ length: COUNT }, (_, n) => n)
    .filter(test)
    .map((n) => `d${n}`)
    .sort()
}
