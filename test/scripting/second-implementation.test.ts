/** The room's answers beside those of a plain context of this process, for functions at random; and what decides on freezing. */
import t from 'tap'
import { asScript } from '../../src/scripting/sandbox/function-statements.ts'
import { mayWrite } from '../../src/scripting/sandbox/may-write.ts'
import { membersRead } from '../../src/scripting/sandbox/members-read.ts'
import { compareMaps } from '../support/compare-maps.ts'
import { Random } from '../support/random.ts'
import { RandomFunctions } from '../support/random-functions.ts'
import { scripting } from '../support/scripting.ts'

const CASES = 300

t.test('maps at random', async (t) => {
  const room = scripting({ threads: 1 })
  t.teardown(() => room.close())
  let rows = 0
  for (let seed = 0; seed < CASES; seed++) {
    const functions = new RandomFunctions(new Random(seed))
    const maps = [functions.map(), functions.map()]
    const documents = [functions.document('a'), functions.document('b'), functions.document('c')]
    try {
      rows += (await compareMaps(room, maps, documents)).flat(2).length
    } catch (error) {
      t.fail(`seed ${seed}: ${String(error)}`)
    }
  }
  t.ok(rows > CASES, `${rows} rows`)
})

const HARMLESS = [
  'function(doc) { emit(doc.kind, doc.n); }',
  'function(doc) { if (doc.type == "a" && doc.n >= 1 && doc.n !== 2) emit([doc.a.b, doc["c"]], null); }',
  'function(doc) { var x = doc.a || 0, y; y = x + 1; x += y; for (var i = 0; i < doc.list.length; i++) emit(doc.list[i], x); }',
  'function(doc) { doc.tags.forEach(function(tag) { emit(tag, 1); }); }',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a text of JavaScript
  '(doc) => { for (const tag of doc.tags) emit(tag.toLowerCase().replace(/[=]+/g, "="), `${doc.a} = ${doc.b}`) }',
  'function(doc) { // doc.a = 1\n for (var k in doc) { emit(k, "doc.a = 1; delete doc") } --i; }',
]
const WRITING = [
  'function(doc) { doc.a = 1 }',
  'function(doc) { doc["a"] = 1 }',
  'function(doc) { doc.a += 1 }',
  'function(doc) { doc.n++ }',
  'function(doc) { ++doc.n }',
  'function(doc) { doc.n >>= 1 }',
  'function(doc) { doc.n ??= 1 }',
  'function(doc) { doc.n **= 2 }',
  'function(doc) { delete doc.a }',
  'function(doc) { doc.list.push(1) }',
  'function(doc) { doc.list["pu" + "sh"](1) }',
  'function(doc) { [doc.a] = [1] }',
  'function(doc) { ({x: doc.a} = {x: 1}) }',
  'function(doc) { for (doc.a in {b: 1}); }',
  'function(doc) { for (doc.a of [1]); }',
  'function(doc) { Object.assign(doc, {}) }',
  'function(doc) { Reflect.set(doc, "a", 1) }',
  'function(doc) { eval("doc" + ".a=1") }',
  'function(doc) { require("lib").change(doc) }',
  'function(doc) { doc.list.\\u0070ush(1) }',
  'function(doc) { var {push} = doc.list }',
  'function(doc) { doc.list.sort().reverse() }',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a text of JavaScript
  'function(doc) { `${doc.a = 1}` }',
  'function(doc) { if (doc.b) /"/.test(doc.b); doc.a = 1; /"/ }',
  'function(doc) { doc\n.a\n=\n1 }',
  'function(doc) { doc /* x */ . a /* y */ = 1 }',
  'function(doc) { doc.a = /=/.test("") }',
  'function(doc) { this.x = doc }',
  'function(doc) { doc.list?.[doc.m]?.(1) }',
  'function(doc) { doc.a ||= {} }',
]

t.test('which functions could write to their documents', async (t) => {
  for (const source of HARMLESS) t.notOk(mayWrite(source), source)
  for (const source of WRITING) t.ok(mayWrite(source), source)
})

