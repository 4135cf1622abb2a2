import { deepStrictEqual, strictEqual } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { canonicalize, scanDocument, scanDocuments, termOf } from '../../src/json/documents.ts'
import { floatText } from '../../src/json/float-text.ts'
import { JsonScanner } from '../../src/json/scanner.ts'
import {
  expected,
  expectedDocument,
  mutate,
  mutation,
  orNoJson,
  readable,
  scanned,
} from '../support/json-expectation.ts'
import { jsonText } from '../support/json-text.ts'
import { parsePlain, plainText } from '../support/plain-json.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)
t.test('random texts scan as the plain implementation says', async () => {
  fc.assert(
    fc.property(jsonText, (text) => {
      const bytes = Buffer.from(text)
      const node = parsePlain(bytes)
      if (node === null) throw new Error(`the plain implementation refused ${text}`)
      deepStrictEqual(scanned(bytes), expectedDocument(node))
      const canonical = canonicalize(bytes)
      strictEqual(canonical.toString(), plainText(node))
      strictEqual(canonicalize(canonical).toString(), canonical.toString(), 'canonical text is a fixed point')
    }),
    { seed, numRuns: 1000 },
  )
})

t.test('a scan that stops wherever it can finds the same', async () => {
  const stopping = (bytes: Buffer, step: number) => {
    const scanner = new JsonScanner()
    scanner.open(bytes)
    scanner.beginDocument()
    while (!scanner.advance(step));
    const document = scanner.scannedDocument()
    scanner.finish()
    return readable(document)
  }
  fc.assert(
    fc.property(jsonText, fc.array(mutation, { maxLength: 1 }), fc.nat(9), (text, mutations, step) => {
      const bytes = mutations.reduce(mutate, Buffer.from(text))
      deepStrictEqual(
        orNoJson(() => stopping(bytes, step + 1)),
        scanned(bytes),
      )
    }),
    { seed, numRuns: 500 },
  )
})

t.test('batches of random documents scan as each alone does', async () => {
  fc.assert(
    fc.property(fc.array(jsonText, { maxLength: 5 }), (texts) => {
      const text = Buffer.from(` {"docs": 1, "x":[1.5,{"a":2,"a":3}], "y":1, "docs" :[${texts}]} `)
      const batch = scanDocuments(text, { members: ['x'] })
      deepStrictEqual(
        batch?.documents?.map(readable),
        texts.map((text) => expected(Buffer.from(text))),
      )
      deepStrictEqual(
        [...batch!.members].map(([name, value]) => [name, value.toString()]),
        [['x', '[1.5,{"a":3}]']],
      )
    }),
    { seed, numRuns: 150 },
  )
})

t.test('mutated texts are accepted exactly when the plain implementation accepts them', async (t) => {
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(jsonText, fc.array(mutation, { minLength: 1, maxLength: 3 }), (text, mutations) => {
      const bytes = mutations.reduce(mutate, Buffer.from(text))
      const result = scanned(bytes)
      deepStrictEqual(result, expected(bytes))
      // A mutated text may close the list and go on with the next member: only the whole batch says what is JSON.
      const batch = Buffer.concat([Buffer.from('{"docs":['), bytes, Buffer.from(']}')])
      strictEqual(orNoJson(() => scanDocuments(batch)) === 'no JSON', parsePlain(batch) === null)
      if (result === 'no JSON') refused++
      else accepted++
    }),
    { seed, numRuns: 1500 },
  )
  t.ok(accepted > 50 && refused > 50, `${accepted} accepted, ${refused} refused`)
})

t.test('random bytes are never anything but JSON or a typed error', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) =>
      deepStrictEqual(scanned(bytes), expected(bytes)),
    ),
    { seed, numRuns: 1000 },
  )
})

