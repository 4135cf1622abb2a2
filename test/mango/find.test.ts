/** What queries answer beyond the recordings: figures, alternatives, bookmarks of anybody, indexes that others wrote. */
import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)
const find = async (name: string, json: object) => (await send(`POST /${name}/_find`, { json })).json as Found

interface Found {
  docs: { _id: string }[]
  bookmark: string
  warning?: string
  count?: number
  groups?: Record<string, unknown>[]
  error?: string
  reason?: string
  execution_stats?: {
    total_docs_examined: number
    total_quorum_docs_examined: number
    total_keys_examined: number
  }
}

async function filled(name: string): Promise<void> {
  await send(`PUT /${name}`)
  const docs = Array.from({ length: 300 }, (_, n) => ({
    _id: `d${String(n).padStart(3, '0')}`,
    n,
    even: n % 2 === 0,
    city: ['Bonn', 'Köln', 'Ulm'][n % 3],
    ...(n % 10 === 0 && { price: n / 4 }),
  }))
  await send(`POST /${name}/_bulk_docs`, { json: { docs } })
}

t.test('documents are counted, by an index without looking at any', async (t) => {
  await filled('count')
  t.match(await find('count', { selector: { n: { $gte: 290 } }, count: true }), { count: 10 })
  await send('POST /count/_index', { json: { index: { fields: ['city', 'n'] }, ddoc: 'i', name: 'i' } })
  const query = { selector: { city: 'Ulm', n: { $gt: 2, $lte: 299 } }, count: true, execution_stats: true }
  t.match(await find('count', query), { count: 99, execution_stats: { total_docs_examined: 0 } })
  const filtered = {
    selector: { city: 'Ulm', n: { $gt: 2 }, even: true },
    count: true,
    execution_stats: true,
  }
  t.match(await find('count', filtered), { count: 49, execution_stats: { total_docs_examined: 100 } })
  t.match(await find('count', { ...filtered, r: 2 }), {
    count: 49,
    execution_stats: { total_docs_examined: 0, total_quorum_docs_examined: 100 },
  })
  t.match(await find('count', { selector: { $or: [] }, count: true }), { count: 0 })
  t.match(await find('count', { selector: {}, count: true, skip: 1 }), {
    error: 'invalid_aggregate',
    reason: '`skip` means nothing beside `count`.',
  })
})

t.test('figures by groups', async (t) => {
  await filled('groups')
  const aggregate = {
    $group: ['city'],
    documents: { $count: true },
    priced: { $count: 'price' },
    total: { $sum: 'price' },
    mean: { $avg: 'price' },
    least: { $min: 'n' },
    most: { $max: 'n' },
    none: { $min: 'nothing' },
  }
  const { groups } = await find('groups', { selector: { n: { $lt: 30 } }, aggregate })
  t.same(groups, [
    { group: { city: 'Bonn' }, documents: 10, priced: 1, total: 0, mean: 0, least: 0, most: 27, none: null },
    {
      group: { city: 'Köln' },
      documents: 10,
      priced: 1,
      total: 2.5,
      mean: 2.5,
      least: 1,
      most: 28,
      none: null,
    },
    { group: { city: 'Ulm' }, documents: 10, priced: 1, total: 5, mean: 5, least: 2, most: 29, none: null },
  ])
  const all = await find('groups', { selector: {}, aggregate: { n: { $sum: 'n' } } })
  t.same(all.groups, [{ n: 44_850 }])
  for (const wrong of [
    5,
    {},
    { a: 1 },
    { a: { $sum: true } },
    { a: { $median: 'n' } },
    { $limit: 1, a: { $count: true } },
  ]) {
    t.match(await find('groups', { selector: {}, aggregate: wrong }), { error: 'invalid_aggregate' })
  }
})

