import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { losslessPieces, losslessSteps } from '../../src/json/lossless.ts'
import { jsonPatch, mergePatch, type PatchLimits } from '../../src/json/patch.ts'
import { joinSteps } from '../../src/json/value-steps.ts'
import { failure } from '../support/http-request.ts'

const LIMITS: PatchLimits = { characters: 1000, work: 100_000 }
const read = (text: string) => runAtOnce(losslessSteps(text))

function patched(kind: typeof jsonPatch, document: string, patch: unknown, limits = LIMITS): string {
  const value = runAtOnce(kind(read(document), read(JSON.stringify(patch)), limits))
  return runAtOnce(joinSteps(losslessPieces(value)))
}

t.test('copies and tests of nested values', async (t) => {
  const document = '{"a":{"x":[1.0,{"y":[]}],"z":"s"},"b":[]}'
  const copy = { op: 'copy', from: '/a', path: '/b/-' }
  t.equal(
    patched(jsonPatch, document, [copy, { op: 'replace', path: '/a/x/1/y', value: [0] }]),
    '{"a":{"x":[1.0,{"y":[0]}],"z":"s"},"b":[{"x":[1.0,{"y":[]}],"z":"s"}]}',
    'a copy is no reference',
  )
  const same = { op: 'test', path: '/a', value: { z: 's', x: [1, { y: [] }] } }
  t.equal(patched(jsonPatch, document, [same]), document)
  for (const value of [
    { z: 's', x: [1, { y: {} }] },
    { z: 's', x: [1] },
    { z: 's', x: [1, { w: [] }] },
    { z: 's', x: [2, { y: [] }] },
    [1],
    's',
  ]) {
    t.throws(
      () => patched(jsonPatch, document, [{ op: 'test', path: '/a', value }]),
      failure({ kind: 'unfit' }),
    )
  }
})

t.test('a merge patch is applied as RFC 7396 has it', async (t) => {
  for (const [document, patch, result] of [
    ['{"a":"b"}', { a: 'c' }, '{"a":"c"}'],
    ['{"a":"b","b":"c"}', { a: null }, '{"b":"c"}'],
    ['{"a":["b"]}', { a: 'c' }, '{"a":"c"}'],
    ['{"a":{"b":"c"}}', { a: { b: 'd', c: null } }, '{"a":{"b":"d"}}'],
    ['{"e":null}', { a: 1 }, '{"e":null,"a":1}'],
    ['{}', { a: { bb: { ccc: null } } }, '{"a":{"bb":{}}}'],
    ['[1,2]', { a: 'b', c: null }, '{"a":"b"}'],
    ['{"a":"foo"}', ['c'], '["c"]'],
  ] as const) {
    t.equal(patched(mergePatch, document, patch), result)
  }
})

t.test('the document and the work are bounded', async (t) => {
  const double = { op: 'copy', from: '/a', path: '/a/-' }
  t.throws(() => patched(jsonPatch, '{"a":[1]}', Array(30).fill(double)), failure({ kind: 'too-large' }))
  const longer = { op: 'add', path: '/a/-', value: 'x'.repeat(400) }
  const shorter = { op: 'remove', path: '/a/0' }
  t.equal(patched(jsonPatch, '{"a":[]}', Array(9).fill([longer, shorter]).flat()), '{"a":[]}')
  t.throws(
    () => patched(jsonPatch, '{"a":[]}', Array(900).fill([longer, shorter]).flat()),
    failure({ kind: 'too-much' }),
  )
})