const READING: [source: string, members: string[]][] = [
  ['function(doc) { emit(doc.kind, doc.n); }', ['kind', 'n']],
  ['function(doc) { if (doc.type == "a") emit([doc.a.b, doc["c d"]], null); };', ['type', 'a', 'c d']],
  ['function (doc) { if (doc && !doc.x && doc.y) emit(doc._id); }', ['x', 'y', '_id']],
  [
    'function(doc) { if (!doc) return; doc.tags.forEach(function (tag) { emit(tag, doc.n) }) }',
    ['tags', 'n'],
  ],
  ['(doc) => { for (const k of Object.keys(doc.a)) emit(k, doc?.b) }', ['a', 'b']],
  ['d => { emit(d.doc, d.x / 2) }', ['doc', 'x']],
  ['function() { emit(1) }', []],
  ['function(doc) { /* doc */ emit("doc", doc . a) // (doc)\n }', ['a']],
]
const READING_ALL = [
  'function(doc) { emit(null, doc) }',
  'function(doc) { for (var k in doc) emit(k, doc.k) }',
  'function(doc) { emit(doc[doc.name], 1) }',
  'function(doc) { emit(doc["\\x61"], 1) }',
  'function(doc) { emit(arguments[0], doc.a) }',
  'function(doc) { var d = doc; emit(d.a) }',
  'function(doc) { emit({...doc}, null) }',
  'function(doc) { emit([...doc.a, doc], null) }',
  'function(doc) { var {a} = doc; emit(a) }',
  'function({a, b}) { emit(a, b) }',
  'function(doc = 1) { emit(doc.a) }',
  'function(...doc) { emit(doc.a) }',
  'function(doc) { emit(doc.hasOwnProperty("a")) }',
  'function(doc) { emit(doc.toString?.()) }',
  'function(doc) { emit(doc["a"]()) }',
  'function(doc) { emit(doc.a`x`) }',
  'function(doc) { emit("a" in doc && 1) }',
  'function(doc) { emit(doc || 1) }',
  'function(doc) { emit(d\\u006fc) }',
  'function(doc) { emit(doc.a); } function(d) { emit(d) }',
  'function(doc) { emit(doc.a) }, function(d) { emit(d) }',
  'var f = function(doc) { emit(doc.a) }; f',
  'function named(doc) { emit(named.arguments[0]) }',
  'function(doc) { eval("emit(d" + "oc)") }',
  'function(doc) { emit(require("lib")(doc.a)) }',
  'function(doc) { Object.prototype.x = 1; emit(doc.a) }',
  'function(doc) { Object.entries; Object.assign({}, doc.a) }',
  'function(doc) { emit((function() { return this })().y, doc.a) }',
  'function(doc) { <!-- `\n emit(doc) \n <!-- ` \n }',
  'function(doc) { if (doc.a) /[/]"/.test(doc); /"/ }',
  'doc => emit(doc.a, null)',
  'function(doc) { emit(doc.a',
  '',
]

t.test('which members of documents functions look at', async (t) => {
  for (const [source, members] of READING) t.same([...(membersRead(source) ?? ['all'])], members, source)
  for (const source of READING_ALL) t.equal(membersRead(source), undefined, source)
})

const SCRIPTS: [source: string, script: string][] = [
  ['function(a){}', ';0,function(a){}'],
  ['function (a){} function(b){}', ';0,function (a){} ;0,function(b){}'],
  ['function named(a){}', 'function named(a){}'],
  ['(function(a){})', '(function(a){})'],
  ['x = function(a){}', 'x = function(a){}'],
  ['async function(a){}', ';0,async function(a){}'],
  ['function*(a){}', ';0,function*(a){}'],
  [
    '// function(a){}\nfunction(a){ return "function(" }',
    '// function(a){}\n;0,function(a){ return "function(" }',
  ],
  ['var r = /[/]function(/; function(a){}', 'var r = /[/]function(/; ;0,function(a){}'],
  ['(a) => { function(b){} }', '(a) => { function(b){} }'],
  ['function(a) { if (a) /["\']/.test(a) }', ';0,function(a) { if (a) /["\']/.test(a) }'],
  ['', ''],
]

t.test('texts of functions as scripts', async (t) => {
  for (const [source, script] of SCRIPTS) t.equal(asScript(source), script, source)
  // Each character is looked at once: these would not end otherwise.
  for (const text of ['/', '(', '`${', "'", '\\', '/*', '/[', "\\'", 'function('])
    asScript(text.repeat(100_000))
})
