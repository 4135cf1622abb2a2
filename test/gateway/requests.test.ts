/** Requests at the edges of the gateway's routes, answered as Sync Gateway 1.5 answers them. */
import t from 'tap'
import { type GatewayRequest, GatewayServer } from '../support/gateway-server.ts'

const server = await GatewayServer.start(t.testdir())
t.teardown(() => server.stop())
const AS = { as: 'ann:letann' }
const ask = (line: string, request: GatewayRequest = {}) => server.ask(line, { ...AS, ...request })

t.before(async () => {
  await server.admin('PUT /db/', { body: {} })
  await server.admin('PUT /db/_user/ann', {
    body: { name: 'ann', password: 'letann', admin_channels: ['red'] },
  })
})

/** Writes a document of three revisions. */
async function threeRevisions(id: string): Promise<string[]> {
  const revs: string[] = []
  for (const n of [1, 2, 3]) {
    const rev = revs.at(-1)
    const { json } = await ask(`PUT /db/${id}${rev === undefined ? '' : `?rev=${rev}`}`, {
      body: { channels: ['red'], n },
    })
    revs.push((json as { rev: string }).rev)
  }
  return revs
}

t.test('a slash too many at the end of a path, or too few', async (t) => {
  await threeRevisions('doc')
  for (const [line, location] of [
    ['GET /db?x=1', '/db/?x=1'],
    ['GET /db/doc/?revs=true', '/db/doc?revs=true'],
    ['HEAD /db/doc/', '/db/doc'],
    ['PUT /db/doc/', '/db/doc'],
    ['GET /db/_all_docs/', '/db/_all_docs'],
    ['POST /db/_bulk_docs/', '/db/_bulk_docs'],
    ['GET /db/_local/x/', '/db/_local/x'],
    ['GET /db/_design/x/_view/y/', '/db/_design/x/_view/y'],
  ] as const) {
    const { status, headers, text } = await ask(line)
    t.same([status, headers.get('location')], [301, location], line)
    const page = `<a href="${location.replace('&', '&#38;')}">Moved Permanently</a>.\n\n`
    t.equal(text, line.startsWith('GET') ? page : '', line)
  }
  for (const [line, wanted, allow] of [
    ['DELETE /db', 405, 'GET, HEAD, POST, PUT'],
    ['POST /db/doc/', 405, 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS /db/doc/', 204, 'GET, HEAD, PUT, DELETE'],
  ] as const) {
    const { status, headers } = await ask(line)
    t.same([status, headers.get('allow')], [wanted, allow], line)
  }
  for (const path of ['/db/_nothing/', '/db//', '/db/_user'])
    t.match(await ask(`GET ${path}`), { status: 404, json: { reason: 'unknown URL' } }, path)
  for (const [path, location] of [
    ['/_all_dbs/', '/_all_dbs'],
    ['/db/_user', '/db/_user/'],
  ] as const) {
    t.equal((await server.admin(`GET ${path}`)).headers.get('location'), location, path)
  }
})

t.test('of a history nothing, and all', async (t) => {
  const [first, , last] = await threeRevisions('history')
  const lengths: unknown[] = []
  for (const limit of ['0', '1', '2', 'x', '-1', '']) {
    const { json } = await ask(`GET /db/history?revs=true&revs_limit=${limit}`)
    lengths.push((json as { _revisions?: { ids: string[] } })._revisions?.ids.length)
  }
  t.same(lengths, [undefined, 1, 2, 3, 3, 3])
  const query = `/db/history?revs=true&revs_from=null&atts_since=null`
  t.equal((await ask(`GET ${query}`)).status, 200)
  const accept = 'multipart/mixed'
  const bulk = async (limit: number, rev: unknown) => {
    const body = { docs: [{ id: 'history', rev }] }
    return (await ask(`POST /db/_bulk_get?revs=true&revs_limit=${limit}`, { body, headers: { accept } })).text
  }
  t.notMatch(await bulk(0, last), '_revisions')
  t.match(await bulk(1, null), `"_rev":"${last}"`)
  t.match(await bulk(1, first), `"_rev":"${first}"`)
})

t.test('revisions of no document', async (t) => {
  const open = (revs: string) => ask(`GET /db/none?open_revs=${revs}`)
  t.match(await open('all'), { status: 404, json: { reason: 'missing' } })
  t.match(await open('["1-a","2-b"]'), { status: 200, json: [{ missing: '1-a' }, { missing: '2-b' }] })
  t.same((await open('[]')).json, [])
})

t.test('a coding of bodies that is not known', async (t) => {
  for (const coding of ['deflate', 'identity', 'br']) {
    t.match(
      await ask('PUT /db/coded', { body: {}, headers: { 'content-encoding': coding } }),
      { status: 415, json: { reason: 'Unsupported Content-Encoding; use gzip' } },
      coding,
    )
  }
})
