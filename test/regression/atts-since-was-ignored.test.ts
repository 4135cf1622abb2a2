/**
 * `atts_since` was ignored beside `open_revs`: a replicator got every attachment again in multipart answers, and none at
 * all in JSON. In `_bulk_get` an empty list asked for everything, and what was wrong with a list was told of the revision.
 */
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

interface Found {
  _attachments: Record<string, { data?: string; stub?: true; follows?: true }>
}

/** Which attachments came with their data. */
function sent({ _attachments }: Found): string[] {
  return Object.entries(_attachments).flatMap(([name, { stub }]) => (stub ? [] : [name]))
}

t.before(async () => {
  const attachment = (text: string, revpos: number) => ({
    data: Buffer.from(text).toString('base64'),
    revpos,
  })
  const stub = { stub: true, revpos: 1 }
  const replicated = (docs: object[]) =>
    ask(server, 'POST /db/_bulk_docs', { json: { new_edits: false, docs } })
  await ask(server, 'PUT /db')
  await replicated([{ _id: 'd', _rev: '1-aa', _attachments: { p: attachment('on both', 1) } }])
  const branch = (id: string, name: string) => ({
    _id: 'd',
    _revisions: { start: 2, ids: [id, 'aa'] },
    _attachments: { p: stub, [name]: attachment(name, 2) },
  })
  await replicated([branch('bb', 'l'), branch('cc', 'r')])
})

const CASES: [since: string[], left: string[], right: string[]][] = [
  [['1-aa'], ['l'], ['r']],
  [['2-bb'], [], ['p', 'r']],
  [['2-cc', '1-aa'], ['l'], []],
  [['9-zz'], ['p', 'l'], ['p', 'r']],
]

t.test('beside open_revs, in JSON and in multipart', async (t) => {
  for (const [since, ...wanted] of [...CASES, [[], ['p', 'l'], ['p', 'r']] as const]) {
    const query = `open_revs=all&atts_since=${encodeURIComponent(JSON.stringify(since))}`
    for (const all of ['', '&attachments=true']) {
      const { json } = await ask(server, `GET /db/d?${query}${all}`)
      const found = (json as { ok: Found }[]).map(({ ok }) => sent(ok))
      t.same(found, wanted, `${query}${all}`)
    }
    const { text } = await ask(server, `GET /db/d?${query}`, { headers: { accept: 'multipart/mixed' } })
    const documents = text.match(/\{"_id".*\}/g)!.map((each) => JSON.parse(each) as Found)
    t.same(documents.map(sent), wanted, `multipart ${query}`)
    const parts = [...text.matchAll(/filename="(.*?)"/g)].map(([, name]) => name)
    t.same(parts, wanted.flat(), 'the parts are those that the documents announce')
  }
})

t.test('in _bulk_get', async (t) => {
  const get = async (query: string, doc: object, accept = 'application/json') => {
    const sending = { json: { docs: [{ id: 'd', ...doc }] }, headers: { accept } }
    return ask(server, `POST /db/_bulk_get${query}`, sending)
  }
  type Results = { results: { docs: { ok: Found; error: object }[] }[] }
  const docs = async (doc: object, query = '') => ((await get(query, doc)).json as Results).results[0]!.docs
  for (const [since, ...wanted] of CASES) {
    t.same(
      (await docs({ atts_since: since })).map(({ ok }) => sent(ok)),
      wanted,
    )
  }
  t.same(
    (await docs({ atts_since: [] })).map(({ ok }) => sent(ok)),
    [[], []],
    'an empty list asks for nothing',
  )
  const everything = [
    ['p', 'l'],
    ['p', 'r'],
  ]
  t.same(
    (await docs({ atts_since: [] }, '?attachments=true')).map(({ ok }) => sent(ok)),
    everything,
  )
  for (const [since, rev, reason] of [
    ['x', 'x', 'att_since value must be array of revs.'],
    [['1-aa', 'x'], 'x', 'Invalid rev format'],
    [[1], 1, 'Invalid rev format'],
  ] as const) {
    const [found] = await docs({ rev: '2-bb', atts_since: since })
    t.same(found!.error, { id: 'd', rev, error: 'bad_request', reason })
  }
  const since = { atts_since: ['1-aa'] }
  for (const type of ['multipart/mixed', 'multipart/related']) {
    const { headers } = await get('', since, type)
    t.match(headers['content-type'], `${type}; boundary=`)
  }
})
