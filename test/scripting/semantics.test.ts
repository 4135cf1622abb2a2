/** What design functions may say and what it means, mostly as recorded from Apache CouchDB 3.5.2. */
import t from 'tap'
import type { ScriptResponse } from '../../src/scripting/response.ts'
import { designOf, json, outcomeOf, rowsOf, SANDBOX, scripting } from '../support/scripting.ts'

const room = scripting()
t.teardown(() => room.close())

const thrown = (error: string, reason: unknown) => ({ kind: 'thrown', error, reason })
const missing = (name: string) => ({
  kind: 'missing',
  error: 'not_found',
  reason: `missing json key: ${name}`,
})

const VALIDATIONS: [body: string, expected: unknown][] = [
  ['', undefined],
  ['return false', undefined],
  ['throw({forbidden: "type is required"})', thrown('forbidden', 'type is required')],
  ['throw({unauthorized: "who are you"})', thrown('unauthorized', 'who are you')],
  ['throw({forbidden: {a: 1}})', thrown('forbidden', '{"a":1}')],
  ['throw("plain")', thrown('unknown_error', 'plain')],
  ['throw({other: "thing"})', thrown('unknown_error', 'thing')],
  ['throw(new Error("bang"))', thrown('Error', 'Error: bang')],
  ['throw({forbidden: "a", more: 1})', thrown('unknown_error', '{"forbidden":"a","more":1}')],
  ['throw(["error", "mine", "because"])', thrown('mine', 'because')],
  ['throw(1)', undefined],
  ['throw(null)', thrown('unknown_error', 'null')],
  ['throw(undefined)', thrown('unknown_error', 'undefined')],
  [
    'null.x',
    thrown(
      'TypeError',
      SANDBOX === 'v8'
        ? "TypeError: Cannot read properties of null (reading 'x')"
        : "TypeError: cannot read property 'x' of null",
    ),
  ],
  [
    'throw({forbidden: JSON.stringify([user.name, user.roles, security, old, Object.keys(doc).sort()])})',
    thrown('forbidden', '["admin",["_admin"],{"members":{}},null,["_id","how"]]'),
  ],
  ['if (this.language !== "javascript") throw "no design document"', undefined],
  ['return Promise.reject(1)', thrown('unknown_error', 'validation cannot be asynchronous')],
  ['throw({forbidden: require("lib/a").b})', thrown('forbidden', 'of a module')],
]

t.test('validations', async (t) => {
  for (const [body, expected] of VALIDATIONS) {
    const design = designOf({
      language: 'javascript',
      lib: { a: 'exports.b = "of a module"' },
      validate_doc_update: `function(doc, old, user, security) { ${body} }`,
    })
    const user = { name: 'admin', roles: ['_admin'] }
    const document = json({ _id: 'a', how: 'x' })
    t.same(await outcomeOf(room.validate(design, document, null, user, { members: {} })), expected, body)
  }
})

t.test('filters', async (t) => {
  const design = designOf({
    filters: {
      kind: 'function(doc, req) { return doc.kind == req.query.kind; }',
      truthy: 'function(doc, req) { return doc.n % 2 ? "yes" : 0; }',
      broken: 'function(doc, req) { return doc.a.b.c; }',
    },
    views: { odd: { map: 'function(doc) { if (doc.n % 2) emit(doc.n, null); }' }, none: { map: '() => {}' } },
  })
  const documents = [json({ kind: 'a', n: 1 }), json({ kind: 'b', n: 2 }), { kind: 'a', n: 3 }]
  const request = { query: { kind: 'a' } }
  t.same(await room.filter(design, 'kind', documents, request), [true, false, true])
  t.same(await room.filter(design, 'truthy', documents, request), [true, false, true])
  t.same(await room.filter(design, 'kind', [], request), [])
  t.match(await outcomeOf(room.filter(design, 'broken', documents, request)), { error: 'TypeError' })
  t.same(await outcomeOf(room.filter(design, 'none', documents, request)), missing('none'))
  t.same(await outcomeOf(room.filter(design, 'toString', documents, request)), missing('toString'))
  t.same(await room.filterByView(design, 'odd', documents), [true, false, true])
  t.same(await room.filterByView(design, 'none', documents), [false, false, false])
})

const HTML = 'text/html; charset=utf-8'
const XML_TYPES = 'application/xml, text/xml, application/x-xml'
const PROVIDING =
  'provides("html", function() { return "<p>html</p>"; }); provides("xml", function() { return "<x/>"; });'