t.test('beginnings of texts are ranges of an index, as CouchDB shows them', async (t) => {
  await send('PUT /begins')
  const names = ['Ab', 'ab', 'A', 'A\ufffdx', 'B', 'äb', 'a\u0308b', 'A\ud83d\ude00']
  const docs = names.map((name, at) => ({ _id: `${name}${at}`, name, at }))
  await send('POST /begins/_bulk_docs', { json: { docs: [...docs, { _id: 'number', name: 5 }] } })
  await send('POST /begins/_index', { json: { index: { fields: ['name'] }, ddoc: 'name' } })
  await send('POST /begins/_index', { json: { index: { fields: ['at', 'name'] }, ddoc: 'both' } })
  const explained = async (json: object) =>
    ((await send('POST /begins/_explain', { json })).json as { mrargs: object }).mrargs
  t.match(await explained({ selector: { name: { $beginsWith: 'A' } } }), {
    start_key: ['A'],
    end_key: ['A\ufffd', '<MAX>'],
  })
  t.match(await explained({ selector: { at: 1, name: { $beginsWith: 'ä' } } }), {
    start_key: [1, 'ä'],
    end_key: [1, 'ä\ufffd', '<MAX>'],
  })
  t.match(await explained({ selector: { _id: { $beginsWith: 'a' } } }), {
    start_key: 'a',
    end_key: 'a\ufffd',
  })
  for (const start of ['A', 'a', 'ä', 'a\u0308', 'Ab', 'x', '']) {
    const expected = names.filter((name) => name.startsWith(start)).sort()
    for (const field of ['name', '_id']) {
      const { docs } = await find('begins', { selector: { [field]: { $beginsWith: start } } })
      const found = (docs as { _id: string; name?: unknown }[]).filter(({ _id }) => _id !== 'number')
      t.same(found.map(({ name }) => name).sort(), expected, `${field} ${start}`)
    }
  }
})

t.test('ids are compared by their bytes, with an index of them too', async (t) => {
  await send('PUT /bytes')
  const docs = ['B0', 'Z1', 'a1', 'b9', 'm5', 'zed'].map((_id) => ({ _id, name: 'x' }))
  await send('POST /bytes/_bulk_docs', { json: { docs } })
  const found = async (selector: object) =>
    (await find('bytes', { selector })).docs.map(({ _id }) => _id).sort()
  for (const isIndexed of [false, true]) {
    if (isIndexed) await send('POST /bytes/_index', { json: { index: { fields: ['name', '_id'] } } })
    const range = { $gte: 'Z', $lt: 'b' }
    t.same(await found({ _id: range }), ['Z1', 'a1'])
    t.same(await found({ name: 'x', _id: range }), ['Z1', 'a1'])
    t.same(await found({ name: 'x', _id: { $gte: 'Z' } }), ['Z1', 'a1', 'b9', 'm5', 'zed'])
    t.same(await found({ name: 'x', _id: 'a1' }), ['a1'])
  }
})

t.test('a field that must be there is one that an index serves', async (t) => {
  await send('PUT /exists')
  for (const fields of [['manager'], ['company', 'manager']]) {
    await send('POST /exists/_index', { json: { index: { fields }, ddoc: fields.join('-') } })
  }
  const json = { selector: { company: { $exists: true }, manager: true }, fields: ['company'] }
  const { json: explained } = await send('POST /exists/_explain', { json })
  t.match(explained, {
    index: { ddoc: '_design/company-manager' },
    covering: true,
    selector_hints: [{ indexable_fields: ['company', 'manager'], unindexable_fields: [] }],
  })
})

