/** Requests of every shape, sensible and not, and what no answer may be, whatever is asked. */
import fc from 'fast-check'
import { ask, type Reply, type Sending } from './http-request.ts'
import type { TestServer } from './http-server.ts'

const names = [
  ...['_all_docs', '_bulk_docs', '_bulk_get', '_changes', '_design', '_design_docs', '_local', '_local_docs'],
  ...['_missing_revs', '_revs_diff', '_revs_limit', '_security', '_ensure_full_commit', '_view_cleanup'],
  ...['_compact', 'queries', 'a', 'd', 'l', 'db', '_session', '_uuids', '_all_dbs', '_dbs_info', '_node'],
  ...[
    '_local%2Fl',
    '_design%2Fd',
    '_scheduler',
    '_cluster_setup',
    '_utils',
    '_dashboard',
    '_replicate',
    '_up',
    '%FF',
    '%00',
  ],
  ...['__proto__', 'constructor', '..', '+', '%2B', '%2F', '%', 'é'.repeat(3).replace(/é/g, '%C3%A9')],
]
const values = [
  ...['', 'true', 'false', '0', '1', '-1', '5', 'abc', '99999999999999999999', '1e3', 'null', '%00', '%FF'],
  ...['%22a%22', '%5B%22a%22%5D', '%5B%5D', '%7B%7D', '%5B1%2Cnull%2C%7B%7D%5D', '1-a', '1-', '-1-a', 'all'],
  ...[
    'now',
    'continuous',
    'longpoll',
    'eventsource',
    '_doc_ids',
    '_design',
    '_selector',
    'd/f',
    'd/none',
    '%5B',
  ],
  `1-${'A'.repeat(32)}`,
  `1-${'z'.repeat(32)}`,
]
const parameters = [
  ...['rev', 'revs', 'open_revs', 'latest', 'conflicts', 'meta', 'atts_since', 'new_edits', 'batch', 'limit'],
  ...[
    'skip',
    'startkey',
    'endkey',
    'key',
    'keys',
    'descending',
    'include_docs',
    'inclusive_end',
    'update_seq',
  ],
  ...['since', 'feed', 'filter', 'doc_ids', 'style', 'seq_interval', 'heartbeat', 'timeout', 'view', 'count'],
  ...[
    'q',
    'n',
    'partitioned',
    'basic',
    'next',
    'deleted',
    'reduce',
    'group',
    'ensure_dbs_exist',
    '__proto__',
  ],
]
const member = fc.constantFrom(
  ...['_id', '_rev', '_deleted', '_revisions', '_attachments', '_x', 'docs', 'keys', 'queries', 'new_edits'],
  ...['doc_ids', 'limit', 'id', 'rev', 'start', 'ids', 'admins', 'members', 'names', 'name', 'password', 'a'],
)
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      1e300,
      '',
      'a',
      '1-a',
      '_x',
      '_design/d',
      '_local/l',
    ),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.array(fc.tuple(member, tie('json')), { maxLength: 4 }).map((pairs) => Object.fromEntries(pairs)),
  ),
}))
const body = fc.oneof(
  { weight: 6, arbitrary: json.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.constantFrom('', '{', '"\\ud800"', '\u0000', '[1e999]', '{"a":1}}') },
)
const header = fc.constantFrom<Record<string, string>>(
  {},
  { 'if-match': '"1-a"' },
  { 'if-match': '' },
  { 'if-none-match': '*' },
  { 'content-type': 'application/json' },
  { 'content-type': 'application/x-www-form-urlencoded' },
  { 'content-encoding': 'gzip', 'content-type': 'application/json' },
  { accept: 'multipart/mixed' },
  { destination: 'b?rev=x' },
  { destination: '_local/x' },
  { cookie: 'AuthSession=x' },
  { 'x-http-method-override': 'COPY' },
  { referer: 'http://x/' },
  { prefer: 'return=minimal' },
)
/** A request as it goes out; `inside` puts its path below /db. */
export const randomRequest = fc.record({
  method: fc.constantFrom('GET', 'GET', 'HEAD', 'PUT', 'POST', 'POST', 'DELETE', 'COPY', 'PATCH', 'OPTIONS'),
  path: fc.array(fc.constantFrom(...names), { maxLength: 4 }),
  inside: fc.boolean(),
  query: fc.array(fc.tuple(fc.constantFrom(...parameters), fc.constantFrom(...values)), { maxLength: 3 }),
  headers: header,
  typed: fc.boolean(),
  body: fc.option(body),
})

/** What a random request asks for. */
export type RandomRequest = typeof randomRequest extends fc.Arbitrary<infer T> ? T : never

/** The database that the requests meet. */
export async function prepareServer(server: TestServer): Promise<void> {
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/a', { json: { v: 1 } })
  await ask(server, 'PUT /db/_design/d', { json: { filters: { f: 'function () {}' } } })
  await ask(server, 'PUT /db/_local/l', { json: {} })
}

/** Sends a request; undefined when it would take the database away. Throws when the answer is a defect. */
export async function sendRandom(server: TestServer, request: RandomRequest): Promise<Reply | undefined> {
  const { method, path, inside, query, headers, typed, body } = request
  const parts = inside ? ['db', ...path] : path
  // The database itself stays, so that there is something to ask.
  if (method === 'DELETE' && parts.length <= 1) return undefined
  const search = query.map(([name, value]) => `${name}=${value}`).join('&')
  const sending: Sending = {
    headers: { ...(typed ? { 'content-type': 'application/json' } : {}), ...headers },
  }
  if (body !== null && method !== 'GET' && method !== 'HEAD') sending.body = body
  const reply = await ask(server, `${method} /${parts.join('/')}${search && `?${search}`}`, sending)
  if (reply.status === 500) throw new Error(`defect: ${server.lines.at(-1)}`)
  // Who asks for a page that is not there is told so in plain text, as by CouchDB.
  const isPage = ['_utils', '_dashboard'].includes(parts[0]!) && reply.status === 404
  if (reply.status >= 400 && method !== 'HEAD' && !isPage) {
    const { error, reason } = (reply.json ?? {}) as Record<string, unknown>
    if (typeof error !== 'string') throw new Error(`no error in ${reply.text}`)
    if (reason === undefined && error !== 'not found') throw new Error(`no reason in ${reply.text}`)
  }
  return reply
}