type Shown = Partial<Omit<ScriptResponse, 'body'>> & { body?: string }

const SHOWS: [body: string, request: object, expected: Shown | object][] = [
  ['return "doc " + doc.title', {}, { code: 200, contentType: HTML, body: 'doc Title' }],
  [
    'return {json: {t: doc.title, q: req.query.q}}',
    { query: { q: '5' } },
    { body: '{"t":"Title","q":"5"}', isJson: true },
  ],
  [
    'return {code: 302, headers: {Location: "/x"}}',
    {},
    { code: 302, headers: [['Location', '/x']], body: '' },
  ],
  [
    'return {base64: "aGVsbG8=", headers: {"X-N": 5}}',
    {},
    { body: 'hello', headers: [['X-N', '5']], contentType: 'application/binary' },
  ],
  [
    PROVIDING,
    { headers: { Accept: 'application/xml' } },
    { headers: [['Content-Type', 'application/xml']], body: '<x/>' },
  ],
  [
    PROVIDING,
    { headers: {}, query: { format: 'html' } },
    { headers: [['Content-Type', HTML]], body: '<p>html</p>' },
  ],
  [PROVIDING, { headers: { Accept: 'text/*;q=0.5, application/xml;q=0.4' } }, { body: '<x/>' }],
  [PROVIDING, { headers: {} }, { body: '<p>html</p>' }],
  [
    PROVIDING,
    { headers: { Accept: 'image/png' } },
    thrown('not_acceptable', `Content-Type image/png not supported, try one of: ${XML_TYPES}, ${HTML}`),
  ],
  [
    'registerType("foo", "text/foo"); provides("foo", function() { return "f"; })',
    { headers: { Accept: 'text/foo' } },
    { headers: [['Content-Type', 'text/foo']], body: 'f' },
  ],
  ['send("a"); send("b"); return "c"', {}, { body: 'abc' }],
  ['throw(["error", "my_error", "my reason"])', {}, thrown('my_error', 'my reason')],
  ['throw({error: "my_error", reason: "my reason"})', {}, thrown('my_error', 'my reason')],
  ['return 5', {}, thrown('render_error', 'undefined response from show function')],
  ['return {what: 1}', {}, { error: 'external_response_error' }],
  ['return {code: "200"}', {}, { error: 'external_response_error' }],
  ['getRow()', {}, { error: 'list_error' }],
  ['nothing()', {}, { error: 'render_error', reason: /^function raised error: ReferenceError/ }],
]

function shown(outcome: unknown): unknown {
  const { body } = outcome as ScriptResponse
  return body === undefined ? outcome : { ...(outcome as ScriptResponse), body: Buffer.from(body).toString() }
}

t.test('shows', async (t) => {
  for (const [body, request, expected] of SHOWS) {
    const design = designOf({ shows: { s: `function(doc, req) { ${body} }` } })
    const document = json({ _id: 'd', title: 'Title' })
    t.match(shown(await outcomeOf(room.show(design, 's', document, request))), expected, body)
  }
  const design = designOf({ shows: { s: 'function(doc) { return doc.title; }' } })
  const request = { path: ['db', '_design', 'd', '_show', 's', 'none'] }
  t.same(await outcomeOf(room.show(design, 's', null, request)), thrownMissing('document not found'))
})

function thrownMissing(reason: string): object {
  return { kind: 'missing', error: 'not_found', reason }
}

const UPDATES: [body: string, expected: object][] = [
  ['return [null, "hello"]', { document: undefined, response: { code: 200, contentType: HTML } }],
  ['doc.n += 1; return [doc, {body: "n is " + doc.n}]', { document: '{"_id":"a","n":2}' }],
  ['return [{_id: "b"}, {code: 418, body: "teapot"}]', { document: '{"_id":"b"}', response: { code: 418 } }],
  ['return [[1], "x"]', { document: undefined }],
  ['return {}', thrown('render_error', 'undefined response from update function')],
  ['return [null, null]', thrown('render_error', 'undefined response from update function')],
  ['return null', { error: 'render_error', reason: /TypeError/ }],
]

