/**
 * `/_openapi.json`: valid, complete, and true: every route with each of its methods is in it and nothing else, every
 * error, every parameter; and what a server answers to sensible requests, wrong ones and random ones is what it says.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Validator } from '@seriousme/openapi-schema-validator'
import fc from 'fast-check'
import t from 'tap'
import { ERRORS } from '../../src/base/errors.ts'
import { DESCRIPTIONS } from '../../src/http/openapi/descriptions.ts'
import type { OpenApiDocument } from '../../src/http/openapi/document.ts'
import { CHANGES_PARAMETERS } from '../../src/http/request/changes-parameters.ts'
import { endpointsOf, resolve } from '../../src/http/request/resolve.ts'
import { LISTING_PARAMETERS } from '../../src/http/request/view-parameters.ts'
import { VIEW_PARAMETERS } from '../../src/http/request/view-query.ts'
import { resources } from '../../src/http/routes/index.ts'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { DocumentedApi, type DocumentedOperation } from '../support/openapi.ts'
import { prepareServer, randomRequest, sendRandom } from '../support/random-requests.ts'
import { seed } from '../support/test-run.ts'

type Part = Record<string, unknown>

const server = await startTestServer()
t.teardown(() => server.stop())
const answered = await ask(server, 'GET /_openapi.json', { as: null })
const document = answered.json as OpenApiDocument
const api = new DocumentedApi(document)

/** A request to the path of an operation. */
function targetOf({ path }: Pick<DocumentedOperation, 'path'>): string {
  return path
    .replace('{db}', 'db')
    .replace('{node}', '_local')
    .replace('{replicator}', '_replicator')
    .replaceAll(/\{(\w+)\}/g, 'none')
}

function parametersOf(operation: DocumentedOperation): Part[] {
  const shared = (document.paths[operation.path]!['parameters'] ?? []) as Part[]
  const own = (operation.operation['parameters'] ?? []) as Part[]
  return [...shared, ...own].map((each) => api.resolved(each))
}

function namesIn(place: string, operation: DocumentedOperation): string[] {
  return parametersOf(operation).flatMap((each) => (each['in'] === place ? [String(each['name'])] : []))
}

function operation(method: string, path: string): DocumentedOperation {
  return api.operations.find((each) => each.method === method && each.path === path)!
}

t.test('it is served to everybody, once', async (t) => {
  t.match([answered.status, answered.headers['content-type']], [200, 'application/json'])
  const { etag } = answered.headers
  const again = await ask(server, 'GET /_openapi.json', { as: null, headers: { 'if-none-match': etag! } })
  t.match([again.status, again.text], [304, ''])
  t.equal((await ask(server, 'GET /_openapi.json/more')).status, 404)
  t.equal((await ask(server, 'DELETE /_openapi.json')).status, 405)
})