t.test('what is refused, and where', async (t) => {
  const cases: [text: string | Buffer, offset: number][] = [
    ['', 0],
    [' \n', 2],
    ['{"a":1', 6],
    ['{"a":1} trailing', 8],
    ['{"a":1,}', 7],
    ['{,}', 1],
    ['{"a"}', 4],
    ['{a:1}', 1],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['[1}', 2],
    ['nul', 3],
    ['truth', 3],
    ['01', 0],
    ['-', 1],
    ['1.', 2],
    ['1e', 2],
    ['.5', 0],
    ['+1', 0],
    ['1e400', 0],
    ['-1E400', 0],
    ['NaN', 0],
    ['"\n"', 1],
    ['"\\x"', 1],
    ['"\\u12g4"', 5],
    ['"\\ud83d"', 1],
    ['"\\ude00"', 1],
    ['"\\ud83d\\ud83d"', 1],
    ['"\\ude00\\ude00"', 1],
    ['"open', 5],
    ['\ufeff{}', 0],
    [Buffer.from('{"a":"\xff\xfe"}', 'latin1'), -1],
    [Buffer.from('"\xed\xa0\x80"', 'latin1'), -1],
    [Buffer.from('"\xc0\x80"', 'latin1'), -1],
  ]
  for (const [text, offset] of cases) {
    const bytes = Buffer.from(text as string)
    t.throws(
      () => scanDocument(bytes),
      { name: 'JsonSyntaxError', message: 'invalid UTF-8 JSON', offset },
      String(text),
    )
    t.equal(parsePlain(bytes), null)
  }
})

t.test('integers of up to 308 digits are kept, longer ones refused with their own reason', async (t) => {
  const longest = '9'.repeat(308)
  t.equal(canonicalize(Buffer.from(`-${longest}`)).toString(), `-${longest}`)
  t.throws(() => canonicalize(Buffer.from(`[1${longest}]`)), {
    name: 'JsonSyntaxError',
    message: 'integers of more than 308 digits are not supported',
  })
})

t.test('lists of small integers are packed up to 65,535 of them', async (t) => {
  for (const count of [1, 65_535, 65_536]) {
    const bytes = Buffer.from(`{"a":[${'7,'.repeat(count - 1)}255]}`)
    t.same(scanned(bytes), expected(bytes), `${count} integers`)
  }
})

t.test('texts of any size, also where the buffers are just full', async (t) => {
  // The buffers begin with 16 KiB, and grow to what is needed.
  for (let power = 13; power <= 15; power++) {
    for (let size = 2 ** power - 32; size < 2 ** power + 8; size++) {
      for (const text of [
        `{"a":"${'x'.repeat(size)}"}`,
        `{"${'k'.repeat(size)}":1}`,
        `{"${'k'.repeat(size)}":`,
        `["${' '.repeat(size)}\\/"]`,
      ]) {
        const bytes = Buffer.from(text)
        const found = scanned(bytes)
        const wanted = expected(bytes)
        if (!isDeepStrictEqual(found, wanted)) t.same(found, wanted, `${size}`)
      }
    }
  }
  t.pass()
})

t.test('texts too large for the buffers that are kept, so that these are made to measure', async (t) => {
  for (let size = 1_500_000; size < 1_500_008; size++) {
    const key = `{"${'k'.repeat(size)}":`
    t.throws(() => scanDocument(Buffer.from(key)), { name: 'JsonSyntaxError', offset: key.length })
    const whole = Buffer.from(`${key}1}`)
    t.ok(scanDocument(whole)?.body.equals(whole))
  }
})

t.test('canonical text is a view of the source, and what has to change is not', async (t) => {
  const source = Buffer.from('{"a":[1,"\\n\\u000B"],"b":{"c":0.5}}')
  t.equal(scanDocument(source)?.body.buffer, source.buffer)
  t.equal(scanDocument(source)?.body.byteOffset, source.byteOffset)
  t.same(scanDocument(source)?.body, source)
  const other = Buffer.from('{"a": 1}')
  const body = scanDocument(other)!.body
  other.fill(0)
  t.equal(body.toString(), '{"a":1}')
})

t.test('a plain Uint8Array does as well as a Buffer', async (t) => {
  const bytes = new TextEncoder().encode(' {"_id":"é", "a":1}')
  t.equal(scanDocument(bytes)?.body.toString(), '{"a":1}')
  t.equal(scanDocument(bytes)?.special.get('_id')?.toString(), '"é"')
})