t.test('updates', async (t) => {
  for (const [body, expected] of UPDATES) {
    const design = designOf({ updates: { u: `function(doc, req) { ${body} }` } })
    const outcome = await outcomeOf(room.update(design, 'u', json({ _id: 'a', n: 1 }), { method: 'PUT' }))
    const { document } = outcome as { document?: Uint8Array }
    const readable =
      document === undefined
        ? outcome
        : { ...(outcome as object), document: Buffer.from(document).toString() }
    t.match(readable, expected, body)
  }
  const design = designOf({ updates: { u: 'function() { return [null, "x"]; }' } })
  const expected = thrown('method_not_allowed', 'Update functions do not allow GET')
  t.same(await outcomeOf(room.update(design, 'u', null, { method: 'GET' })), expected)
})

t.test('rewrites', async (t) => {
  const rewriteOf = (body: string) =>
    outcomeOf(room.rewrite(designOf({ rewrites: `function(req) { ${body} }` }), { path: 'a', method: 'PUT' }))
  t.same(await rewriteOf('return "../../" + req.path'), { path: '../../a', method: 'PUT' })
  t.same(await rewriteOf('return {path: "x", code: 301}'), { path: 'x', code: 301 })
  t.same(await rewriteOf(''), undefined)
  t.same(await rewriteOf('return 5'), thrown('rewrite_error', 'bad rewrite'))
  t.match(await rewriteOf('throw new Error("x")'), { error: 'render_error' })
})

const LISTS: [body: string, request: object, expected: unknown[]][] = [
  [
    'start({headers: {"Content-Type": "text/plain"}}); var row; send("rows:"); while (row = getRow()) { send(row.key + ";"); } return "end";',
    {},
    [{ code: 200, headers: [['Content-Type', 'text/plain']] }, 'rows:1;2;3;end'],
  ],
  ['return toJSON([head.total_rows, req.query])', { query: { a: 'b' } }, [{ headers: [] }, '[3,{"a":"b"}]']],
  [
    'start({code: 404, headers: {"X": "y"}}); send("gone")',
    {},
    [{ code: 404, headers: [['X', 'y']] }, 'gone'],
  ],
  [
    'provides("json", function() { var r, out = []; while (r = getRow()) out.push(r.key); send(toJSON(out)); })',
    { headers: { Accept: 'application/json' } },
    [{ headers: [['Content-Type', 'application/json']] }, '[1,2,3]'],
  ],
  ['throw(["error", "mine", "because"])', {}, [thrown('mine', 'because')]],
  [
    'getRow(); send("a"); getRow(); throw(["error", "mine", "because"])',
    {},
    [{ code: 200 }, thrown('mine', 'because')],
  ],
  ['start({code: 1}); getRow()', {}, [{ error: 'external_response_error' }]],
  // Until something that was sent is on its way, the beginning may be another one.
  [
    'getRow(); start({code: 400, headers: {"X": "y"}}); send("bad")',
    {},
    [{ code: 200 }, { code: 400, headers: [['X', 'y']] }, 'bad'],
  ],
  ['send("a"); start({code: 404}); getRow(); start({code: 500}); return "b"', {}, [{ code: 404 }, 'ab']],
  [
    'getRow(); send("a"); start({code: 201}); getRow(); start({code: 500}); getRow(); return "b"',
    {},
    [{ code: 200 }, { code: 201 }, 'ab'],
  ],
  ['start({code: 404}); while (getRow()); return ""', {}, [{ code: 404 }, '']],
  ['start({code: 404, headers: {"X": "y"}})', {}, [{ code: 200, headers: [] }, '']],
  ['while (getRow()); start({code: 404})', {}, [{ code: 200 }, { code: 200, headers: [] }, '']],
  ['getRow(); start({code: 1}); send("a")', {}, [{ code: 200 }, { error: 'external_response_error' }]],
  [
    'provides("json", function() { getRow(); start({code: 202}); return "a" })',
    { headers: { Accept: 'application/json' } },
    [{ headers: [['Content-Type', 'application/json']] }, { code: 202, headers: [] }, 'a'],
  ],
]

t.test('lists', async (t) => {
  for (const [body, request, expected] of LISTS) {
    const design = designOf({ lists: { l: `function(head, req) { ${body} }` } })
    const rows = [1, 2, 3].map((key) => json({ key }))
    const source = async () => rows.splice(0, 2)
    const items: unknown[] = []
    let text = ''
    try {
      for await (const item of room.list(design, 'l', { total_rows: 3 }, request, source)) {
        if (typeof item === 'string') text += item
        else items.push(item)
      }
      items.push(text)
    } catch (error) {
      items.push(await outcomeOf(Promise.reject(error)))
    }
    t.match(items, expected, body)
    t.equal(items.length, expected.length)
  }
})

