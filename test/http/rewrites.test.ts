/** Rewrites over real sockets: where rules and functions send a request, with whose rights, and how often. */
import t from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.setTimeout(120_000)

const SHOWS = { request: 'function (doc, req) { return { json: req } }' }

const RULES = {
  shows: SHOWS,
  rewrites: [
    { from: 'doc/:id', to: '../../:id' },
    { from: 'all/*', to: '../../*' },
    { from: 'rows/:a', to: '../../_all_docs', query: { startkey: ':a', limit: ':n' }, formats: { n: 'int' } },
    { from: 'request/*', to: '_show/request', method: 'POST', query: { fixed: 'x y', a: ':a' } },
    { from: 'loop/*', to: '_rewrite/loop/*' },
    { from: 'put/:id', to: '../../:id', method: 'PUT' },
  ],
}

const FUNCTION = {
  shows: SHOWS,
  rewrites:
    'function (req) { var step = req.path[4]; ' +
    'if (step === "code") return { code: 418, headers: { "X-A": "b" }, body: "teapot" }; ' +
    'if (step === "split") return { code: 200, headers: { "X-A": "b\\r\\nc: d" }, body: "x" }; ' +
    'if (step === "none") return { }; if (step === "bad") return { path: 5 }; ' +
    'if (step === "loop") return { path: "_rewrite/loop" }; ' +
    'if (step === "head") return { path: "../../doc", method: "HEAD" }; ' +
    'if (step === "elsewhere") return { path: "../../../" + req.path.slice(5).join("/") }; ' +
    'if (step === "put") return { path: "../../made", method: "PUT", body: JSON.stringify({ was: req.body }), query: {} }; ' +
    'if (step === "headers") return { path: "_show/request", headers: { "X-Own": "o", "Content-Length": "1" }, query: { q: "1&2" } } }',
}

for (const threads of [0, 2]) {
  t.test(`with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads, config: { DAVENPORT_CHTTPD__REWRITE_LIMIT: '5' } })
    t.teardown(() => server.stop())
    const send = (line: string, sending?: Sending): Promise<Reply> => ask(server, line, sending)
    for (const name of ['f', 'closed']) {
      await send(`PUT /${name}`)
      await send(`PUT /${name}/_security`, { json: { members: { names: [], roles: [] } } })
      await send(`PUT /${name}/doc`, { json: { of: name } })
    }
    await send('PUT /closed/_security', { json: { members: { names: ['somebody'] } } })
    await send('PUT /f/_design/r', { json: RULES })
    await send('PUT /f/_design/f', { json: FUNCTION })
    const up = { rewrites: [{ from: 'up', to: '../../../closed/doc' }] }
    await send('PUT /f/_design/up', { json: up })

    t.test('rules', async (t) => {
      t.match((await send('GET /f/_design/r/_rewrite/doc/doc')).json, { of: 'f' })
      t.match((await send('GET /f/_design/r/_rewrite/all/doc?rev=1-0')).json, { error: 'not_found' })
      t.match((await send('GET /f/_design/r/_rewrite/rows/doc?n=1')).json, { rows: [{ id: 'doc' }] })
      t.equal((await send('GET /f/_design/r/_rewrite/all')).status, 404)
      t.equal((await send('PUT /f/_design/r/_rewrite/put/a%2Fb', { json: { n: 1 } })).status, 201)
      t.match((await send('GET /f/a%2Fb')).json, { n: 1 })
      const shown = await send('POST /f/_design/r/_rewrite/request/z?a=%26', { body: 'text' })
      t.match(shown.json, { method: 'POST', body: 'text', query: { fixed: 'x y', a: '&' } })
      t.match(await send('HEAD /f/_design/r/_rewrite/doc/doc'), { status: 200, text: '' })
    })

    t.test('nothing that a client says leads out of the database', async (t) => {
      for (const path of [
        'all/../../closed/doc',
        'all/%2e%2e/closed/doc',
        'doc/..',
        'all/..%2F..%2Fclosed%2Fdoc',
      ]) {
        const reply = await send(`GET /f/_design/r/_rewrite/${path}`)
        t.equal(reply.status, 404, path)
      }
      const reply = await send('GET /f/_design/up/_rewrite/up')
      t.match(reply, {
        status: 500,
        json: { error: 'insecure_rewrite_rule', reason: 'too many ../.. segments' },
      })
    })

    t.test('the rights are those of whoever sent the request', async (t) => {
      const line = 'GET /f/_design/f/_rewrite/elsewhere/closed/doc'
      t.match((await send(line)).json, { of: 'closed' })
      t.match(await send(line, { as: null }), { status: 401 })
      t.equal((await send('GET /f/_design/f/_rewrite/elsewhere/_all_dbs', { as: null })).status, 401)
      const path = '/_node/_local/_config/chttpd/secure_rewrites'
      t.equal((await send(`PUT ${path}`, { json: 'false' })).status, 200)
      t.match((await send('GET /f/_design/up/_rewrite/up')).json, { of: 'closed' })
      t.match(await send('GET /f/_design/up/_rewrite/up', { as: null }), { status: 401 })
    })

    t.test('functions', async (t) => {
      const rewritten = (step: string, sending?: Sending): Promise<Reply> =>
        send(`POST /f/_design/f/_rewrite/${step}?of=client`, sending)
      t.match(await rewritten('code'), { status: 418, text: 'teapot', headers: { 'x-a': 'b' } })
      t.match(await rewritten('split'), { status: 500, json: { error: 'external_response_error' } })
      t.match(await rewritten('none'), { status: 500, json: { error: 'rewrite_error' } })
      t.match(await rewritten('bad'), { status: 500, json: { reason: 'bad path' } })
      t.match(await rewritten('nothing'), { status: 404, json: { error: 'rewrite_error' } })
      t.equal((await rewritten('put', { body: 'sent' })).status, 201)
      t.match((await send('GET /f/made')).json, { was: 'sent' })
      const shown = await rewritten('headers', { body: 'sent' })
      t.match(shown.json, {
        body: 'sent',
        query: { q: '1&2' },
        headers: { 'X-Own': 'o', 'Content-Length': '4' },
      })
      t.match((await send('GET /f/_design/f/_rewrite/head')).json, { of: 'f' }, 'the client waits for a body')
    })

    t.test('a circle has an end', async (t) => {
      for (const name of ['r', 'f']) {
        const reply = await send(`GET /f/_design/${name}/_rewrite/loop/x`)
        t.match(reply, { status: 400, json: { reason: 'Exceeded rewrite recursion limit' } }, name)
      }
    })
  })
}
