/**
 * The border of the sandbox, by functions that try to cross it or never to end. Each must end with an error of its own,
 * while another design document's calls go on and are answered, and nothing of the machine may be within its reach.
 */
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Design } from '../../src/scripting/design.ts'
import type { FailureKind } from '../../src/scripting/script-error.ts'
import type { Scripting } from '../../src/scripting/scripting.ts'
import { designOf, json, outcomeOf, SANDBOX, scripting } from '../support/scripting.ts'

t.setTimeout(300_000)

const room = scripting({ limits: { timeoutMs: 400, rowsPerDocument: 20_000, resultBytes: 1024 * 1024 } })
t.teardown(() => room.close())

type How = (room: Scripting, body: string) => Promise<unknown>

const validate: How = (its, body) =>
  its.validate(designOf({ validate_doc_update: `function(doc) { ${body} }` }, 'bad'), { a: 1 }, null, {}, {})

const map: How = (its, body) =>
  its.map(
    designOf({ views: { v: { map: `function(doc) { ${body} }` } } }, 'bad'),
    ['v'],
    [json({ _id: 'a' })],
  )

const reduce: How = (its, body) => {
  const views = { v: { map: 'function() {}', reduce: `function(keys, values) { ${body} }` } }
  return its.reduce(designOf({ views }, 'bad'), ['v'], [json([[['k', 'i'], 1]])], false, {
    mode: 'true',
    threshold: 5000,
    ratio: 2,
  })
}

const show: How = (its, body) =>
  its.show(designOf({ shows: { s: `function(doc, req) { ${body} }` } }, 'bad'), 's', null, {})

const filter: How = (its, body) =>
  its.filter(designOf({ filters: { f: `function(doc, req) { ${body} }` } }, 'bad'), 'f', [{}], {})

const update: How = (its, body) =>
  its.update(designOf({ updates: { u: `function(doc, req) { ${body} }` } }, 'bad'), 'u', null, {})

const list: How = async (its, body) => {
  let row = 0
  const rows = async () => (row < 50 ? [json({ key: row++ })] : [])
  for await (const _ of its.list(
    designOf({ lists: { l: `function(head, req) { ${body} }` } }, 'bad'),
    'l',
    {},
    {},
    rows,
  )) {
  }
}

/** The text of the whole function, or of what stands around it. */
const top: How = (its, source) => its.compile(designOf({ views: { v: { map: source } } }, 'bad'))
const module: How = (its, source) =>
  its.validate(
    designOf({ lib: source, validate_doc_update: 'function() { require("lib") }' }, 'bad'),
    {},
    null,
    {},
    {},
  )

const TIME: FailureKind[] = ['timeout']
/** Which of them comes first is the machine's. */
const SPACE: FailureKind[] = ['memory', 'timeout', 'thrown', 'compilation']
const STACK: FailureKind[] = ['stack', 'thrown', 'timeout', 'compilation', 'memory']
const ENDED: FailureKind[] = ['timeout', 'memory', 'stack', 'thrown', 'crashed', 'result', 'compilation']
const LONG: FailureKind[] = ['result', 'memory', 'timeout']
const THROWN: FailureKind[] = ['thrown']

