/**
 * A revision that came after its descendant lost its body, a longer history of a known revision was ignored, revisions of
 * odd generations stopped the whole request, and a document of many leaves took a walk over all of them for each edit.
 */
import t from 'tap'
import { RevisionTree } from '../../src/database/revisions/revision-tree.ts'
import { changedIds, NOW_MS, replicate, replicated, testDatabase } from '../support/database-fixture.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

interface Doc {
  _id: string
  _rev?: string
  _revisions?: { start: number; ids: string[] }
  n?: number
}

const doc = (_id: string, start: number, ids: string, n: number): Doc => {
  const list = ids.split(' ')
  return { _id, _rev: `${start}-${list[0]}`, _revisions: { start, ids: list }, n }
}

t.test('over HTTP', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const push = async (...docs: object[]) => {
    const reply = await ask(server, 'POST /db/_bulk_docs', { json: { new_edits: false, docs } })
    t.equal(reply.status, 201)
    return reply.json
  }
  const get = async (path: string) => (await ask(server, `GET /db/${path}`)).json as Record<string, unknown>

  t.same(await push(doc('late', 3, 'c b a', 3)), [])
  t.same(await push(doc('late', 2, 'b a', 2), doc('late', 1, 'a', 1)), [])
  for (const [rev, n] of [
    ['1-a', 1],
    ['2-b', 2],
    ['3-c', 3],
  ] as const) {
    t.match(await get(`late?rev=${rev}`), { n }, `the body of ${rev} is there`)
  }
  const { update_seq } = await get('')
  t.same(await push(doc('late', 2, 'b a', 22)), [])
  t.match(await get('late?rev=2-b'), { n: 2 }, 'the first body stays')
  t.equal((await get('')).update_seq, update_seq, 'and nothing was written')

  await push(doc('joined', 2, 'a', 2))
  await push(doc('joined', 3, 'x', 3))
  await push(doc('joined', 2, 'a b', 2), doc('joined', 3, 'x a', 3))
  t.match(await get('joined?revs=true&conflicts=true'), { _revisions: { start: 3, ids: ['x', 'a', 'b'] } })
  t.notOk((await get('joined?conflicts=true'))._conflicts, 'no phantom conflict')

  const refused = await push(
    { _id: 'zero', _rev: '0-abc' },
    { _id: 'more', _rev: '1-abc', _revisions: { start: 1, ids: ['abc', 'def', 'ghi'] } },
    { _id: 'huge', _rev: '99999999999999999999-abc' },
    { _id: 'plain', _rev: '1-a' },
  )
  t.match(refused, [{ id: 'huge', error: 'bad_request' }])
  t.match(await get('zero?revs=true'), { _rev: '0-abc', _revisions: { start: 0, ids: ['abc'] } })
  t.match(await get('more?revs=true'), { _revisions: { start: 1, ids: ['abc', 'def', 'ghi'] } })
  t.match(await get('plain'), { _rev: '1-a' })
  t.equal((await ask(server, 'GET /db/zero?rev=99999999999999999999-abc')).status, 404)
})

t.test('a lowered limit holds for reads at once', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  const json = { new_edits: false, docs: [doc('d', 6, 'f e d c b a', 6)] }
  await ask(server, 'POST /db/_bulk_docs', { json })
  await ask(server, 'PUT /db/_revs_limit', { body: '2' })
  for (const path of ['d?revs=true', 'd?rev=6-f&revs=true']) {
    t.match((await ask(server, `GET /db/${path}`)).json, { _revisions: { start: 6, ids: ['f', 'e'] } })
  }
  const open = (await ask(server, 'GET /db/d?open_revs=all&revs=true')).json
  t.same((open as { ok: Doc }[])[0]!.ok._revisions, { start: 6, ids: ['f', 'e'] })
})

t.test('what stemming takes away again is no change', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  await ask(server, 'PUT /db')
  await ask(server, 'PUT /db/_revs_limit', { body: '2' })
  const push = (...docs: object[]) => ask(server, 'POST /db/_bulk_docs', { json: { new_edits: false, docs } })
  const updates = async () => ((await ask(server, 'GET /db')).json as { update_seq: string }).update_seq

  await push(doc('d', 4, 'd c b a', 4))
  const before = await updates()
  await push(doc('d', 4, 'd c b a', 4))
  t.equal(await updates(), before, 'the same history again')
  await push(doc('d', 2, 'b a', 2))
  await push(doc('d', 2, 'b a', 2), doc('d', 4, 'd c b a', 4))
  t.match((await ask(server, 'GET /db/d?conflicts=true&revs=true')).json, { _rev: '4-d' })
  const known = await updates()
  await push(doc('d', 4, 'd c b a', 4), doc('d', 3, 'c b a', 33))
  t.not(await updates(), known, 'a body that the tree had not is a change')
})

t.test(
  'a new revision that a later one of the same request pushes out of the history is no change',
  async (t) => {
    const { database } = await testDatabase()
    await database.setRevsLimit(2)
    await replicate(database, replicated('d', {}, 5, 'edcb'))
    const before = database.updateSeqNumber
    await replicate(database, replicated('d', {}, 2, 'fa'), replicated('d', {}, 5, 'edcfa'))
    t.equal(database.updateSeqNumber, before)
    t.same(changedIds(database), [['d', false]])
  },
)

t.test("an ancestor's body leaves the time of expiry as it is", async (t) => {
  const { database } = await testDatabase()
  const history = (start: number, letters: string, afterMs: number) => ({
    ...replicated('d', {}, start, letters),
    expiry: { afterMs },
  })
  await replicate(database, history(2, 'ba', 2000))
  await replicate(database, history(1, 'a', 9000))
  t.equal(database.get('d').expiresAtMs, NOW_MS + 2000)
})

t.test('edits of a document of many leaves do not walk over all of them each', async (t) => {
  const LEAVES = 20_000
  const value = { deleted: false, seq: 1, body: null, size: 1, activeSize: 1, attachments: null }
  const tree = new RevisionTree()
  let looks = 0
  // Counts how often a node is looked at one by one.
  const nodes = new Proxy(tree.nodes, {
    get(target, name, receiver) {
      if (typeof name === 'string' && /^\d+$/.test(name)) looks += 1
      return Reflect.get(target, name, receiver)
    },
  })
  tree.nodes = nodes
  for (let i = 0; i < LEAVES; i++) tree.merge({ start: 2, ids: [`leaf${i}`, 'root'] }, value)
  for (let i = 0; i < LEAVES; i++) {
    if (tree.find(2, `leaf${i}`) === null || !tree.isLive) throw new Error(`leaf ${i}`)
  }
  t.equal(tree.nodes.length, LEAVES + 1)
  t.ok(looks < 100 * LEAVES, `${looks} looks`)
})