const noFunction = (source: string) =>
  `Compilation of the map function in the 'v' view failed: Expression does not eval to a function. (${source})`

const FORMS: [source: string, expected: undefined | string | RegExp][] = [
  ['function(doc) { emit(doc.n, 1); }', undefined],
  ['(doc) => { emit(doc.n, 1) }', undefined],
  ['(function(doc) { emit(doc.n, 1); })', undefined],
  ['function(doc) { emit(doc.n, 1); };', undefined],
  ['// a comment\nfunction(doc) {\n  /* inner */ emit(doc.n, 1);\n}\n', undefined],
  ['function(doc){} function(doc){ emit(doc.n, 1) }', undefined],
  ['var x = 1; function(doc){ emit(doc.n, x) }', undefined],
  ['function help(n) { return n } function(doc){ emit(help(doc.n), 1) }', undefined],
  ['/* function( */ function (doc) { emit(doc.n, "}".length) }', undefined],
  ['function(doc) { emit(doc.n, /[}/]/.test("}") ? 1 : 0) }', undefined],
  ['x = function(doc) { emit(doc.n, 1) }', undefined],
  ['5', noFunction('5')],
  ['function named(doc) { emit(1, 1) }', noFunction('function named(doc) { emit(1, 1) }')],
  ['function(doc) { emit(doc._id, ', /^Compilation of the map function in the 'v' view failed: SyntaxError/],
  ['this is no function', /SyntaxError/],
]

t.test('the forms of functions', async (t) => {
  for (const [map, expected] of FORMS) {
    const design = designOf({ views: { v: { map } } })
    const outcome = await outcomeOf(room.compile(design))
    if (expected === undefined) {
      t.equal(outcome, undefined, map)
      const rows = rowsOf(await room.map(design, ['v'], [json({ _id: 'a', n: 7 })]), 1, 1)
      t.same(rows, [[[[7, 1]]]], map)
    } else t.match(outcome, { error: 'compilation_error', reason: expected }, map)
  }
})

t.test('what is compiled when a design document is written', async (t) => {
  const map = 'function(doc){ emit(doc._id, 1) }'
  const compiled = (members: object) => outcomeOf(room.compile(designOf(members)))
  t.match(await compiled({ views: { v: { map, reduce: 'function(k, v) { ' } } }), {
    reason: /the reduce function in the 'v' view/,
  })
  t.match(await compiled({ views: { a: { map }, b: { map: 'function(' } } }), { reason: /in the 'b' view/ })
  t.equal(await compiled({ views: { v: { map, reduce: '_sum' }, lib: { x: 'no (' } } }), undefined)
  const missing = { error: 'not_found', reason: 'missing function' }
  t.match(await compiled({ views: { v: { map: '' } } }), missing)
  t.match(await compiled({ views: { v: { map, reduce: '' } } }), missing)
  t.equal(await compiled({ shows: { s: 'function(' } }), undefined)
  t.equal(await compiled({ language: 'ruby', views: { v: { map: 'whatever' } } }), undefined)
  const ruby = designOf({ language: 'ruby', filters: { f: 'x' }, views: { v: { map: 'whatever' } } })
  const refused = { kind: 'language', error: 'unknown_query_language', reason: 'ruby' }
  t.same(await outcomeOf(room.map(ruby, ['v'], [json({})])), refused)
  t.same(await outcomeOf(room.filter(ruby, 'f', [], {})), refused)
})

const DOCUMENTS = [
  { _id: 'a', list: [1, 2], n: 3 },
  { _id: 'b' },
  { _id: 'c', list: [3], text: 'é\u0000\u2028\ud83d\ude00\n' },
]

