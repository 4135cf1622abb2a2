import t from 'tap'
import { ask, type Sending } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())
const send = (line: string, sending?: Sending) => ask(server, line, sending)

interface Changes {
  results: { id: string; changes: { rev: string }[]; doc?: unknown }[]
  last_seq: string
  pending: number
}

async function changes(query: string, json: object): Promise<Changes> {
  const reply = await send(`POST /f/_changes?${query}`, { json })
  if (reply.status !== 200) throw new Error(reply.text)
  return reply.json as Changes
}

const A = 'a'.repeat(32)
const B = 'b'.repeat(32)

t.before(async () => {
  await send('PUT /f')
  const docs = Array.from({ length: 300 }, (_, n) => ({ _id: `d${n}`, n, name: { first: 'x', last: 'y' } }))
  await send('POST /f/_bulk_docs', { json: { docs } })
  const conflict = [
    { _id: 'c', v: 1, _rev: `1-${A}` },
    { _id: 'c', v: 2, _rev: `1-${B}` },
  ]
  await send('POST /f/_bulk_docs', { json: { docs: conflict, new_edits: false } })
})

t.test('_selector', async (t) => {
  const few = await changes('filter=_selector', { selector: { n: { $gte: 298 } } })
  t.same(
    few.results.map(({ id }) => id),
    ['d298', 'd299'],
  )
  t.equal(few.pending, 0)
  const limited = await changes('filter=_selector&limit=1', { selector: { n: { $gte: 297 } } })
  t.same([limited.results.length, limited.results[0]?.id], [1, 'd297'])
  const rest = await changes(`filter=_selector&since=${limited.last_seq}`, { selector: { n: { $gte: 297 } } })
  t.equal(rest.results.length, 2)
  const shown = await changes('filter=_selector&include_docs=true', {
    selector: { _id: 'd7' },
    fields: ['_id', 'name.last'],
  })
  t.same(shown.results[0]?.doc, { _id: 'd7', name: { last: 'y' } })
})

t.test('_selector looks at each leaf that would be shown', async (t) => {
  const winner = await changes('filter=_selector', { selector: { v: 1 } })
  t.same(winner.results, [], 'the winner has v 2')
  const leaves = await changes('filter=_selector&style=all_docs', { selector: { v: 1 } })
  t.same(
    leaves.results.map(({ changes: revs }) => revs),
    [[{ rev: `1-${A}` }]],
  )
})

t.test('_selector in a feed that waits', async (t) => {
  const feed = changes('filter=_selector&feed=longpoll&since=now&timeout=20000', { selector: { hit: true } })
  await send('PUT /f/miss', { json: {} })
  await send('PUT /f/hit', { json: { hit: true } })
  t.same(
    (await feed).results.map(({ id }) => id),
    ['hit'],
  )
})

t.test('refusals', async (t) => {
  for (const [json, reason] of [
    [{}, 'Selector error: expected a JSON object'],
    [{ selector: 1 }, 'Selector error: expected a JSON object'],
    [{ selector: {}, fields: 'x' }, 'Selector error: fields must be JSON array'],
    [{ selector: {}, fields: [1] }, 'Invalid JSON for field spec: 1'],
    [{ selector: { a: { $in: 1 } } }, 'Bad argument for operator $in: 1'],
  ] as const) {
    const reply = await send('POST /f/_changes?filter=_selector', { json })
    t.same([reply.status, reply.json], [400, { error: 'bad_request', reason }])
  }
})

t.test('_doc_ids: looked up when few, in the order of the sequence', async (t) => {
  const many = Array.from({ length: 150 }, (_, n) => `d${2 * n}`)
  for (const doc_ids of [
    ['d9', 'nothing', 'd3', 'd9', 'x'.repeat(70_000)],
    ['d9', 'd3', ...many],
  ]) {
    const all = await changes('filter=_doc_ids', { doc_ids })
    const ids = all.results.map(({ id }) => id).filter((id) => ['d3', 'd9'].includes(id))
    t.same(ids, ['d3', 'd9'])
    const left = doc_ids.length > 100 ? 0 : (await changes('limit=0', {})).pending - all.results.length
    t.equal(all.pending, left, 'the changes of other documents count, unless they had to be looked at')
    const after = await changes(`filter=_doc_ids&since=${all.last_seq}`, { doc_ids })
    t.same([after.results, after.last_seq], [[], all.last_seq])
    const first = await changes('filter=_doc_ids&limit=1', { doc_ids })
    const second = await changes(`filter=_doc_ids&limit=1&since=${first.last_seq}`, { doc_ids })
    t.not(first.results[0]?.id, second.results[0]?.id)
    const back = await changes('filter=_doc_ids&descending=true', { doc_ids })
    t.same(
      back.results.map(({ id }) => id),
      all.results.map(({ id }) => id).reverse(),
    )
  }
  const feed = changes('filter=_doc_ids&feed=longpoll&since=now&timeout=20000', { doc_ids: ['later'] })
  await send('PUT /f/other', { json: {} })
  await send('PUT /f/later', { json: {} })
  t.same(
    (await feed).results.map(({ id }) => id),
    ['later'],
  )
})

t.test('active_only: deleted documents are left out, of the limit too', async (t) => {
  await send('PUT /active')
  const gone = (await send('PUT /active/gone', { json: {} })).json as { rev: string }
  await send(`DELETE /active/gone?rev=${gone.rev}`)
  for (const id of ['a', 'b']) await send(`PUT /active/${id}`, { json: {} })
  const ids = async (query: string) =>
    ((await send(`GET /active/_changes?${query}`)).json as { results: { id: string }[] }).results.map(
      ({ id }) => id,
    )
  t.same(await ids(''), ['gone', 'a', 'b'])
  t.same(await ids('active_only=true'), ['a', 'b'])
  t.same(await ids('active_only=true&limit=1'), ['a'])
  t.same(await ids('active_only=true&feed=longpoll&descending=true'), ['b', 'a'])
  t.same(await ids('active_only=yes'), ['gone', 'a', 'b'])
})

t.test('_design: deleted design documents too', async (t) => {
  await send('PUT /designs')
  for (const id of ['_design/a', 'x', '_design/b', 'y']) await send(`PUT /designs/${id}`, { json: {} })
  const { _rev } = (await send('GET /designs/_design/a')).json as { _rev: string }
  await send(`DELETE /designs/_design/a?rev=${_rev}`)
  const changed = async (query: string): Promise<(string | boolean | undefined)[][]> => {
    const { results } = (await send(`GET /designs/_changes?filter=_design${query}`)).json as {
      results: { id: string; deleted?: boolean }[]
    }
    return results.map(({ id, deleted }) => [id, deleted])
  }
  const all = [
    ['_design/b', undefined],
    ['_design/a', true],
  ]
  const pending = async (query: string): Promise<number> =>
    ((await send(`GET /designs/_changes?filter=_design${query}`)).json as { pending: number }).pending
  for (const others of [2, 202]) {
    t.same(await changed(''), all)
    t.same(await changed('&feed=longpoll'), all)
    t.same(await changed('&descending=true'), all.toReversed())
    t.same(await changed('&limit=1'), all.slice(0, 1))
    for (const query of ['', '&feed=longpoll', '&descending=true']) t.equal(await pending(query), others)
    t.equal(await pending('&limit=1'), others + 1)
    const docs = Array.from({ length: 200 }, () => ({}))
    await send('POST /designs/_bulk_docs', { json: { docs } })
  }
})
