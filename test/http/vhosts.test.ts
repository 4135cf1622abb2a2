/** `[vhosts]`: where requests for a host go. */
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { Vhosts } from '../../src/http/request/vhosts.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

function target(rules: Record<string, string>, host: string, path: string): string | undefined {
  return new Vhosts(new Map(Object.entries(rules))).targetOf({ headers: { host } } as IncomingMessage, path)
}

t.test('which rule is for a host, and where it leads', async (t) => {
  const rules = {
    'example.com': '/example',
    '*.example.com': '/any/*',
    ':db.base.example.com': '/:db',
    ':design.:db.base.example.com': '/:db/_design/:design/_rewrite',
    'ports.example.com:8080': '/port',
    'ports.example.com': '/no-port',
    'parts.example.com/deep/er': '/part',
    'root.example.com': '/',
    'lost.example.com': '/:none',
  }
  const cases: [host: string, path: string, wanted: string | undefined][] = [
    ['example.com', '/', '/example'],
    ['EXAMPLE.com:5984', '/doc?rev=1-a', '/example/doc?rev=1-a'],
    ['example.com', '/a%2Fb/', '/example/a%2Fb/'],
    ['example.com', '/_uuids', undefined],
    ['example.com', '/_session?x', undefined],
    ['a.b.example.com', '/doc', '/any/a/b/doc'],
    ['sales.base.example.com', '/doc', '/sales/doc'],
    ['app.sales.base.example.com', '/x?y', '/sales/_design/app/_rewrite/x?y'],
    ['ports.example.com:8080', '/', '/port'],
    ['ports.example.com:8081', '/', '/no-port'],
    ['parts.example.com', '/deep/er/x', '/part/x'],
    ['parts.example.com', '/deep', '/any/parts/deep'],
    ['root.example.com', '/db/doc', '/db/doc'],
    ['lost.example.com', '/', '/undefined'],
    ['example.org', '/', undefined],
    ['com', '/', undefined],
    ['', '/', undefined],
    ['x/y.example.com', '/', undefined],
    ['a.example.com', '*', undefined],
  ]
  for (const [host, path, wanted] of cases) t.equal(target(rules, host, path), wanted, `${host} ${path}`)
  t.equal(target({}, 'example.com', '/'), undefined)
  t.equal(target({ '/only': '/part' }, 'any.where', '/only/x'), '/part/x', 'a path alone, on any host')
})

for (const threads of [0, 2]) {
  t.test(`requests go there, with the rights that they have there, with ${threads} threads`, async (t) => {
    const server = await startTestServer({ threads })
    t.teardown(() => server.stop())
    await ask(server, 'PUT /site')
    await ask(server, 'PUT /site/doc', { json: { its: 'site' } })
    const on = (line: string, sending: object = {}): Promise<Reply> =>
      ask(server, line, { headers: { host: 'site.example' }, ...sending })
    t.equal((await on('GET /doc')).status, 404)
    const rule = await ask(server, 'PUT /_node/_local/_config/vhosts/site.example', { json: '/site' })
    t.equal(rule.status, 200)
    t.match((await on('GET /doc')).json, { its: 'site' })
    t.match((await on('GET /')).json, { db_name: 'site' })
    t.equal((await on('PUT /new', { json: {} })).status, 201)
    t.equal((await ask(server, 'GET /site/new')).status, 200)
    t.equal((await on('GET /doc', { as: null })).status, 401)
    t.match((await on('GET /_session')).json, { ok: true })
    t.match((await ask(server, 'GET /')).json, { couchdb: 'Welcome' }, 'other hosts are the server itself')
    await ask(server, 'PUT /site/_design/d', {
      json: {
        shows: { way: 'function(doc, req) { return {json: req} }' },
        rewrites: [
          { from: 'there', to: '_rewrite/then' },
          { from: 'then', to: '_show/way' },
        ],
      },
    })
    const shown = async (reply: Promise<Reply>): Promise<object> => {
      const { headers, path, raw_path, requested_path } = (await reply).json as Record<string, unknown>
      const own = Object.entries(headers as object).filter(([name]) => name.startsWith('x-couchdb-'))
      return { way: Object.fromEntries(own), path, raw_path, requested_path }
    }
    const way = '/_design/d/_show/way'
    const path = ['site', '_design', 'd', '_show', 'way']
    t.same(await shown(on(`GET ${way}?a=1`)), {
      way: { 'x-couchdb-vhost-path': `${way}?a=1` },
      path,
      raw_path: `/site${way}?a=1`,
      requested_path: ['_design', 'd', '_show', 'way?a=1'],
    })
    const there = '/_design/d/_rewrite/there'
    t.same(await shown(on(`GET ${there}`)), {
      way: { 'x-couchdb-vhost-path': there, 'x-couchdb-requested-path': `/site${there}` },
      path,
      raw_path: `/site${way}`,
      requested_path: ['_design', 'd', '_rewrite', 'there'],
    })
    t.same(await shown(ask(server, `GET /site${there}`)), {
      way: { 'x-couchdb-requested-path': `/site${there}` },
      path,
      raw_path: `/site${way}`,
      requested_path: ['site', '_design', 'd', '_rewrite', 'there'],
    })
    const none = await ask(server, 'PUT /_node/_local/_config/vhosts/other.example', { json: 'site' })
    t.equal(none.status, 400, 'a target is a path')
    await ask(server, 'DELETE /_node/_local/_config/vhosts/site.example')
    t.equal((await on('GET /doc')).status, 404)
  })
}