const MAPS: [body: string, rows: [unknown, unknown][][]][] = [
  [
    'emit("before", doc._id); doc.list.forEach(function(x) { emit(x, doc._id); })',
    [
      [
        ['before', 'a'],
        [1, 'a'],
        [2, 'a'],
      ],
      [],
      [
        ['before', 'c'],
        [3, 'c'],
      ],
    ],
  ],
  ['doc.list = ["changed"]; doc._id = "other"; emit(1, doc._id)', [[[1, 'a']], [[1, 'b']], [[1, 'c']]]],
  ['doc.list.push(9); emit(1, 1)', [[], [], []]],
  ['emit(doc._id, doc.list)', [[['a', [1, 2]]], [['b', null]], [['c', [3]]]]],
  ['if (doc.text) emit(doc.text, doc.text)', [[], [], [[DOCUMENTS[2]!.text, DOCUMENTS[2]!.text]]]],
  [
    'if (doc.n) { emit(); emit(undefined, NaN); emit(function() {}, Infinity); emit(-0, new Date(0)) }',
    [
      [
        [null, null],
        [null, null],
        [null, null],
        [0, '1970-01-01T00:00:00.000Z'],
      ],
      [],
      [],
    ],
  ],
  [
    'if (doc.n) { var k = [1]; emit(k, k); k.push(2); emit(k, "\\ud800") }',
    [
      [
        [
          [1, 2],
          [1, 2],
        ],
        [[1, 2], '\ufffd'],
      ],
      [],
      [],
    ],
  ],
  ['emit(1, 1); throw "anything"', [[], [], []]],
  ['emit({toJSON: function() { throw 1; }}, 1)', [[], [], []]],
  [
    'if (doc.n) emit([isArray([]), isArray({}), sum([1, 2]), toJSON({a: 1})], [typeof log, typeof require, typeof console, typeof fetch, typeof setTimeout, typeof process, typeof performance])',
    [
      [
        [
          [true, false, 3, '{"a":1}'],
          ['function', 'function', 'undefined', 'undefined', 'undefined', 'undefined', 'undefined'],
        ],
      ],
      [],
      [],
    ],
  ],
  ['if (doc.n) emit(this === undefined ? 0 : typeof this.emit, null)', [[['function', null]], [], []]],
]

t.test('maps', async (t) => {
  const views = Object.fromEntries(
    MAPS.map(([body], index) => [`v${index}`, { map: `function(doc) { ${body} }` }]),
  )
  const names = Object.keys(views)
  const documents = DOCUMENTS.map(json)
  const together = rowsOf(await room.map(designOf({ views }), names, documents), 3, names.length)
  for (const [index, [body, expected]] of MAPS.entries()) {
    t.same(
      together.map((of) => of[index]),
      expected,
      body,
    )
    const alone = await room.map(designOf({ views: { v: views[`v${index}`] } }), ['v'], documents)
    t.same(
      rowsOf(alone, 3, 1).map(([rows]) => rows),
      expected,
      `alone: ${body}`,
    )
  }
})

const CODE_OF_TEXTS = [
  'eval("1")',
  '(0, eval)("1")',
  'Function("return 1")()',
  'new Function("return 1")',
  'emit.constructor("return this")()',
  '(function* () {}).constructor("yield 1")()',
  '(async function () {}).constructor("return 1")()',
  '(async function* () {}).constructor("yield 1")()',
  'Object.getPrototypeOf(async () => 1).constructor("return 1")()',
  'globalThis.Function.prototype.constructor("return 1")()',
]

t.test('functions make no code of texts', async (t) => {
  for (const code of CODE_OF_TEXTS) {
    const map = `function(doc) { var r = ${code}; emit(doc._id, r) }`
    const rows = rowsOf(
      await room.map(designOf({ views: { v: { map } } }), ['v'], [json({ _id: 'a' })]),
      1,
      1,
    )
    t.same(rows, [[[]]], code)
  }
  const map =
    'function(doc) { emit(emit instanceof Function, [emit.constructor === Function, typeof eval, typeof Function]) }'
  const rows = rowsOf(await room.map(designOf({ views: { v: { map } } }), ['v'], [json({ _id: 'a' })]), 1, 1)
  t.same(rows, [[[[true, [true, 'function', 'function']]]]])
})

t.test('what ends a whole batch', async (t) => {
  const mapped = (body: string) =>
    outcomeOf(
      room.map(designOf({ views: { v: { map: `function(doc) { ${body} }` } } }), ['v'], [json({ _id: 'a' })]),
    )
  t.same(await mapped('throw ["fatal", "bad_thing", "it broke"]'), thrown('bad_thing', 'it broke'))
  t.same(await mapped('throw "fatal_error"'), thrown('map_runtime_error', "function raised 'fatal_error'"))
})