t.test('it is valid, and whole', async (t) => {
  const { valid, errors } = await new Validator().validate(JSON.parse(answered.text))
  t.ok(valid, JSON.stringify(errors))
  const references = new Set(Array.from(answered.text.matchAll(/"\$ref":"([^"]+)"/g), ([, each]) => each!))
  t.doesNotThrow(() => references.forEach(($ref) => void api.resolved({ $ref })))
  for (const section of ['schemas', 'parameters', 'headers', 'responses']) {
    const unused = Object.keys(document.components[section]!).filter(
      (name) => !references.has(`#/components/${section}/${name}`),
    )
    t.same(unused, [], `all ${section} are used`)
  }
  const ids = api.operations.map((each) => each.operation['operationId'])
  t.equal(new Set(ids).size, ids.length, 'each operation has an id of its own')
})

t.test('every route with each of its methods, and nothing else', async (t) => {
  const endpoints = endpointsOf(resources)
  const routes = new Map(resources.map((resource) => [resource.route as string, resource]))
  const described = new Map<string, Set<string>>()
  for (const each of api.operations) {
    const method = each.method === 'HEAD' ? 'GET' : each.method
    const target = targetOf(each)
    const segments = target.split('/').slice(1)
    const place = resolve(endpoints, method, target === '/' ? [] : segments.map(decodeURIComponent))
    const resource = routes.get(place.route)
    t.ok(resource?.methods[method], `${each.method} ${each.path} is ${place.route}, which has it`)
    described.set(place.route, (described.get(place.route) ?? new Set()).add(each.method))
    const inPath = Array.from(each.path.matchAll(/\{(\w+)\}/g), ([, name]) => name!)
    t.same(namesIn('path', each), inPath, `path parameters of ${each.path}`)
  }
  for (const { route, methods } of resources) {
    const refuses = DESCRIPTIONS[route].refuses ?? []
    for (const method of Object.keys(methods)) {
      const isDescribed = described.get(route)?.has(method) === true
      t.equal(isDescribed, !refuses.some((each) => each === method), `${method} of ${route}`)
      if (method === 'GET' && isDescribed) t.ok(described.get(route)!.has('HEAD'), `HEAD of ${route}`)
    }
  }
})

t.test('every error of the table', async (t) => {
  const shown = new Map<string, Set<string>>()
  const look = (responses: Part): void => {
    for (const [status, response] of Object.entries(responses)) {
      const content = api.resolved(response)['content'] as Part | undefined
      const { examples = {} } = (content?.['application/json'] ?? {}) as { examples?: Part }
      for (const kind of Object.keys(examples)) shown.set(kind, (shown.get(kind) ?? new Set()).add(status))
    }
  }
  for (const { operation } of api.operations) look(operation['responses'] as Part)
  for (const [kind, { status }] of Object.entries(ERRORS)) {
    t.same([...(shown.get(kind) ?? [])], [String(status)], kind)
  }
  t.same(
    [...shown.keys()].filter((kind) => !Object.hasOwn(ERRORS, kind)),
    [],
  )
})

t.test('every parameter', async (t) => {
  const refused = new Set(['reduce', 'group', 'group_level'])
  const listing = LISTING_PARAMETERS.filter((name) => !refused.has(name))
  const cases: [path: string, known: readonly string[]][] = [
    ['/{db}/_all_docs', listing],
    ['/{db}/_local_docs', [...listing, 'include_system']],
    ['/{db}/_design/{ddoc}/_view/{view}', VIEW_PARAMETERS],
    ['/{db}/_changes', [...CHANGES_PARAMETERS, 'doc_ids', 'view']],
  ]
  for (const [path, known] of cases) {
    t.same(namesIn('query', operation('GET', path)).sort(), [...known].sort(), path)
  }
  const named = new Set(api.operations.flatMap((each) => namesIn('query', each)))
  for (const folder of ['src/http/request', 'src/http/routes', 'src/http/feeds']) {
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts')) continue
      const text = readFileSync(join(folder, path), 'utf8')
      for (const [, name] of text.matchAll(/query\.(?:get|last|flag)\('(\w+)'/g)) {
        t.ok(named.has(name!), `${name} of ${path}`)
      }
    }
  }
})

async function checked(line: string, sending?: Sending): Promise<Reply> {
  const reply = await ask(server, line, sending)
  const fault = api.fault(line, reply)
  if (fault !== undefined) t.fail(fault)
  return reply
}

const CODE = {
  views: { v: { map: 'function (doc) { emit(doc._id, 1) }', reduce: '_count' } },
  shows: { s: 'function (doc) { return { json: doc } }' },
  lists: { l: 'function () { var row; while (row = getRow()) send(row.id) }' },
  updates: { u: 'function (doc, req) { return [{ _id: req.uuid }, "made"] }' },
  filters: { f: 'function (doc) { return true }', bad: 'function () { throw { teapot: "hot" } }' },
  rewrites: [{ from: '/x', to: '../../a' }],
}

/** Most of them are second ways to the same thing, and 202 in the place of 201. */
const MOST_UNSEEN = 0.3

t.test('sensible requests are answered as it says', async (t) => {
  const revOf = ({ json }: Reply): string => (json as { rev: string }).rev
  await checked('PUT /db')
  await checked('PUT /split?partitioned=true')
  await checked('PUT /split/p:1', { json: { a: 1 } })
  await checked('PUT /db/_design/d', { json: CODE })
  await checked('PUT /split/_design/d', { json: { views: { v: { map: CODE.views.v.map } } } })
  const a = revOf(await checked('PUT /db/a', { json: { v: 1 } }))
  const b = revOf(await checked('POST /db', { json: { _id: 'b', v: [1, { x: null }] } }))
  await checked('PUT /db/later?batch=ok', { json: {} })
  const named = revOf(await checked(`PUT /db/a/file.txt?rev=${a}`, { body: 'bytes' }))
  const merge = { 'content-type': 'application/merge-patch+json' }
  const patched = revOf(await checked('PATCH /db/a', { body: '{"w":2}', headers: merge }))
  t.not(patched, named)
  await checked('COPY /db/a', { headers: { destination: 'copy' } })
  await checked('PUT /db/_local/l', { json: { v: 1 } })
  await checked('POST /db/_bulk_docs', { json: { docs: [{ _id: 'c' }, { _id: 'a' }, { _id: '_bad' }] } })
  await checked('POST /db/_bulk_docs', { json: { docs: [{ _id: 'c' }], all_or_nothing: true } })
  await checked('POST /db/_index', { json: { index: { fields: ['v'] }, ddoc: 'i', name: 'v' } })
  const reads = [
    ...[
      '/',
      '/_up',
      '/_uuids?count=2',
      '/_session',
      '/favicon.ico',
      '/_all_dbs',
      '/_dbs_info',
      '/_db_updates',
    ],
    ...['/_active_tasks', '/_membership', '/_cluster_setup', '/_scheduler/jobs', '/_scheduler/docs'],
    ...[
      '/_reshard',
      '/_reshard/state',
      '/_reshard/jobs',
      '/_node/_local',
      '/_node/_local/_config',
      '/_utils',
    ],
    ...['/_node/_local/_config/log', '/_node/_local/_config/log/level', '/_node/_local/_stats'],
    ...['/_node/_local/_stats/couchdb/open_databases', '/_node/_local/_system', '/_node/_local/_prometheus'],
    ...[
      '/_node/_local/_versions',
      '/_node/_local/_smoosh/status',
      '/_backup/db',
      '/_dashboard/api',
      '/_utils/',
    ],
    ...['/_dashboard/api/', '/_openapi.json', '/_scheduler/docs/_replicator', '/db', '/db/_all_docs'],
    ...['/db/_all_docs?include_docs=true&update_seq=true', '/db/_all_docs?keys=%5B%22none%22%2C%22a%22%5D'],
    ...[
      '/db/_design_docs',
      '/db/_local_docs?include_docs=true',
      '/db/_changes?include_docs=true&style=all_docs',
    ],
    ...['/db/_changes?filter=d/f', '/db/_changes?feed=longpoll', '/db/_security', '/db/_revs_limit'],
    ...[
      '/db/_purged_infos',
      '/db/_purged_infos_limit',
      '/db/_index',
      '/db/_design%2Fd',
      '/db/_design/d/_info',
    ],
    ...['/db/_design/d/_view/v', '/db/_design/d/_view/v?reduce=false&include_docs=true&update_seq=true'],
    ...[
      '/db/_design/d/_view/v?group=true',
      '/db/_design/d/_show/s/a',
      '/db/_design/d/_list/l/v?reduce=false',
    ],
    ...['/db/_design/d/_rewrite/x', '/db/a', '/db/a?meta=true&revs=true&local_seq=true&attachments=true'],
    ...['/db/a?open_revs=all', '/db/_design/d', '/db/_local/l', '/db/a/file.txt', '/split/_partition/p'],
    ...[
      '/split/_partition/p/_all_docs',
      '/split/_partition/p/_design/d/_view/v',
      '/_node/_local/_config/none/none',
      '/db/_changes?filter=d/bad',
    ],
  ]
  for (const path of reads) await checked(`GET ${path}`)
  await checked('GET /db/a/file.txt', { headers: { range: 'bytes=1-2' } })
  await checked('GET /db/a/file.txt', { headers: { range: 'bytes=99-' } })
  const json = 'application/json'
  const posts: [path: string, json: unknown][] = [
    ['/_session', { name: 'admin', password: 'secret' }],
    ['/_dbs_info', { keys: ['db', 'none'] }],
    ['/_cluster_setup', { action: 'add_node' }],
    ['/db/_all_docs', { keys: ['a'] }],
    ['/db/_all_docs/queries', { queries: [{ limit: 1 }, { keys: ['a', 'z'] }] }],
    ['/db/_design_docs', {}],
    ['/db/_design_docs/queries', { queries: [{}] }],
    ['/db/_local_docs', {}],
    ['/db/_local_docs/queries', { queries: [{}] }],
    ['/db/_changes?filter=_selector', { selector: { v: 1 } }],
    ['/db/_bulk_get', { docs: [{ id: 'a' }, { id: 'none' }, {}, { id: 'a', rev: 'x' }] }],
    ['/db/_revs_diff', { a: [a, '9-0'], none: ['1-0'] }],
    ['/db/_missing_revs', { a: [a, '9-0'] }],
    ['/db/_find', { selector: { v: 1 }, execution_stats: true }],
    ['/db/_find', { selector: {}, count: true }],
    ['/db/_find', { selector: { $bad: 1 } }],
    ['/db/_explain', { selector: { v: 1 } }],
    ['/db/_index', { index: { fields: ['v'] }, ddoc: 'i', name: 'v' }],
    ['/db/_index/_bulk_delete', { docids: ['none'] }],
    ['/db/_design/d/_view/v', { reduce: false }],
    ['/db/_design/d/_view/v/queries', { queries: [{}, { reduce: false }] }],
    ['/db/_design/d/_update/u', {}],
    ['/db/_ensure_full_commit', {}],
    ['/db/_compact', {}],
    ['/db/_compact?dry_run=true', {}],
    ['/db/_compact/d', {}],
    ['/db/_view_cleanup', {}],
    ['/db/_purge', { b: [b] }],
    ['/_reshard/jobs', { type: 'split', db: 'db' }],
    ['/_node/_local/_config/_reload', {}],
    ['/_node/_local/_restart', {}],
    ['/_replicate', { source: 'db', target: 'copy', create_target: true }],
    ['/split/_partition/p/_find', { selector: {} }],
    ['/split/_partition/p/_explain', { selector: {} }],
    ['/split/_partition/p/_all_docs', {}],
    ['/split/_partition/p/_design/d/_view/v', {}],
    ['/split/_partition/p/_design/d/_view/v/queries', { queries: [{}] }],
    ['/db/_bulk_docs?w=2', { docs: [{}] }],
    ['/db/_purge?w=2', { none: ['1-0'] }],
  ]
  for (const [path, value] of posts) {
    await checked(`POST ${path}`, { body: JSON.stringify(value), headers: { 'content-type': json } })
  }
  const puts: [path: string, json: unknown][] = [
    ['/db/_security', { members: { names: ['x'] }, own: 1 }],
    ['/db/_revs_limit', 100],
    ['/db/_purged_infos_limit', 100],
    ['/_reshard/state', { state: 'running' }],
    ['/_node/_local/_config/csp/utils_enable', 'true'],
    ['/_replicator/r', { source: 'db', target: 'none', continuous: true }],
  ]
  for (const [path, value] of puts) await checked(`PUT ${path}`, { json: value })
  await checked('GET /_scheduler/docs/_replicator/r')
  await checked('DELETE /_node/_local/_config/csp/utils_enable')
  await checked(`DELETE /db/a/file.txt?rev=${patched}`)
  await checked('DELETE /db/_local/l')
  await checked('DELETE /db/_index/i/json/v')
  const last = revOf(await checked('PUT /db/gone', { json: {} }))
  await checked(`DELETE /db/gone?rev=${last}&w=2`)
  await checked('PUT /db/gone?w=2', { json: {} })
  await checked('DELETE /db/a')
  await checked('DELETE /_session')
  await checked('DELETE /copy')

  const wanted = api.operations.flatMap(({ method, path, operation }) =>
    Object.entries(operation['responses'] as Part)
      .filter(([status, response]) => {
        const content = api.resolved(response)['content'] as Part | undefined
        return status.startsWith('2') && content?.['application/json'] !== undefined
      })
      .map(([status]) => `${method} ${path} ${status}`),
  )
  const unseen = wanted.filter((each) => !api.seen.has(each))
  t.ok(wanted.length > 90, `${wanted.length} answers of JSON`)
  t.ok(unseen.length < wanted.length * MOST_UNSEEN, `not seen: ${unseen.join(', ')}`)
})

t.test('wrong requests are answered as it says, to anybody', async (t) => {
  let count = 0
  for (const each of api.operations) {
    const target = targetOf(each)
    const isHarmful = (each.method === 'DELETE' && target === '/db') || target.endsWith('_restart')
    if (isHarmful) continue
    const isBare = each.method === 'GET' || each.method === 'HEAD'
    const sent = isBare ? {} : { body: count % 2 === 0 ? '[]' : '{"a":' }
    await checked(`${each.method} ${target}`, { ...sent, as: null })
    // A stream that has no end.
    if (!target.endsWith('/events')) await checked(`${each.method} ${target}`, sent)
    count += 1
  }
  t.ok(count > 300, `${count} operations`)
  for (const { route, methods } of resources) {
    const { refuses = [], paths } = DESCRIPTIONS[route]
    for (const method of refuses.filter((each) => Object.hasOwn(methods, each))) {
      const { status } = await ask(server, `${method} ${targetOf(paths[0]!)}`, { json: {} })
      t.match(String(status), /^40[45]$/, `${method} of ${route}`)
    }
  }
})

t.test('random requests are answered as it says', async (t) => {
  await prepareServer(server)
  let described = 0
  for (const request of fc.sample(randomRequest, { numRuns: 150, seed })) {
    const { method, path, inside } = request
    const target = `/${[...(inside ? ['db'] : []), ...path].join('/')}`
    // What no route has is refused before anybody looks for it.
    if (api.find(method, target) === undefined) continue
    const reply = await sendRandom(server, request)
    if (reply === undefined || reply.status === 405) continue
    described += 1
    const fault = api.fault(`${method} ${target}`, reply)
    if (fault !== undefined) t.fail(fault)
  }
  t.ok(described > 50, `${described} requests`)
})