t.test('batches: what the array may be', async (t) => {
  const scan = (text: string) => scanDocuments(Buffer.from(text), { members: ['new_edits'] })
  const members = (name: string, value: string) => new Map([[name, Buffer.from(value)]])
  t.equal(scan('[]'), null)
  t.same(scan('{}'), { documents: null, members: new Map() })
  t.same(scan('{"docs":1}'), { documents: null, members: members('docs', '1') })
  t.same(scan('{"docs":[],"docs":null}'), { documents: null, members: members('docs', 'null') })
  t.same(scan('{"docs":[],"new_edits":false}'), { documents: [], members: members('new_edits', 'false') })
  for (const text of [
    '{"docs":[1,]}',
    '{"docs":[',
    '{"docs":[]',
    '{"docs" 1}',
    '{"docs":[]}}',
    '{docs:[]}',
  ]) {
    t.throws(() => scan(text), { name: 'JsonSyntaxError' }, text)
  }
})

t.test('200,000 levels, of lists, objects and repeated keys', async (t) => {
  const levels = 200_000
  const lists = `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
  t.ok(scanDocument(Buffer.from(lists))?.body.equals(Buffer.from(lists)))
  const objects = `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
  t.ok(scanDocument(Buffer.from(objects))?.body.equals(Buffer.from(objects)))
  const repeated = scanDocument(Buffer.from(`${'{"a": 1,"a":'.repeat(levels)}1${'}'.repeat(levels)}`))
  t.ok(repeated?.body.equals(Buffer.from(objects)))
  t.ok(repeated?.term.equals(scanDocument(Buffer.from(objects))!.term))
  t.throws(() => scanDocument(Buffer.from('['.repeat(levels))), { name: 'JsonSyntaxError', offset: levels })
  t.throws(() => scanDocument(Buffer.from('{"a":'.repeat(levels))), { name: 'JsonSyntaxError' })
})

t.test('hostile texts take no more than linear time', async (t) => {
  const count = 60_000
  const same = scanDocument(Buffer.from(`{${'"a":1,'.repeat(count)}"b":2}`))
  t.equal(same?.body.toString(), '{"a":1,"b":2}')
  const names = Array.from({ length: count }, (_, i) => `"k${i}":${i}`)
  const twice = `{${names},${names}}`
  t.equal(scanDocument(Buffer.from(twice))?.body.toString(), `{${names}}`)
  const special = Array.from({ length: count }, (_, i) => `"_${i}":{"x":1,"x":2}`)
  const batch = scanDocument(Buffer.from(`{${names},${special},"_0":3}`))
  t.equal(batch?.body.toString(), `{${names}}`)
  t.equal(batch?.special.size, count)
  t.equal([...batch!.special].at(-1)?.join('='), '_0=3')
  const spread = scanDocument(Buffer.from(`[${' ,1'.repeat(count).slice(2)}]`))
  t.equal(spread, null)
})

t.test('decimals have the double that JSON.parse gives, and its shortest text', async (t) => {
  const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`))
  const whole = fc.oneof(fc.constant('0'), fc.stringMatching(/^[1-9][0-9]{0,17}$/))
  fc.assert(
    fc.property(fc.constantFrom('', '-'), whole, fc.oneof(digits(3), digits(20)), (sign, before, behind) => {
      const text = `${sign}${before}.${behind}`
      const value = JSON.parse(text) as number
      strictEqual(canonicalize(Buffer.from(text)).toString(), floatText(value))
      const term = termOf(Buffer.from(text))
      deepStrictEqual([term[0], term.readDoubleBE(1)], [0x46, value])
    }),
    { seed, numRuns: 5000 },
  )
  for (const text of ['0.1', '-0.5', '0.25', '123456789012.345', '0.3', '5.0e-1', '0.05', '1.10', '0.0']) {
    t.equal(canonicalize(Buffer.from(text)).toString(), floatText(Number(text)), text)
  }
})