t.test('alternatives that have an index each', async (t) => {
  await filled('or')
  for (const field of ['n', 'price']) {
    await send('POST /or/_index', { json: { index: { fields: [field] }, ddoc: field, name: field } })
  }
  const query = { selector: { $or: [{ n: { $lte: 2 } }, { price: { $gte: 70 } }] }, execution_stats: true }
  const answer = await find('or', query)
  t.same(
    answer.docs.map(({ _id }) => _id),
    ['d000', 'd001', 'd002', 'd280', 'd290'],
  )
  t.match(answer.execution_stats, { total_docs_examined: 5 })
  t.equal(answer.warning, undefined)
  const first = await find('or', { ...query, limit: 2 })
  const rest = await find('or', { ...query, bookmark: first.bookmark })
  t.same(
    rest.docs.map(({ _id }) => _id),
    ['d002', 'd280', 'd290'],
  )
  const { json } = await send('POST /or/_explain', { json: query })
  t.match(json, { branches: [{ index: { name: 'n' } }, { index: { name: 'price' } }] })
  const many = await find('or', {
    ...query,
    selector: { $or: [{ n: { $lt: 250 } }, { price: 70 }] },
    limit: 300,
  })
  t.equal(many.docs.length, 251)
  t.match(many.warning, /^No matching index/)
})

t.test('keys of an index answer without its documents', async (t) => {
  await filled('cover')
  await send('POST /cover/_index', { json: { index: { fields: ['city', 'n'] }, ddoc: 'i', name: 'i' } })
  const query = {
    selector: { city: 'Köln', n: { $lt: 5 } },
    fields: ['_id', 'n', 'city'],
    execution_stats: true,
  }
  const answer = await find('cover', query)
  t.same(answer.docs, [
    { _id: 'd001', n: 1, city: 'Köln' },
    { _id: 'd004', n: 4, city: 'Köln' },
  ])
  t.match(answer.execution_stats, { total_docs_examined: 0, total_keys_examined: 2 })
  t.match(await find('cover', { ...query, fields: ['_rev'] }), { docs: [{ _rev: /^1-/ }, { _rev: /^1-/ }] })
})

t.test('what keys cover is shown as what documents say', async (t) => {
  await send('PUT /covered')
  const ids = ['plain', 'ö', 'a"b\\c', 'tab\t', '\u0001\u0002', 'x'.repeat(300), `${'ü'.repeat(60)}`]
  const values = [1, -1.5, 1e21, 'a\n"ü', true, null, [1, { b: [] }], { c: 'd' }, '', 'y'.repeat(500)]
  const docs = ids.flatMap((id) =>
    values.map((value, n) => ({ _id: `${id} ${n}`, n, deep: { value, other: { n } }, [`odd"name`]: value })),
  )
  await send('POST /covered/_bulk_docs', { json: { docs } })
  const index = { fields: ['n', 'deep.value', 'deep.other.n', 'odd"name'] }
  await send('POST /covered/_index', { json: { index, ddoc: 'i', name: 'i' } })
  const selector = { n: { $gte: 0 }, 'deep.value': { $exists: true }, 'deep.other.n': { $exists: true } }
  const whole = { ...selector, 'odd"name': { $exists: true } }
  const wishes = [
    ['_id'],
    ['n', '_id'],
    ['deep.value'],
    ['deep.other.n', 'n', 'deep.value'],
    ['odd"name', '_id', 'odd"name', 'deep.other.n', 'deep.value', 'n'],
  ]
  for (const fields of wishes) {
    for (const limit of [1, 7, 200]) {
      const query = { selector: whole, fields, limit, execution_stats: true }
      const covered = await find('covered', query)
      t.equal(covered.execution_stats!.total_docs_examined, 0)
      const read = await find('covered', { ...query, conflicts: true })
      t.equal(read.execution_stats!.total_docs_examined, Math.min(limit, docs.length))
      t.equal(JSON.stringify(covered.docs), JSON.stringify(read.docs), `${fields.join()} of ${limit}`)
      t.equal(covered.bookmark, read.bookmark)
    }
  }
})

