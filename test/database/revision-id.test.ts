import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  compareRevisions,
  formatRevision,
  type HashedAttachment,
  nextRevision,
  parseRevision,
  type Revision,
} from '../../src/database/revisions/revision-id.ts'
import { type DocumentInput, readDocument } from '../../src/database/write/document-members.ts'
import { scanDocument } from '../../src/json/documents.ts'
import { failure } from '../support/http-request.ts'

interface Vector {
  readonly what: string
  readonly parent: string | null
  readonly text: string
  readonly rev: string
  readonly stored?: string
}

// test/ is compiled to dist/test/, its fixtures are not copied there.
const fixture = new URL('../../../test/fixtures/revisions.json', import.meta.url)
const EMPTY = '{}'

function read(text: string): DocumentInput {
  return readDocument(scanDocument(Buffer.from(text)))
}

function edit(text: string, parent: string | null, attachments: HashedAttachment[] = []): string {
  const document = read(text)
  const from = parent === null ? null : parseRevision(parent)
  return formatRevision(nextRevision(document.deleted, from, document.term, attachments))
}

t.test('vectors of CouchDB 3.5.2', async (t) => {
  const vectors = JSON.parse(readFileSync(fixture, 'utf8')) as Vector[]
  t.equal(vectors.length, 431)
  let last: Revision | null = null
  let revisions = 0
  let texts = 0
  for (const { what, parent, text, rev, stored } of vectors) {
    const document = read(what === 'DELETE' ? EMPTY : text)
    if (parent === null) last = null
    else if (last === null || formatRevision(last) !== parent) t.fail(`the chain breaks at ${parent}`)
    last = nextRevision(what === 'DELETE' || document.deleted, last, document.term, [])
    if (formatRevision(last) === rev) revisions++
    else t.fail(`${what} ${text}`, { found: formatRevision(last), wanted: rev })
    if (stored === undefined) continue
    if (document.body.toString() === stored) texts++
    else t.fail(`${what} ${text}`, { found: document.body.toString(), wanted: stored })
  }
  t.equal(revisions, 431)
  t.equal(texts, 165)
})

t.test('the document of the reference', async (t) => {
  const text =
    '{"description":"An Italian-American dish that usually consists of spaghetti, tomato sauce and meatballs.",' +
    '"ingredients":["spaghetti","tomato sauce","meatballs"],"name":"Spaghetti with meatballs"}'
  const first = edit(text, null)
  t.equal(first, '1-917fa2381192822767f010b95b45325b')
  t.equal(edit(text.replace('}', ',"serving":"hot"}'), first), '2-790895a73b63fb91dd863388398483dd')
})

t.test('numbers, as recorded from CouchDB 3.5.2', async (t) => {
  const text =
    '{"one":1.0,"exp":1e5,"exp2":1E-7,"neg":-0,"negf":-0.0,"big":12345678901234567890,' +
    '"huge":123456789012345678901234567890,"small":0.1,"third":0.3333333333333333,"e22":1e22,"e21":1e21,' +
    '"e16":1e16,"max":9007199254740993,"f":100.50,"i":3.00e2,"d":1.7976931348623157e308,"m":5e-324}'
  t.equal(edit(text, null), '1-75b7665aa6a7a0e18beb63fc06471227')
  t.equal(
    read(text).body.toString(),
    '{"one":1.0,"exp":1.0e5,"exp2":1.0e-7,"neg":0,"negf":0.0,"big":12345678901234567890,' +
      '"huge":123456789012345678901234567890,"small":0.1,"third":0.3333333333333333,"e22":1.0e22,"e21":1.0e21,' +
      '"e16":1.0e16,"max":9007199254740993,"f":100.5,"i":300.0,"d":1.7976931348623157e308,"m":5.0e-324}',
  )
})

t.test('attachments count, and their order, as recorded from CouchDB 3.5.2', async (t) => {
  const md5 = (hex: string) => Buffer.from(hex, 'hex')
  // md5 of the one byte 00, and of 01.
  const a = { name: 'a', type: 'x/y', md5: md5('93b885adfe0da089cdf634904fd59f71') }
  const b = { name: 'b', type: 'x/z', md5: md5('55a54008ad1ba589aa210d2629c1df41') }
  const first = edit(EMPTY, null, [a, b])
  t.equal(first, '1-7abad4fe3a5a109f95d96acea47c3da3')
  t.equal(edit(EMPTY, null, [b, a]), '1-e155fbebbc3d27aba87ef92b8114c7db')
  t.equal(edit('{"v":1}', first, [a]), '2-ce6987604d2dfd7cc191a90c50f4bce1')
  const { name } = a
  t.equal(
    edit(EMPTY, null, [{ name, md5: a.md5 }]),
    edit(EMPTY, null, [{ name, type: 'application/octet-stream', md5: a.md5 }]),
  )
})

t.test('a parent whose id is not 32 digits is hashed as it is, as recorded from CouchDB 3.5.2', async (t) => {
  t.equal(edit('{"v":2}', '1-0123456789abcdef0123456789abcdef'), '2-6c0175c035ac2092a756cd6a7c6b3540')
  t.equal(
    edit('{"v":2}', '1-0123456789ABCDEF0123456789ABCDEF'),
    '2-6c0175c035ac2092a756cd6a7c6b3540',
    'in either case',
  )
  t.not(edit('{"v":2}', '1-abc'), edit('{"v":2}', '1-abd'))
})

t.test('revisions are read and written', async (t) => {
  const hex = '0123456789abcdef0123456789abcdef'
  t.same(parseRevision(`3-${hex}`), { pos: 3, id: Buffer.from(hex, 'hex').toString('latin1') })
  t.equal(formatRevision(parseRevision(`3-${hex.toUpperCase()}`)), `3-${hex}`)
  for (const text of ['1-abc', '0-1', '1-zz', '12-é', '1-', '1-a-b', `1-${hex}0`]) {
    t.equal(formatRevision(parseRevision(text)), text)
  }
  const sixteen = '0123456789abcdef'
  t.equal(formatRevision(parseRevision(`1-${sixteen}`)), `1-${Buffer.from(sixteen).toString('hex')}`)
  const bad = [
    '',
    '1',
    'junk',
    '-1-a',
    'x-1',
    '1.0-a',
    ' 1-a',
    `1-${hex.replace('f', 'g')}`,
    12,
    null,
    ['1-a'],
    {},
  ]
  for (const text of bad) {
    t.throws(
      () => parseRevision(text),
      failure({ kind: 'badRequest', reason: 'Invalid rev format' }),
      String(text),
    )
  }
})

t.test('revisions are ordered by generation, then bytes', async (t) => {
  const sorted = ['1-ff', '2-7f', '2-7fa', '2-é', '10-a'].map(parseRevision)
  t.same([...sorted].reverse().sort(compareRevisions), sorted)
  t.equal(compareRevisions(parseRevision('1-a'), parseRevision('1-a')), 0)
})
