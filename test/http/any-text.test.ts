/**
 * Whatever text the server takes, as an id, a revision, the name or the type of an attachment, can be read back wherever it
 * is shown, over real sockets: in bodies, in headers, and as the next request's path, parameter or header.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ask, type Reply, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

type Json = Record<string, unknown>
type Doc = Json & { _id: string; _rev: string; _attachments: Record<string, { content_type: string }> }

/** An answer that says something went wrong in the server, or was cut off, fails the test. */
async function send(line: string, sending: Sending = {}): Promise<Reply> {
  const reply = await ask(server, line, sending)
  if (reply.status >= 500) throw new Error(`${line}: ${reply.status} ${reply.text}`)
  return reply
}

const odd = fc.constantFrom(
  '"',
  '\\',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '\x7f',
  '\x85',
  'é',
  '中',
  '🙂',
  ' ',
  '%',
  '/',
  '?',
  '#',
  '+',
  ',',
  ';',
  '=',
  '-',
  '_',
  "'",
  '\u2028',
  '\ufeff',
  'a',
)
const text = fc.oneof(
  { weight: 3, arbitrary: fc.array(odd, { maxLength: 8 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
)
const inHeader = (value: string): string => Buffer.from(value).toString('latin1')
const fromHeader = (value: string): string => Buffer.from(value, 'latin1').toString()
// biome-ignore lint/suspicious/noControlCharactersInRegex: no header can hold these
const CONTROLS = /[\x00-\x1f\x7f]/
const path = encodeURIComponent

interface Names {
  id: string
  revId: string
  name: string
  type: string
}

/** Bytes: a text would go out in one piece with the head, as UTF-8, whatever the head's encoding. */
const jsonBytes = (value: object): Buffer => Buffer.from(JSON.stringify(value))
const DATA = Buffer.from('some data')
let databases = 0

/** Writes the document; undefined where the server does not take it. */
async function written(db: string, { id, revId, name, type }: Names): Promise<Doc | undefined> {
  const _attachments = { [name]: { content_type: type, data: DATA.toString('base64') } }
  const doc = { _id: id, _rev: `1-${revId}`, _attachments, v: id }
  const reply = await send(`POST ${db}/_bulk_docs`, { json: { new_edits: false, docs: [doc] } })
  return reply.status === 201 && (reply.json as object[]).length === 0 ? (doc as unknown as Doc) : undefined
}

function same(actual: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`)
}

function sameDocument(found: unknown, doc: Doc, what: string): void {
  const { _id, _rev, v, _attachments } = found as Doc
  same([_id, _rev, v], [doc._id, doc._rev, doc['v']], what)
  const types = (each: Doc['_attachments']) =>
    Object.entries(each).map(([name, { content_type }]) => [name, content_type])
  same(types(_attachments), types(doc._attachments), `attachments of ${what}`)
}

async function readDocument(db: string, doc: Doc): Promise<void> {
  const at = `${db}/${path(doc._id)}`
  const rev = path(doc._rev)
  for (const query of ['', `?rev=${rev}`, '?attachments=true', `?rev=${rev}&attachments=true`]) {
    const reply = await send(`GET ${at}${query}`)
    same(reply.status, 200, query)
    sameDocument(reply.json, doc, `GET ${query}`)
    const { etag } = reply.headers
    same(etag, CONTROLS.test(doc._rev) ? undefined : inHeader(`"${doc._rev}"`), 'ETag')
    if (etag !== undefined) {
      const conditional = await send(`GET ${at}${query}`, { headers: { 'if-none-match': etag } })
      same(conditional.status, 304, 'If-None-Match')
    }
    same((await send(`HEAD ${at}${query}`)).status, 200, 'HEAD')
  }
  const meta = (await send(`GET ${at}?revs=true&meta=true`)).json as Json
  same(meta['_revisions'], { start: 1, ids: [doc._rev.slice(2)] }, '_revisions')
  same(meta['_revs_info'], [{ rev: doc._rev, status: 'available' }], '_revs_info')
  const open = await send(`GET ${at}?open_revs=${path(JSON.stringify([doc._rev, '9-none']))}`)
  const [found, none] = open.json as [{ ok: unknown }, Json]
  sameDocument(found.ok, doc, 'open_revs')
  same(none, { missing: '9-none' }, 'open_revs of none')
}

/** The JSON of the document in a multipart answer. */
function partOf(reply: Reply): unknown {
  const line = reply.text.split('\r\n').find((each) => each.startsWith('{"_id"'))
  return JSON.parse(line ?? 'null')
}

async function readMultipart(db: string, doc: Doc): Promise<void> {
  const at = `${db}/${path(doc._id)}`
  const headers = { accept: 'multipart/related' }
  const related = await send(`GET ${at}?attachments=true`, { headers })
  sameDocument(partOf(related), doc, 'multipart/related')
  const mixed = { accept: 'multipart/mixed' }
  const open = await send(`GET ${at}?open_revs=all&attachments=true`, { headers: mixed })
  sameDocument(partOf(open), doc, 'multipart open_revs')
  const get = { json: { docs: [{ id: doc._id, rev: doc._rev }] }, headers: mixed }
  const bulk = await send(`POST ${db}/_bulk_get?attachments=true`, get)
  sameDocument(partOf(bulk), doc, 'multipart _bulk_get')
  if (CONTROLS.test(doc._id + doc._rev)) return
  const heads = Buffer.from(bulk.text).toString()
  if (!heads.includes(`X-Doc-Id: ${doc._id}\r\n`)) throw new Error('X-Doc-Id is another')
  if (!heads.includes(`X-Rev-Id: ${doc._rev}\r\n`)) throw new Error('X-Rev-Id is another')
}

async function readLists(db: string, doc: Doc): Promise<void> {
  const key = path(JSON.stringify(doc._id))
  const wanted = { id: doc._id, key: doc._id, value: { rev: doc._rev } }
  for (const query of [
    `keys=${path(JSON.stringify([doc._id]))}`,
    `key=${key}`,
    `startkey=${key}&endkey=${key}`,
  ]) {
    const { rows } = (await send(`GET ${db}/_all_docs?include_docs=true&${query}`)).json as { rows: Json[] }
    const { doc: shown, ...row } = rows[0]!
    same(row, wanted, `_all_docs ${query}`)
    sameDocument(shown, doc, `_all_docs ${query}`)
  }
  const queries = await send(`POST ${db}/_all_docs/queries`, { json: { queries: [{ keys: [doc._id] }] } })
  same((queries.json as { results: { rows: Json[] }[] }).results[0]!.rows, [wanted], 'queries')
  const changes = await send(`GET ${db}/_changes?style=all_docs&include_docs=true`)
  const [change] = (changes.json as { results: Json[] }).results
  same([change!['id'], change!['changes']], [doc._id, [{ rev: doc._rev }]], '_changes')
  sameDocument(change!['doc'], doc, '_changes')
  const selected = await send(`POST ${db}/_changes?filter=_selector`, { json: { selector: { v: doc._id } } })
  same((selected.json as { results: Json[] }).results.length, 1, 'a selector')
  const get = await send(`POST ${db}/_bulk_get?revs=true`, {
    json: { docs: [{ id: doc._id, rev: doc._rev }] },
  })
  const [result] = (get.json as { results: { id: string; docs: { ok: Doc }[] }[] }).results
  same(result!.id, doc._id, '_bulk_get')
  sameDocument(result!.docs[0]!.ok, doc, '_bulk_get')
  const absent = `${doc._rev}x`
  const diff = await send(`POST ${db}/_revs_diff`, { json: { [doc._id]: [doc._rev, absent] } })
  same(diff.json, { [doc._id]: { missing: [absent] } }, '_revs_diff')
  const missing = await send(`POST ${db}/_missing_revs`, { json: { [doc._id]: [doc._rev, absent] } })
  same(missing.json, { missing_revs: { [doc._id]: [absent] } }, '_missing_revs')
}

async function readAttachment(db: string, doc: Doc): Promise<void> {
  const [[name, { content_type: type }]] = Object.entries(doc._attachments) as [
    [string, { content_type: string }],
  ]
  // CouchDB joins the parts of a path; an empty name has none.
  if (name === '') return
  const reply = await send(`GET ${db}/${path(doc._id)}/${path(name)}?rev=${path(doc._rev)}`)
  same([reply.status, reply.text], [200, DATA.toString()], 'an attachment')
  const shown = fromHeader(reply.headers['content-type'] ?? '')
  same(shown, (CONTROLS.test(type) ? 'application/octet-stream' : type).replace(/^ +| +$/g, ''), 'its type')
}

async function writeOn(db: string, doc: Doc): Promise<void> {
  const at = `${db}/${path(doc._id)}`
  const copied = await send(`COPY ${at}?rev=${path(doc._rev)}`, {
    headers: { destination: `copy-${path(doc._id)}` },
  })
  same([copied.status, (copied.json as Json)['id']], [201, `copy-${doc._id}`], 'COPY')
  const location = new URL(copied.headers.location!).pathname
  same(((await send(`GET ${location}`)).json as Doc)._id, `copy-${doc._id}`, 'Location')
  const match = { 'if-match': inHeader(`"${doc._rev}"`) }
  const headers = CONTROLS.test(doc._rev) ? {} : match
  const query = CONTROLS.test(doc._rev) ? `?rev=${path(doc._rev)}` : ''
  const put = await send(`PUT ${at}${query}`, { body: jsonBytes({ v: doc._id }), headers })
  same([put.status, (put.json as Json)['id']], [201, doc._id], 'PUT with the revision')
  const { _revisions } = (await send(`GET ${at}?revs=true`)).json as { _revisions: { ids: string[] } }
  same(_revisions.ids[1], doc._rev.slice(2), 'the parent')
  const purged = await send(`POST ${db}/_purge`, {
    json: { [`copy-${doc._id}`]: [(copied.json as Json)['rev']] },
  })
  same(purged.status, 201, '_purge')
  const infos = (await send(`GET ${db}/_purged_infos`)).json as { purged_infos: Json[] }
  same(infos.purged_infos[0]!['id'], `copy-${doc._id}`, '_purged_infos')
}

t.test('documents, revisions and attachments', async () => {
  let taken = 0
  // As in CouchDB an id of 16 bytes is what 32 hexadecimal digits stand for, and shown so; one of 32 bytes is such digits.
  const revId = text.filter((each) => ![15, 16, 31, 32].includes(Buffer.byteLength(each)))
  const names = fc.record({ id: text, revId, name: text, type: text })
  await fc.assert(
    fc.asyncProperty(names, async (given) => {
      databases += 1
      const db = `/any${databases}`
      await send(`PUT ${db}`)
      const doc = await written(db, given)
      if (doc !== undefined) {
        taken += 1
        await readDocument(db, doc)
        await readMultipart(db, doc)
        await readLists(db, doc)
        await readAttachment(db, doc)
        await writeOn(db, doc)
      }
      await send(`DELETE ${db}`)
    }),
    { numRuns: 20, endOnFailure: true },
  )
  if (taken < 5) throw new Error(`only ${taken} documents were taken`)
})

t.test('types in headers, local documents, members of a database', async (t: Test) => {
  await send('PUT /texts')
  await fc.assert(
    fc.asyncProperty(text, async (given) => {
      const type = given.replace(new RegExp(CONTROLS, 'g'), '').trim()
      const put = await send(`PUT /texts/${databases++}/file`, {
        body: DATA,
        headers: { 'content-type': inHeader(type || 'x') },
      })
      const { id } = put.json as { id: string }
      const shown = (await send(`GET /texts/${id}`)).json as Doc
      same(shown._attachments['file']!.content_type, type || 'x', 'the type of an upload')
      same(
        fromHeader((await send(`GET /texts/${id}/file`)).headers['content-type']!),
        type || 'x',
        'its header',
      )
      const local = await send(`PUT /texts/_local/${path(given)}`, { json: { v: given } })
      if (local.status === 201) {
        same((local.json as Json)['id'], `_local/${given}`, 'a local document')
        const read = (await send(`GET /texts/_local/${path(given)}`)).json as Doc
        same([read._id, read['v']], [`_local/${given}`, given], 'a local document')
        const { rows } = (await send('GET /texts/_local_docs')).json as { rows: { id: string }[] }
        same(
          rows.some((row) => row.id === `_local/${given}`),
          true,
          '_local_docs',
        )
      }
      const security = {
        admins: { names: [given], roles: [] },
        members: { names: [], roles: [given] },
        [`x${given}`]: 1,
      }
      await send('PUT /texts/_security', { json: security })
      same((await send('GET /texts/_security')).json, security, '_security')
    }),
    { numRuns: 30, endOnFailure: true },
  )
  t.notMatch(server.lines.join(''), /"level":"error"/, 'nothing failed')
})

t.test('a log has a line for each event, whatever is asked for', async (t) => {
  await send(`GET /texts/${path('x\n{"time":1,"level":"error","message":"forged"}')}`)
  // Other threads' lines of earlier requests may come as late as this one.
  const ofIt = (): string[] => server.lines.filter((line) => line.includes('forged'))
  await until('the event is logged', () => ofIt().length > 0)
  const lines = ofIt()
  for (const line of lines) t.equal(line.indexOf('\n'), line.length - 1)
  t.equal(lines.length, 1)
})