const HOSTILE: [how: How, body: string, kinds: FailureKind[]][] = [
  // Time.
  [validate, 'for (;;);', TIME],
  [validate, 'while (true) { try { for (;;); } catch (e) {} finally { continue; } }', TIME],
  [validate, 'for (;;) { try { throw 1 } catch (e) {} }', TIME],
  [validate, '/^(a+)+$/.test("a".repeat(40) + "b")', TIME],
  [validate, '/^(?:a|aa)+$/.test("a".repeat(60) + "b")', TIME],
  [validate, '"x".repeat(60).replace(/(x+x+)+y/, "")', TIME],
  [validate, 'Array.from({length: 1e15})', ENDED],
  [validate, 'Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)', TIME],
  [validate, 'new Array(4e9 - 1).join("xx")', ENDED],
  [validate, 'Array.prototype.reverse.call({length: 2 ** 53 - 1})', ENDED],
  [validate, 'var a = []; a.length = 4294967295; a.sort()', ENDED],
  [validate, 'var a = []; a.length = 4294967295; a.copyWithin(1, 0)', ENDED],
  [validate, 'var x = 3n; for (;;) x = x * x', ENDED],
  [validate, '("a".repeat(3e6)).indexOf("a".repeat(1e6) + "b"); for (;;);', ENDED],
  [validate, 'function* g() { for (;;) yield 1 } for (var x of g());', TIME],
  [
    validate,
    'var it = {[Symbol.iterator]: function() { return {next: function() { return {done: false} }} }}; var [...all] = it',
    ENDED,
  ],
  [map, 'for (;;);', TIME],
  [map, 'emit({toJSON: function() { for (;;); }}, 1)', TIME],
  [map, 'emit(1, {get a() { for (;;); }})', TIME],
  [map, 'var e = {}; e.__defineGetter__(0, function() { for (;;); }); throw e', TIME],
  [reduce, 'for (;;);', TIME],
  [filter, 'for (;;);', TIME],
  [filter, 'return {valueOf: function() { for (;;); }} + 1', TIME],
  [show, 'send({toString: function() { for (;;); }})', TIME],
  [show, 'provides({toString: function() { for (;;); }}, 1)', TIME],
  [update, 'return [null, {get body() { for (;;); }}]', TIME],
  [list, 'for (;;);', TIME],
  [list, 'while (getRow()); for (;;);', TIME],
  [list, 'getRow(); for (;;);', TIME],
  [top, '(function() { for (;;); })(); function(doc) {}', ['timeout']],
  [module, 'for (;;);', TIME],
  [
    validate,
    'throw new Proxy({}, {get: function() { for (;;); }, getPrototypeOf: function() { for (;;); }})',
    TIME,
  ],
  [validate, 'throw {toString: function() { for (;;); }, toJSON: function() { for (;;); }}', TIME],
  [
    validate,
    'var e = new Error(); Object.defineProperty(e, "name", {get: function() { for (;;); }}); throw e',
    TIME,
  ],
  [validate, 'Error.prepareStackTrace = function() { for (;;); }; null.x', ENDED],
  // Space.
  [validate, 'var a = []; for (;;) a.push(new Array(1000).fill(1))', SPACE],
  [validate, 'var s = "x"; for (;;) s += s', SPACE],
  [validate, 'var a = []; for (;;) a.push("x".repeat(1e6) + a.length)', SPACE],
  [validate, 'var a = []; for (;;) try { for (;;) a.push([a]) } catch (e) {}', SPACE],
  // Zeros that nobody touches take no memory, and are not counted by V8.
  ...(SANDBOX === 'v8' ? [] : [[validate, 'new Uint8Array(1e9)', SPACE] as [How, string, FailureKind[]]]),
  [validate, 'new Array(1e8).fill({})', SPACE],
  [validate, 'var m = new Map(); for (var i = 0; ; i++) m.set(i, {})', SPACE],
  [validate, 'Math.max.apply(null, new Array(1e8))', ENDED],
  [validate, '"a".repeat(3e7).split("")', SPACE],
  [validate, 'var f = function() {}; for (;;) f = f.bind(null)', SPACE],
  [show, 'return "x".repeat(3e6)', LONG],
  [show, 'for (;;) send("x".repeat(1e6))', [...SPACE, 'result']],
  [show, 'for (;;) provides("html", function() {})', SPACE],
  [update, 'return [{a: "x".repeat(3e6)}, "y"]', LONG],
  [map, 'for (;;) emit(1, 1)', LONG],
  [map, 'for (;;) try { for (;;) emit(1, 1) } catch (e) {}', ['timeout', 'result']],
  [map, 'for (var i = 0; i < 100; i++) emit(1, "x".repeat(1e5))', LONG],
  [map, 'var a = [1]; for (var i = 0; i < 40; i++) a = [a, a]; emit(a, 1)', SPACE],
  [reduce, 'return "x".repeat(1e8)', SPACE],
  // Depth.
  [validate, '(function f() { f() })()', STACK],
  [validate, 'JSON.parse("[".repeat(1e6))', STACK],
  [
    validate,
    'var a = []; for (var i = 0; i < 1e5; i++) a = [a]; throw {forbidden: JSON.stringify(a)}',
    STACK,
  ],
  [validate, 'Function("(".repeat(1e6))', STACK],
  [validate, 'eval("[".repeat(1e5))', STACK],
  [validate, 'new RegExp("(?:".repeat(1e5) + ")".repeat(1e5)).test("")', STACK],
  [validate, 'var o = {get a() { return o.a }}; o.a', STACK],
  [validate, 'var p = {}; for (var i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x', STACK],
  [validate, 'var o = {toJSON: function() { return JSON.stringify(o) }}; throw o', STACK],
  [validate, 'var o = {toString: function() { return o + "" }}; throw o + ""', STACK],
  [validate, 'function* g() { yield* g() } for (var x of g());', STACK],
  [map, 'var a = []; for (var i = 0; i < 1e5; i++) a = [a]; emit(a, 1)', [...STACK, 'result']],
  [map, 'var c = {}; c.c = c; emit(c, 1); throw ["fatal", "circle", "x"]', THROWN],
  // Promises.
  [validate, 'return new Promise(function() {})', THROWN],
  [validate, 'return (async function() { throw 1 })()', THROWN],
  [validate, '(function f() { return Promise.resolve().then(f) })(); throw "later"', THROWN],
  // Errors that are no errors.
  [validate, 'throw Object.create(null)', THROWN],
  [validate, 'throw Symbol("x")', THROWN],
  [validate, 'throw {get name() { throw 1 }}', THROWN],
  [validate, 'throw new Proxy(function() {}, {get: function() { throw {} }})', THROWN],
  [validate, 'throw [{}, {}]', THROWN],
  [show, 'throw null', THROWN],
  [filter, 'throw undefined', THROWN],
  [list, 'throw {0: "fatal", 1: {}, 2: null}', THROWN],
  // Globals and prototypes that the room's own code could trip over.
  [validate, 'JSON.stringify = JSON.parse = String = Reflect.apply = null; throw "mine"', THROWN],
  [validate, 'Object.prototype.toJSON = function() { throw 1 }; throw {forbidden: 1}', THROWN],
  [
    validate,
    'Object.defineProperty(Object.prototype, "0", {get: function() { return "fatal" }}); throw {a: 1}',
    THROWN,
  ],
  [validate, 'Array.prototype[Symbol.iterator] = function() { throw 1 }; throw {forbidden: "x"}', THROWN],
  [
    map,
    'Date.now = function() { return 0 }; Object.freeze = JSON.stringify = null; throw ["fatal", "a", "b"]',
    THROWN,
  ],
  [
    show,
    'String.prototype.toString = Function.prototype.apply = Function.prototype.call = null; throw ["error", "a", "b"]',
    THROWN,
  ],
]