t.test('modules', async (t) => {
  const views = {
    lib: {
      math: 'exports.square = function(n) { return n * n; };',
      deep: {
        more: 'var m = require("../math"); exports.quad = function(n) { return m.square(m.square(n)); }; exports.id = module.id; exports.peer = require("./peer")',
        peer: 'module.exports = "peer"',
      },
      one: 'exports.early = 1; exports.two = require("./two").early; exports.late = 2',
      two: 'exports.early = 1; exports.one = require("./one"); exports.seen = exports.one.late',
      broken: 'throw new Error("bang")',
      object: {},
    },
    v: {
      map: `function(doc) {
        var m = require("views/lib/math"), d = require("views/lib/deep/more");
        emit("used", [m.square(doc.n), d.quad(doc.n), d.id, d.peer, require("views/lib/math") === m]);
        emit("circle", [require("views/lib/one").two, require("views/lib/two").one.late, String(require("views/lib/two").seen)]);
        ["views/lib/none", "views/lib/object", "views/v/map", "views/lib/broken", "../x", "views/lib/toString"].forEach(function(name) {
          try { require(name); emit(name, "found"); } catch (e) { emit(name, [e[0], e[1]]); }
        });
      }`,
    },
  }
  const invalid = ['error', 'invalid_require_path']
  t.same(rowsOf(await room.map(designOf({ views }), ['v'], [json({ n: 3 })]), 1, 1)[0]![0], [
    ['used', [9, 81, 'views/lib/deep/more', 'peer', true]],
    ['circle', [1, 2, 'undefined']],
    ['views/lib/none', invalid],
    ['views/lib/object', invalid],
    ['views/v/map', ['error', 'compilation_error']],
    ['views/lib/broken', ['error', 'compilation_error']],
    ['../x', invalid],
    ['views/lib/toString', invalid],
  ])
})

t.test('reduces', async (t) => {
  const map = 'function(doc) {}'
  const design = designOf({
    views: {
      sum: { map, reduce: 'function(keys, values, rereduce) { return sum(values); }' },
      seen: { map, reduce: 'function(keys, values, rereduce) { return [keys, values, rereduce]; }' },
      throws: { map, reduce: 'function(keys, values) { throw({forbidden: "no"}); }' },
      cat: { map, reduce: 'function(keys, values) { return values.join(""); }' },
    },
  })
  const limit = { mode: 'true' as const, threshold: 5000, ratio: 2 }
  const group = json([
    [['k', 'a'], 1],
    [['l', 'b'], 2],
  ])
  const reduced = async (views: string[], groups: Buffer[], isAgain: boolean, how = limit) =>
    (await room.reduce(design, views, groups, isAgain, how)).map((entry) =>
      Array.isArray(entry) ? entry.map((text) => JSON.parse(Buffer.from(text).toString())) : entry,
    )
  t.same(await reduced(['sum', 'seen', 'throws'], [group], false), [
    [
      3,
      [
        [
          ['k', 'a'],
          ['l', 'b'],
        ],
        [1, 2],
        false,
      ],
      null,
    ],
  ])
  t.same(await reduced(['seen', 'sum'], [json([3, 4]), json([])], true), [
    [[null, [3, 4], true], 7],
    [[null, [], true], 0],
  ])
  const long = json(Array.from({ length: 40 }, (_, n) => [['k', `o${n}`], 'x'.repeat(300)]))
  t.match(await reduced(['cat'], [group, long], false), [
    ['12'],
    { overflow: /^Reduce output must shrink more rapidly: input size: \d+ output size: \d+$/ },
  ])
  const unlimited = { ...limit, mode: 'false' as unknown as 'true' }
  t.same(await reduced(['cat'], [long], false, unlimited), [['x'.repeat(12_000)]])
})

t.test('what functions log', async (t) => {
  const lines: [string, readonly string[]][] = []
  const logging = scripting({ onLog: (owner, its) => lines.push([owner, its]) })
  t.teardown(() => logging.close())
  const design = designOf(
    {
      filters: { f: 'function(doc) { log("a"); log({b: 1}); return true; }' },
      views: { v: { map: 'function(doc) { null.x }' } },
    },
    'mine',
  )
  await logging.filter(design, 'f', [{}], {})
  await logging.map(design, ['v'], [json({ _id: 'x' })])
  t.same(lines[0], ['mine', ['a', '{"b":1}']])
  t.match(lines[1]![1][0], /^function raised exception TypeError: .* with doc\._id x$/)
})
