/** Who runs where: shares, warmth, and what is let go. */
import t from 'tap'
import { designOf, json, outcomeOf, rowsOf, scripting } from '../support/scripting.ts'
import { until } from '../support/until.ts'

t.test('whoever fills his share with endless loops leaves the others theirs', async (t) => {
  const room = scripting({ limits: { timeoutMs: 3000 }, threads: 1, mostThreads: 4 })
  t.teardown(() => room.close())
  const loops = Array.from({ length: 6 }, (_, n) =>
    designOf({ validate_doc_update: 'function() { for (;;); }', n }, 'bad'),
  )
  const good = designOf({ validate_doc_update: 'function() { throw {forbidden: "no"} }' }, 'good')
  let ended = 0
  const looping = loops.map(async (design) => {
    const outcome = await outcomeOf(room.validate(design, {}, null, {}, {}))
    ended += 1
    return outcome
  })
  for (let round = 0; round < 20; round++) {
    t.match(await outcomeOf(room.validate(good, {}, null, {}, {})), { error: 'forbidden' })
  }
  t.ok(ended < loops.length, 'answered while loops run and wait')
  t.ok(room.threads <= 4)
  for (const outcome of await Promise.all(looping)) t.match(outcome, { kind: 'timeout' })
})

t.test('engines and threads are let go, and made again', async (t) => {
  const room = scripting({ threads: 1, mostSandboxes: 2, idleMs: 2000 })
  t.teardown(() => room.close())
  const designs = Array.from({ length: 5 }, (_, n) =>
    designOf({
      validate_doc_update: `function() { globalThis.n = (globalThis.n || 0) + 1; throw {forbidden: "${n}: " + globalThis.n} }`,
    }),
  )
  const call = async (index: number) => {
    const outcome = await outcomeOf(room.validate(designs[index]!, {}, null, {}, {}))
    return (outcome as { reason: string }).reason
  }
  t.equal(await call(0), '0: 1')
  t.equal(await call(0), '0: 2', 'it is warm')
  for (const index of [1, 2, 3, 4]) t.equal(await call(index), `${index}: 1`)
  t.equal(await call(0), '0: 1', 'others needed its place')
  await until('the thread ended', () => room.threads === 0)
  t.equal(await call(0), '0: 1', 'a new thread')
})

t.test('limits can be changed', async (t) => {
  const room = scripting({ limits: { rowsPerDocument: 2 } })
  t.teardown(() => room.close())
  const design = designOf({ views: { v: { map: 'function(doc) { emit(1, 1); emit(2, 2); emit(3, 3); }' } } })
  const documents = [json({ _id: 'a' })]
  t.match(await outcomeOf(room.map(design, ['v'], documents)), { kind: 'result' })
  room.limits = { rowsPerDocument: 3 }
  t.equal(rowsOf(await room.map(design, ['v'], documents), 1, 1)[0]![0]!.length, 3)
})

t.test('a batch that takes several slices is whole', async (t) => {
  const room = scripting({ limits: { timeoutMs: 30_000 } })
  t.teardown(() => room.close())
  const map = 'function(doc) { var until = Date.now() + 40; while (Date.now() < until); emit(doc.n, null); }'
  const design = designOf({ views: { v: { map } } })
  const other = designOf({ filters: { f: 'function() { return true; }' } })
  const documents = Array.from({ length: 12 }, (_, n) => json({ _id: `d${n}`, n }))
  const [bytes, passed] = await Promise.all([
    room.map(design, ['v'], documents),
    room.filter(other, 'f', [{}], {}),
  ])
  t.same(passed, [true])
  t.same(
    rowsOf(bytes, 12, 1),
    documents.map((_, n) => [[[n, null]]]),
  )
  t.equal((await room.map(design, ['v'], [])).length, 0)
})

t.test('documents with line breaks between their tokens', async (t) => {
  const room = scripting()
  t.teardown(() => room.close())
  const design = designOf({ views: { v: { map: 'function(doc) { emit(doc.a, doc.b); }' } } })
  const documents = [Buffer.from('{\n"a": "x\\ny",\r\n"b":\n[1,\n2]}\n'), Buffer.from('\n{"a":1}')]
  t.same(rowsOf(await room.map(design, ['v'], documents), 2, 1), [[[['x\ny', [1, 2]]]], [[[1, null]]]])
})

t.test('a document that is nested deeply', async (t) => {
  const room = scripting()
  t.teardown(() => room.close())
  const design = designOf({ views: { v: { map: 'function(doc) { doc.a = 1; emit(1, doc.deep); }' } } })
  const deep = `${'['.repeat(1000)}1${']'.repeat(1000)}`
  const bytes = await room.map(design, ['v'], [Buffer.from(`{"deep":${deep}}`)])
  t.ok(bytes.includes(deep))
})