const good = designOf(
  { validate_doc_update: 'function(doc) { if (!doc.ok) throw({forbidden: "not ok"}) }' },
  'good',
)

/** Calls of another design document, one after the other, until `stop`. */
async function neighbour(stop: AbortSignal, design: Design): Promise<number> {
  let answered = 0
  while (!stop.aborted) {
    await room.validate(design, { ok: true }, null, {}, {})
    answered += 1
  }
  return answered
}

t.test('each ends with an error, and others are served meanwhile', async (t) => {
  t.ok(HOSTILE.length >= 60)
  await room.validate(good, { ok: true }, null, {}, {})
  for (const [how, body, kinds] of HOSTILE) {
    const stop = new AbortController()
    const answered = neighbour(stop.signal, good)
    const outcome = await outcomeOf(how(room, body))
    stop.abort()
    const kind = (outcome as { kind?: FailureKind } | undefined)?.kind
    t.ok(kind !== undefined && kinds.includes(kind), `${body}: ${JSON.stringify(outcome)?.slice(0, 200)}`)
    t.ok((await answered) > 0, `meanwhile: ${body}`)
  }
  t.match(await outcomeOf(room.validate(good, {}, null, {}, {})), { error: 'forbidden', reason: 'not ok' })
})

const REACHING = [
  'typeof process',
  'typeof globalThis.process',
  'typeof module',
  'typeof Buffer',
  'typeof WebAssembly',
  'typeof fetch',
  'typeof setTimeout',
  'typeof queueMicrotask',
  'typeof performance',
  'typeof console',
  'typeof Worker',
  'typeof importScripts',
  'typeof SharedArrayBuffer',
  'typeof Atomics',
  'typeof std',
  'typeof os',
  'typeof print',
  'typeof gc',
  'typeof host',
  'typeof entry',
  'typeof Function("return this")().process',
  'typeof (function() {}).constructor("return process === undefined")',
  'typeof this.constructor.constructor("return this")().process',
  'typeof Object.getPrototypeOf(async function() {}).constructor("return this")().process',
  'typeof emit.constructor("return this")().host',
  'typeof arguments.callee.caller',
]

