/** The shapes of design documents, in CouchDB's words. */
import t from 'tap'
import { examineDesign } from '../../src/database/write/design-document.ts'
import { edit, put, replicate, replicated, testDatabase } from '../support/database-fixture.ts'

const mistyped = (path: string, type: string): string => `\`${path}\` field must have ${type} type`
const MAP = 'function(doc){}'

const CASES: [design: unknown, fault: string | undefined][] = [
  [{}, undefined],
  [{ a: 1, view: [], xlanguage: 1, filtersx: 3 }, undefined],
  [{ views: [] }, mistyped('views', 'object')],
  [{ views: null }, mistyped('views', 'object')],
  [{ views: {} }, undefined],
  [{ views: { v: MAP } }, mistyped('views.v', 'object')],
  [{ views: { v: {} } }, 'View `v` must contain map function'],
  [{ views: { v: { map: {} } } }, mistyped('views.v.map', 'string')],
  [{ views: { v: { map: MAP, reduce: null } } }, mistyped('views.v.reduce', 'string')],
  [{ views: { v: { map: MAP, reduce: '_count', options: { collation: 'raw' } } } }, undefined],
  [{ views: { v: { map: MAP, options: 1 } } }, mistyped('views.v.options', 'object')],
  [{ views: { v: { map: MAP, reduce: '_foo' } } }, '`_foo` is not a supported reduce function.'],
  [{ views: { v: { map: MAP, reduce: '_a"b' } } }, '`_a"b` is not a supported reduce function.'],
  [{ views: { v: { map: MAP, reduce: '_top_5' } } }, undefined],
  [{ views: { v: { map: MAP, reduce: '_bottom_101' } } }, 'rank value must be between 1 and 100'],
  [{ views: { v: { map: MAP, reduce: '_top_x' } } }, 'invalid rank reducer'],
  [{ language: 'cobol', views: { v: { map: 'ADD 1 TO X', reduce: '_foo' } } }, undefined],
  [{ language: 'query', views: { v: { map: { fields: {} }, reduce: '_count' } } }, undefined],
  [{ language: 'query', views: { v: { map: MAP } } }, mistyped('views.v.map', 'object')],
  [{ views: { lib: { a: 'exports.x = 1' }, v: { map: MAP } } }, undefined],
  [{ views: { v: 1, lib: 'x' } }, mistyped('views.lib', 'object')],
  [{ views: { lib: { map: 1 } } }, mistyped('views.lib.map', 'string')],
  [{ views: { a: { map: MAP, reduce: 1 }, b: 1 } }, mistyped('views.b', 'object')],
  [{ views: { 'a"\n': 1 } }, mistyped('views.a"\n', 'object')],
  [{ views: {}, language: null }, mistyped('language', 'string')],
  [{ options: 1 }, mistyped('options', 'object')],
  [{ options: { include_design: 'yes' } }, mistyped('options.include_design', 'boolean')],
  [{ options: { local_seq: 0 } }, mistyped('options.local_seq', 'boolean')],
  [{ options: { partitioned: 'no' } }, mistyped('options.partitioned', 'boolean')],
  [{ options: { partitioned: true } }, 'partitioned option cannot be true in a non-partitioned database.'],
  [{ filters: [] }, mistyped('filters', 'object')],
  [{ filters: { a: 'x', b: {}, f: 1 } }, mistyped('filters.f', 'string or object')],
  [{ shows: 'x' }, mistyped('shows', 'object')],
  [{ lists: { l: [] } }, mistyped('lists.l', 'string or object')],
  [{ updates: { u: true } }, mistyped('updates.u', 'string or object')],
  [{ rewrites: {} }, mistyped('rewrites', 'array or string')],
  [{ rewrites: [] }, undefined],
  [{ validate_doc_update: {} }, mistyped('validate_doc_update', 'string')],
  // CouchDB's order, not the document's.
  [{ views: 1, validate_doc_update: 1, filters: 1 }, mistyped('filters', 'object')],
]

t.test('shapes', async (t) => {
  for (const [design, fault] of CASES) {
    const { body } = edit('_design/d', design as object)
    t.equal(examineDesign(body, false).fault, fault, JSON.stringify(design))
  }
  const { body } = edit('_design/d', { options: { partitioned: true } })
  t.equal(examineDesign(body, true).fault, undefined, 'in a partitioned database')
})

t.test('a conflict comes first, and what is known already is no fault', async (t) => {
  const { database } = await testDatabase()
  const first = await put(database, edit('_design/d', { a: 1 }))
  const [late] = await database.update([edit('_design/d', { views: [] })])
  t.match(late, { refusal: { kind: 'conflict' } })
  const results = await database.update([
    edit('_design/d', { views: [] }, { rev: first }),
    edit('_design/d', { language: 1 }, { rev: first, deleted: true }),
    edit('other', { views: [] }),
  ])
  t.match(results, [
    { refusal: { error: 'invalid_design_doc', reason: mistyped('views', 'object'), status: 400 } },
    { refusal: { kind: 'invalidDesignDocument' } },
    { ok: true },
  ])
  t.equal(database.get('_design/d').rev, first)
  t.match(await replicate(database, replicated('_design/r', { shows: 1 }, 1, 'a')), [
    { ok: false, rev: `1-${'a'.repeat(32)}`, refusal: { kind: 'invalidDesignDocument' } },
  ])
  await replicate(database, replicated('_design/r', { shows: {} }, 1, 'a'))
  t.match(await replicate(database, replicated('_design/r', { shows: 1 }, 1, 'a')), [{ ok: true }])
})

t.test('the work grows with the length', async (t) => {
  const hostile = (parts: number): string[] => [
    `{"views":{${Array.from({ length: parts }, (_, n) => `"v${n}":{"map":"x"}`).join()}}}`,
    `{"views":{"v":{"map":"${'\\\\'.repeat(parts * 8)}"}}}`,
    `{"views":{"v":{"map":"${'\\"'.repeat(parts * 8)}"}}}`,
    `{"views":{"v":{"map":"x","z":${'['.repeat(parts * 8)}${']'.repeat(parts * 8)}}}}`,
  ]
  const cost = (text: string): number => {
    const start = process.cpuUsage()
    examineDesign(Buffer.from(text), false)
    const { user, system } = process.cpuUsage(start)
    return user + system
  }
  const [small, large] = [hostile(5000), hostile(80_000)]
  for (const [index, text] of large.entries()) {
    cost(small[index]!)
    // The least of some: whatever else the process does meanwhile only adds to one.
    const leastOf = (each: string): number => Math.min(...[1, 2, 3].map(() => cost(each)))
    const ratio = leastOf(text) / Math.max(1000, leastOf(small[index]!))
    t.ok(ratio < 120, `16 times the length, ${ratio.toFixed(1)} times the time`)
  }
})