t.test('bookmarks of anybody', async (t) => {
  await filled('marks')
  const huge = Buffer.concat([Buffer.from([0x83, 0x50, 0x7f, 0xff, 0xff, 0xff]), Buffer.alloc(50)])
  const deep = Buffer.concat([
    Buffer.from([0x83, 0x6c, 0, 0, 0, 1, 0x68, 2, 0x77, 1, 0x61]),
    Buffer.from('6c00000001'.repeat(100_000), 'hex'),
  ])
  for (const bytes of [Buffer.alloc(0), Buffer.from('x'), Buffer.from([0x83]), huge, deep]) {
    const bookmark = `${bytes.toString('base64url')}A`
    const { status, json } = await send('POST /marks/_find', { json: { selector: {}, bookmark } })
    t.match([status, json], [400, { error: 'invalid_bookmark' }])
  }
  const { bookmark } = await find('marks', { selector: {}, limit: 298 })
  t.equal((await find('marks', { selector: {}, bookmark })).docs.length, 2)
  const last = await find('marks', { selector: {}, limit: 300 })
  const after = await find('marks', { selector: {}, bookmark: last.bookmark })
  t.same([after.docs, after.bookmark], [[], last.bookmark])
})

t.test('a bookmark of a long key, and of one that is packed', async (t) => {
  await send('PUT /long')
  const names = [0, 1, 2].map((at) => `${'name '.repeat(600)}${at}`)
  const docs = names.map((name, at) => ({ _id: String(at), name }))
  await send('POST /long/_bulk_docs', { json: { docs } })
  await send('POST /long/_index', { json: { index: { fields: ['name'] } } })
  const query = { selector: { name: { $gt: null } }, limit: 1, fields: ['_id'] }
  let bookmark: string | undefined
  for (const _id of ['0', '1', '2']) {
    const page = await find('long', { ...query, ...(bookmark && { bookmark }) })
    t.same(page.docs, [{ _id }])
    t.ok(page.bookmark.length < 1000, 'a key that repeats itself is packed')
    bookmark = page.bookmark
  }
})

t.test('keys that are too long to tell all of themselves are told apart by their documents', async (t) => {
  await send('PUT /cut')
  const start = 'x'.repeat(30_000)
  const docs = ['a', 'b', 'c'].map((end) => ({ _id: end, name: start + end }))
  await send('POST /cut/_bulk_docs', { json: { docs } })
  await send('POST /cut/_index', { json: { index: { fields: ['name'] } } })
  const selector = { name: { $eq: `${start}b` } }
  t.match(await find('cut', { selector, count: true }), { count: 1 })
  t.same((await find('cut', { selector, fields: ['_id'] })).docs, [{ _id: 'b' }])
  t.same(
    (await find('cut', { selector })).docs.map(({ _id }) => _id),
    ['b'],
  )
})

t.test('a document that has changed since its row was written is looked at', async (t) => {
  await filled('old')
  await send('POST /old/_index', { json: { index: { fields: ['n'] } } })
  const selector = { n: { $gte: 290 } }
  const { docs } = await find('old', { selector })
  await send(`PUT /old/${docs[0]!._id}`, { json: { ...docs[0], n: 1 } })
  const stale = await find('old', { selector, update: false })
  t.equal(stale.docs.length, docs.length - 1)
  t.notOk(stale.docs.some(({ _id }) => _id === docs[0]!._id))
})

t.test('indexes that are written as design documents', async (t) => {
  await filled('own')
  const views = {
    good: { map: { fields: { n: 'asc' } }, reduce: '_count', options: { def: { fields: ['n'] } } },
    bad: { map: { fields: ['n'] }, options: {} },
    worse: { map: { fields: { 'a..b': 'asc' } }, options: {} },
    plain: { map: { fields: { n: 'asc' } } },
  }
  const design = { language: 'query', views }
  t.equal((await send('PUT /own/_design/own', { json: design })).status, 201)
  t.match((await send('GET /own/_index')).json, { total_rows: 2, indexes: [{}, { name: 'good' }] })
  t.match((await send('GET /own/_design/own/_view/plain?limit=1')).json, {
    total_rows: 300,
    rows: [{ id: 'd000', key: [0], value: null }],
  })
  for (const name of ['bad', 'worse', 'none']) {
    t.match(await send(`GET /own/_design/own/_view/${name}`), {
      status: 404,
      json: { reason: 'missing_named_view' },
    })
  }
  const answer = await find('own', { selector: { n: 7 }, use_index: 'own' })
  t.match([answer.docs, answer.warning], [[{ _id: 'd007' }], undefined])
  await send('PUT /own/d007', { json: { ...answer.docs[0], n: 700 } })
  t.match((await find('own', { selector: { n: 7 } })).docs, [])
  t.match((await find('own', { selector: { n: 700 } })).docs, [{ _id: 'd007' }])
  const several = await send('POST /own/_index/_bulk_delete', { json: { docids: ['own', 'none'] } })
  t.same(several.json, {
    success: [{ id: '_design/own', ok: true }],
    fail: [{ id: '_design/none', error: 'not_found' }],
  })
})

