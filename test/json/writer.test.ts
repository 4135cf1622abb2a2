import fc from 'fast-check'
import t from 'tap'
import { canonicalize } from '../../src/json/documents.ts'
import { documentPieces, documentText, memberText, stringsText, stringText } from '../../src/json/writer.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)

t.test('a written string is its own canonical text', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const text = stringText(value)
      return JSON.parse(text) === value && canonicalize(Buffer.from(text)).toString() === text
    }),
    { seed },
  )
  t.equal(
    stringText('\u0000\u000b\u001f\n\u007f\u2028/"\\u000b'),
    '"\\u0000\\u000B\\u001F\\n\u007f\u2028/\\"\\\\u000b"',
  )
  t.equal(stringText('\ud83d'), '"\ufffd"')
})

t.test('documents are put together from their parts', async (t) => {
  const body = Buffer.from('{"é":1.0}')
  t.equal(documentText('ü"', '1-a', body).toString(), '{"_id":"ü\\"","_rev":"1-a","é":1.0}')
  t.equal(documentText('a', '1-a', Buffer.from('{}')).toString(), '{"_id":"a","_rev":"1-a"}')
  t.equal(documentText('a', null, body).toString(), '{"_id":"a","é":1.0}')
  const members = memberText('_deleted', 'true') + memberText('_conflicts', stringsText(['1-é', '2-b']))
  t.equal(
    documentText('😀', '3-c', Buffer.from('{}'), members).toString(),
    '{"_id":"😀","_rev":"3-c","_deleted":true,"_conflicts":["1-é","2-b"]}',
  )
  t.equal(documentText('a', '1-a', body, '', '\n').toString(), '{"_id":"a","_rev":"1-a","é":1.0}\n')
  for (const each of [body, Buffer.from('{}')]) {
    const [head, inner, tail] = documentPieces('ü"', '1-a', each, members)
    const joined = Buffer.concat([Buffer.from(head), inner, Buffer.from(tail)])
    t.same(joined, documentText('ü"', '1-a', each, members))
  }
})