t.test('nothing of the machine is within reach', async (t) => {
  for (const expression of REACHING) {
    const design = designOf({
      validate_doc_update: `function(doc) { var r; try { r = ${expression} } catch (e) { r = "undefined" } throw {forbidden: r} }`,
    })
    const { reason } = (await outcomeOf(room.validate(design, {}, null, {}, {}))) as { reason: string }
    t.match(reason, /^(undefined|object|function)$/, expression)
    if (!/constructor\("return process|callee/.test(expression)) t.equal(reason, 'undefined', expression)
  }
  for (const source of ['import("node:fs")', 'require("fs")', 'require("/etc/passwd")', 'import.meta.url']) {
    const design = designOf({ validate_doc_update: `function(doc) { return ${source} }` })
    const outcome = (await outcomeOf(room.validate(design, {}, null, {}, {}))) as
      | { kind?: string }
      | undefined
    t.ok(outcome?.kind, source)
  }
})

t.test('a design document sees nothing of another one', async (t) => {
  const write = designOf(
    { a: 1, validate_doc_update: 'function() { globalThis.left = 1; Array.prototype.left = 1; }' },
    'one',
  )
  const read = designOf(
    { b: 1, validate_doc_update: 'function() { throw {forbidden: typeof left + typeof [].left} }' },
    'two',
  )
  await room.validate(write, {}, null, {}, {})
  t.match(await outcomeOf(room.validate(read, {}, null, {}, {})), { reason: 'undefinedundefined' })
})

t.test('what waits is bounded and can be given up', async (t) => {
  const small = scripting({ limits: { timeoutMs: 2000 }, mostWaiting: 2, threads: 1, mostThreads: 1 })
  t.teardown(() => small.close())
  const loop = designOf({ validate_doc_update: 'function(doc) { if (doc.loop) for (;;); }' }, 'bad')
  const call = (document: object, signal?: AbortSignal) =>
    outcomeOf(small.validate(loop, document, null, {}, {}, signal ? { signal } : {}))
  await call({})
  const looping = call({ loop: true })
  // It runs when this round of the event loop is over, and waits no more.
  await setImmediate()
  await setImmediate()
  const stop = new AbortController()
  const given = call({}, stop.signal)
  const waits = call({})
  t.match(await call({}), { kind: 'busy', error: 'service_unavailable' })
  stop.abort()
  t.match(await given, { kind: 'cancelled' })
  const again = call({})
  t.match(await looping, { kind: 'timeout' })
  t.equal(await waits, undefined)
  t.equal(await again, undefined)
  const last = call({ loop: true })
  await small.close()
  t.match(await last, { kind: 'cancelled' })
  t.match(await call({}), { kind: 'cancelled' })
})

t.test('calls that were joined with one that never ends are answered', async (t) => {
  const mixed = designOf(
    {
      validate_doc_update:
        'function(doc) { if (doc.how === "loop") for (;;); if (doc.how === "native") new Array(4e9 - 1).join("xx"); if (doc.how === "no") throw {forbidden: "no"} }',
    },
    'bad',
  )
  const hows = ['yes', 'no', 'loop', 'no', 'native', 'yes', 'no']
  const outcomes = await Promise.all(
    hows.map((how) => outcomeOf(room.validate(mixed, { how }, null, {}, {}))),
  )
  t.match(
    outcomes.map((outcome) => (outcome as { kind: string } | undefined)?.kind ?? 'passed'),
    ['passed', 'thrown', 'timeout', 'thrown', 'timeout', 'passed', 'thrown'],
  )
})

t.test('a list whose reader stops gives its thread back', async (t) => {
  const one = scripting({ threads: 1, mostThreads: 1 })
  t.teardown(() => one.close())
  const design = designOf({
    lists: { l: 'function() { var row; while (row = getRow()) send(row.key) }' },
    validate_doc_update: 'function() {}',
  })
  let asked = 0
  const rows = async () => {
    asked += 1
    return [json({ key: 'x'.repeat(20_000) })]
  }
  for (let round = 0; round < 3; round++) {
    asked = 0
    for await (const item of one.list(design, 'l', {}, {}, rows)) if (typeof item === 'string') break
    t.ok(asked < 4, 'no more rows are read than are sent')
    await one.validate(design, {}, null, {}, {})
  }
})
