/** An edit alone is made ready as it would be among others. */
import { deepStrictEqual } from 'node:assert/strict'
import t from 'tap'
import type { DocumentEdit } from '../../src/database/api/database.ts'
import { readyEdits, readyOne } from '../../src/database/write/edits.ts'
import { edit, replicated, rev } from '../support/database-fixture.ts'

const LAST_GENERATION = 2 ** 31 - 1

const INTERACTIVE: readonly DocumentEdit[] = [
  edit('new', { a: 1 }),
  edit('changed', { a: [1, 2.5, 'ä'] }, { rev: rev('3c') }),
  edit('deleted', {}, { rev: rev('1a'), deleted: true }),
  edit('deleted before it was', {}, { deleted: true }),
  edit('too often', {}, { rev: `${LAST_GENERATION}-${'a'.repeat(32)}` }),
  edit('_local/own', { a: 1 }, { rev: '0-3' }),
  edit('_design/d', { validate_doc_update: 'function () {}', views: 7 }),
  { ...edit('expires', {}), expiry: { afterMs: 5000 } },
]
const REPLICATED: readonly DocumentEdit[] = [
  replicated('branch', { a: 1 }, 3, 'cba'),
  replicated('gone', {}, 2, 'ba', true),
]

t.test('an edit alone is what it is among others', async (t) => {
  for (const newEdits of [true, false]) {
    for (const compression of ['none', 'snappy'] as const) {
      const context = {
        newEdits,
        compression,
        partitioned: false,
        nowMs: 1_700_000_000_000,
        stamp: undefined,
      }
      for (const each of newEdits ? INTERACTIVE : REPLICATED) {
        deepStrictEqual(readyOne(each, context), readyEdits([each], context), each.id)
        t.pass(each.id)
      }
    }
  }
})

t.test('an edit alone is refused for what it would be among others', async (t) => {
  const context = { newEdits: true, partitioned: false, nowMs: 0, stamp: undefined }
  for (const each of [edit('a', {}, { rev: 'nonsense' }), edit('', {}), edit('_unknown', {})]) {
    const outcome = (make: () => unknown): unknown => {
      try {
        return make()
      } catch (error) {
        return String(error)
      }
    }
    t.strictSame(
      outcome(() => readyOne(each, context)),
      outcome(() => readyEdits([each], context)),
    )
  }
})