t.test('who may make indexes', async (t) => {
  await send('PUT /guarded')
  await send('PUT /guarded/_security', { json: { members: { roles: [] }, admins: { roles: ['chief'] } } })
  const body = { json: { index: { fields: ['a'] } }, as: null }
  t.equal((await send('POST /guarded/_index', body)).status, 401)
  t.equal((await send('GET /guarded/_index', { as: null })).status, 200)
  t.equal((await send('POST /guarded/_find', { json: { selector: {} }, as: null })).status, 200)
})

t.test('below _index there are indexes, and nothing else for any method', async (t) => {
  await send('PUT /below')
  await send('POST /below/_index', { json: { index: { fields: ['a'] }, ddoc: 'd', name: 'n' } })
  for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'HEAD', 'COPY', 'OPTIONS', 'TRACE']) {
    for (const path of ['a', 'a/b', 'a/b/c/d', 'a/b/c/d/e']) {
      t.equal((await send(`${method} /below/_index/${path}`)).status, 404, `${method} ${path}`)
    }
    if (method !== 'POST') t.equal((await send(`${method} /below/_index/_bulk_delete`)).status, 405, method)
    if (method === 'DELETE') continue
    for (const path of ['d/json/n', '_design/d/json/n']) {
      t.equal((await send(`${method} /below/_index/${path}`)).status, 405, `${method} ${path}`)
    }
  }
  const nameless = await send('POST /below/_index', { json: { index: { fields: ['a'] }, ddoc: '_design/' } })
  t.match(nameless, { status: 400, json: { error: 'illegal_docid' } })
  for (const use_index of ['a/b/c', ['a', 'b', 'c'], '_design/a/b/c']) {
    t.match(await find('below', { selector: { a: 1 }, use_index }), { error: 'invalid_index_name' })
  }
  for (const use_index of ['d', 'd/n', '_design/d', '_design/d/n', ['_design/d', 'n']]) {
    t.equal((await find('below', { selector: { a: 1 }, use_index })).warning, undefined)
  }
})

t.test('an index is a view of its design document, too', async (t) => {
  await filled('viewed')
  await send('POST /viewed/_index', { json: { index: { fields: ['city', 'n'] }, ddoc: 'i', name: 'i' } })
  const view = async (query: string) => (await send(`GET /viewed/_design/i/_view/i${query}`)).json
  t.same(await view(''), { rows: [{ key: null, value: 300 }] })
  t.same(await view('?group_level=1'), {
    rows: ['Bonn', 'Köln', 'Ulm'].map((city) => ({ key: [city], value: 100 })),
  })
  t.same(await view('?reduce=false&startkey=["Ulm"]&limit=2'), {
    total_rows: 300,
    offset: 200,
    rows: [
      { id: 'd002', key: ['Ulm', 2], value: null },
      { id: 'd005', key: ['Ulm', 5], value: null },
    ],
  })
  t.match(await view('?reduce=false&include_docs=true&limit=1'), { rows: [{ doc: { city: 'Bonn', n: 0 } }] })
  t.match(await send('GET /viewed/_design/i/_view/j'), {
    status: 404,
    json: { reason: 'missing_named_view' },
  })
})

