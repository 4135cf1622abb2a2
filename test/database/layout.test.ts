/** The bytes of version 1, written out by hand, and the summaries of the tree of documents. */
import fc from 'fast-check'
import t from 'tap'
import { decodeChangeEntry, encodeChangeEntry } from '../../src/database/layout/change-entry.ts'
import { addInfo, decodeInfo, encodeInfo } from '../../src/database/layout/document-info.ts'
import { idReducer, readSummary, SUMMARY_BYTES, seqKey, seqOfKey } from '../../src/database/layout/layout.ts'
import { encodeStoredBody, referenceOf, validates } from '../../src/database/layout/stored-body.ts'
import { RevisionTree } from '../../src/database/revisions/revision-tree.ts'
import { outcomeOf } from '../support/database-fixture.ts'

const reference = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const id = '\u00aa'.repeat(16)

function tree(marked: boolean): RevisionTree {
  const made = new RevisionTree([], 258)
  const body = encodeStoredBody(reference, marked)
  const value = { deleted: false, seq: 258, body, size: 300, activeSize: 1000, attachments: null }
  made.merge({ start: 1, ids: [id] }, value)
  return made
}

const reducer = idReducer(addInfo)

t.test('a document', async (t) => {
  const value = encodeInfo(tree(false), undefined)
  t.equal(value.subarray(0, 14).toString('hex'), ['01', '00', '0000000003e8', '00000000012c'].join(''))
  const info = decodeInfo(value)
  t.same([info.seq, info.deleted, info.winner.pos, info.winner.id], [258, false, 1, id])
  t.ok(reference.equals(info.reference))
  t.equal(encodeInfo(tree(true), undefined)[1], 2, 'a validate_doc_update')
  t.same(readSummary(reducer.map(Buffer.alloc(0), encodeInfo(tree(true), undefined))), {
    live: 1,
    deleted: 0,
    active: 1000,
    external: 300,
    validating: 1,
  })
})

t.test('a document that expires', async (t) => {
  const value = encodeInfo(tree(true), 0x1020304)
  const head = ['01', '06', '0000000003e8', '00000000012c', '000001020304']
  t.equal(value.subarray(0, 20).toString('hex'), head.join(''))
  t.ok(value.subarray(20).equals(encodeInfo(tree(true), undefined).subarray(14)), 'the rest is the same')
  t.match(decodeInfo(value), { seq: 258, expiresAtMs: 0x1020304 })
  t.match(readSummary(reducer.map(Buffer.alloc(0), value)), {
    live: 1,
    active: 1000,
    external: 300,
    validating: 1,
  })
})

t.test('a change', async (t) => {
  const leaves = [
    { revision: { pos: 2, id }, deleted: false },
    { revision: { pos: 1, id: 'x' }, deleted: true },
  ]
  const value = encodeChangeEntry(Buffer.from('é'), leaves, reference, false)
  const wanted = ['01', '02', '000410', 'aa'.repeat(16), '01020178', reference.toString('hex'), 'c3a9']
  t.equal(value.toString('hex'), wanted.join(''))
  t.same(decodeChangeEntry(value), { id: 'é', leaves, reference, attachments: false })
  const attached = encodeChangeEntry(Buffer.from('é'), leaves, reference, true)
  t.equal(attached.toString('hex'), wanted.join('').replace('010200', '010202'))
  t.same(decodeChangeEntry(attached), { id: 'é', leaves, reference, attachments: true })
})

t.test('a stored body', async (t) => {
  t.equal(encodeStoredBody(reference, false).length, 16)
  const marked = encodeStoredBody(reference, true)
  t.same([marked.length, validates(marked), validates(reference), validates(null)], [17, true, false, false])
  t.ok(reference.equals(referenceOf(marked)))
  t.match(
    outcomeOf(() => referenceOf(null)),
    { status: 500, error: 'storage_damaged' },
  )
})

t.test('keys of the sequence sort as its numbers', async (t) => {
  const numbers = [1, 255, 256, 65_535, 2 ** 32 - 1, 2 ** 32, 2 ** 48 - 1]
  const keys = numbers.map(seqKey)
  t.same([...keys].sort(Buffer.compare).map(seqOfKey), numbers)
})

t.test('summaries add up, in any grouping', async (t) => {
  const field = fc.nat(2 ** 31).map((low) => low * 1000 + 7)
  const summary = fc.array(field, { minLength: 5, maxLength: 5 }).map((fields) => {
    const bytes = Buffer.alloc(SUMMARY_BYTES)
    for (const [at, value] of fields.entries()) bytes.writeUIntBE(value, at * 6, 6)
    return { fields, bytes }
  })
  const { combine } = reducer
  const property = fc.property(fc.array(summary, { maxLength: 8 }), fc.nat(8), (all, cut) => {
    const parts = all.map(({ bytes }) => bytes)
    const whole = combine(parts)
    const halves = combine([combine(parts.slice(0, cut)), combine(parts.slice(cut))])
    const fields = Object.values(readSummary(whole))
    const wanted = [0, 1, 2, 3, 4].map((at) => all.reduce((sum, { fields }) => sum + fields[at]!, 0))
    return Buffer.compare(whole, halves) === 0 && fields.every((value, at) => value === wanted[at])
  })
  fc.assert(property, { numRuns: 300 })
  t.same(combine([]), new Uint8Array(SUMMARY_BYTES))
})

t.test('the summary of many documents is that of each, added up', async (t) => {
  const values = [tree(true), tree(false), tree(true), tree(false)].map((each, at) =>
    encodeInfo(each, at % 2 === 0 ? undefined : 1234),
  )
  values.push(Buffer.from(values[1]!))
  values[4]![1]! |= 1
  const bounds: number[] = []
  let at = 3
  for (const { length } of values) {
    bounds.push(at - 2, at, at, at + length)
    at += length
  }
  const bytes = Buffer.concat([Buffer.alloc(3, 255), ...values, Buffer.alloc(9, 255)])
  const one = values.map((value) => reducer.map(Buffer.alloc(2), value))
  t.same(reducer.mapAll!(bytes, Uint32Array.from(bounds)), reducer.combine(one))
  const starts = one.flatMap((_, index) => [2 + 30 * index, 2 + 30 * (index + 1)])
  const beside = Buffer.concat([Buffer.alloc(2, 255), ...one, Buffer.alloc(9, 255)])
  t.same(reducer.combineAll!(beside, Uint32Array.from(starts)), reducer.combine(one))
  t.same(readSummary(reducer.combine(one)), {
    live: 4,
    deleted: 1,
    active: 5000,
    external: 1500,
    validating: 2,
  })
})