t.test('documents found by an index are shown as each is by itself', async (t) => {
  await send('PUT /shown')
  const ids = [
    'plain',
    'a"quote',
    'back\\slash',
    'é😀',
    'tab\t',
    'del\u007f',
    'x'.repeat(300),
    'zero\u0000one\u0001',
  ]
  const docs = ids.map((_id, n) => ({ _id, n, text: 'é'.repeat(n) }))
  const long = Array.from({ length: 40 }, (_, at) => ({
    _id: `long${at}`,
    n: 100 + at,
    text: 'y'.repeat(at * 700),
  }))
  await send('POST /shown/_bulk_docs', { json: { docs: [...docs, ...long] } })
  const data = Buffer.from('attached').toString('base64')
  const _attachments = { a: { content_type: 'text/plain', data } }
  await send('PUT /shown/attached', { json: { n: 50, _attachments } })
  const other = { _id: 'plain', _rev: '1-00000000000000000000000000000001', n: 0, other: true }
  await send('POST /shown/_bulk_docs', { json: { docs: [other], new_edits: false } })
  await send('POST /shown/_index', { json: { index: { fields: ['n'] }, ddoc: 'i', name: 'i' } })
  const selectors = {
    'by the rows alone': { n: { $gte: 0 } },
    'held against the selector': { n: { $gte: 0 }, text: { $ne: 5 } },
  }
  for (const [how, selector] of Object.entries(selectors)) {
    for (const conflicts of [false, true]) {
      const json = { selector, conflicts, limit: 100 }
      const { text } = await send('POST /shown/_find', { json })
      const { docs: found } = JSON.parse(text) as Found
      t.equal(found.length, ids.length + long.length + (how === 'by the rows alone' ? 1 : 0), how)
      const whole = []
      for (const { _id } of found) {
        const query = conflicts ? '?conflicts=true' : ''
        whole.push((await send(`GET /shown/${encodeURIComponent(_id)}${query}`)).text.trimEnd())
      }
      t.equal(text.slice(0, text.indexOf('\r\n],\r\n"bookmark"')), `{"docs":[\r\n${whole.join(',\r\n')}`, how)
    }
  }
})

t.test('what keys say of a document is what the document says', async (t) => {
  await send('PUT /keyed')
  const fields = ['a', 'a.b', 'list.0', 'x\\.y', 'name']
  const docs = [1, 2, 3].map((n) => ({
    _id: `"${n}é`,
    a: { b: n, c: [n] },
    list: [{ n }, 2],
    'x.y': `é"${n}`,
    name: null,
  }))
  await send('POST /keyed/_bulk_docs', { json: { docs } })
  await send('POST /keyed/_index', { json: { index: { fields }, ddoc: 'i', name: 'i' } })
  const selector = Object.fromEntries(fields.map((field) => [field, { $exists: true }]))
  for (const wanted of [
    ['_id'],
    ['name', 'a'],
    ['a.b', '_id'],
    ['a.b', 'a'],
    ['a', 'a.b'],
    ['x\\.y', 'list.0'],
    fields,
  ]) {
    const query = { selector, fields: wanted, execution_stats: true }
    const byKeys = await find('keyed', query)
    const byDocuments = await find('keyed', { ...query, conflicts: true })
    t.same(
      [byKeys, byDocuments].map((each) => each.execution_stats?.total_docs_examined),
      [0, 3],
      'how each was answered',
    )
    t.equal(JSON.stringify(byKeys.docs), JSON.stringify(byDocuments.docs), wanted.join())
  }
})

t.test('what stands behind the name in the path is not looked at', async (t) => {
  await send('PUT /longer')
  await send('PUT /longer/a', { json: { n: 1 } })
  for (const path of ['_find', '_find/x', '_find/x/y']) {
    const { status, json } = await send(`POST /longer/${path}`, { json: { selector: { n: 1 } } })
    t.same([status, (json as Found).docs.length], [200, 1], path)
    t.equal((await send(`GET /longer/${path}`)).status, 405, path)
  }
  t.match((await send('POST /longer/_explain/x', { json: { selector: { n: 1 } } })).json, {
    dbname: 'longer',
  })
})
