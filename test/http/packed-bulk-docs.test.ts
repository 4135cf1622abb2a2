/** `_bulk_docs` the short way and the general one answer and store the same, whatever documents come. */
import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { runAtOnce } from '../../src/base/time-slice.ts'
import type { DocumentEdit, EditResult } from '../../src/database/api/database.ts'
import type { PackedEdits } from '../../src/database/write/packed-edits.ts'
import type { Exchange } from '../../src/http/request/exchange.ts'
import { packedBulkDocs } from '../../src/http/routes/database/packed-bulk-docs.ts'
import type { DocumentWriter } from '../../src/writing/document-writer.ts'
import { ask as send } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { isLong } from '../support/test-run.ts'

const seed = propertySeed(t)

const server = await startTestServer({
  limits: { maxBulkDocs: 6, maxDocumentBytes: 100_000, maxIdBytes: 200 },
})
t.teardown(() => server.stop())

async function ask(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
  const headers = { 'content-type': 'application/json' }
  const { status, text } = await send(
    server,
    `${method} ${path}`,
    body === undefined ? {} : { body, headers },
  )
  return { status, text }
}

const text = (value: unknown): string => JSON.stringify(value)

/** Texts of members, usual and not; `R` stands for a revision that the document has. */
const id = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom('"a"', '"b"', '"c"', '"d"', '"é"', '"a b"', '"aa"', '"10"', '"9"'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...[
        '""',
        '1',
        'null',
        '{}',
        '"_a"',
        '"_local/l"',
        '"_design/x"',
        '"a\\"b"',
        '"\\u0061"',
        '"\\n"',
        '"\\u0000"',
      ],
      text('x'.repeat(200)),
      text('x'.repeat(201)),
      text('é'.repeat(150)),
    ),
  },
)
const rev = fc.oneof(
  { weight: 6, arbitrary: fc.constant('R') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...['"1-a"', '"x"', '1', 'null', '""', `"1-${'A'.repeat(32)}"`, `"01-${'b'.repeat(32)}"`, '"+1-x"'],
      ...[`"0-${'a'.repeat(32)}"`, `"999999999-${'a'.repeat(32)}"`, `"9999999999999999-${'a'.repeat(32)}"`],
      ...[
        `"2-${'g'.repeat(32)}"`,
        `"300-${'f'.repeat(32)}"`,
        `"-${'a'.repeat(32)}"`,
        `"1-${'a'.repeat(33)}"`,
      ],
    ),
  },
)
const deleted = fc.constantFrom('true', 'false', 'true', '1', 'null', '"true"', ' true')
const member = fc.oneof(
  { weight: 30, arbitrary: fc.tuple(fc.constantFrom('"v"', '"w"'), fc.json({ maxDepth: 2 })) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(['"n"', '1e400'], ['"n"', '-0'], ['"n"', '1.50'], ['"s"', '"\\u00e9\\/"']),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ['"_x"', '1'],
      ['"_attachments"', '{"t":{"data":"aGk="}}'],
      ['"_attachments"', '{}'],
      ['"_revisions"', `{"start":2,"ids":["${'c'.repeat(32)}"]}`],
      ['"_exp"', '1000'],
      ['"_revs_info"', '[]'],
      ['"_replication_id"', '"x"'],
      ['"\\u005fid"', '"b"'],
      ['"big"', text('x'.repeat(70_000))],
      ['"huge"', text('x'.repeat(110_000))],
    ),
  },
)

interface Parts {
  id: string | undefined
  rev: string | undefined
  deleted: string | undefined
  members: [string, string][]
  order: number
  gap: string
}

const document: fc.Arbitrary<Parts | string> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      id: fc.option(id, { nil: undefined, freq: 12 }),
      rev: fc.option(rev, { nil: undefined, freq: 1 }),
      deleted: fc.integer({ min: 0, max: 4 }).chain((n) => (n === 0 ? deleted : fc.constant(undefined))),
      members: fc.array(member as fc.Arbitrary<[string, string]>, { maxLength: 3 }),
      order: fc.nat(5),
      gap: fc.constantFrom('', '', '', ' ', '\n'),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom('null', '1', '[]', '{', '{"a":1', '{"_id":"a",}', 'x', '"') },
)

function textOf(parts: Parts | string, revs: ReadonlyMap<string, string>): string {
  if (typeof parts === 'string') return parts
  const { id, rev, deleted, members, order, gap } = parts
  const known = rev === 'R' ? revs.get(id ?? '') : rev
  const special: [string, string][] = []
  if (id !== undefined) special.push(['"_id"', id])
  if (known !== undefined) special.push(['"_rev"', known])
  if (deleted !== undefined) special.push(['"_deleted"', deleted])
  const at = Math.min(order, members.length)
  const all = [...members.slice(0, at), ...special, ...members.slice(at)]
  return `{${all.map(([name, value]) => `${gap}${name}${gap}:${gap}${value}${gap}`).join(',')}}`
}

/** What was answered, but for ids that the server gave. */
function comparable(answer: { status: number; text: string }): object {
  return { ...answer, text: answer.text.replace(/"[0-9a-f]{32}"/g, '"given"') }
}

async function contents(name: string): Promise<object> {
  const changes = await ask(
    'GET',
    `/${name}/_changes?style=all_docs&include_docs=true&conflicts=true&attachments=true`,
  )
  const rows = (JSON.parse(changes.text) as { results: { seq: string; id: string; doc: { _id: string } }[] })
    .results
  const told = rows.map((row) => {
    const text = JSON.stringify({ ...row, seq: row.seq.split('-')[0] })
    return text.replace(new RegExp(`"${row.id}"`, 'g'), row.id.length === 32 ? '"given"' : '"$&"')
  })
  const info = JSON.parse((await ask('GET', `/${name}`)).text) as {
    sizes: { external: number }
    doc_count: number
  }
  return { told, external: info.sizes.external, count: info.doc_count }
}

let made = 0

t.test('random requests', async (t) => {
  const batch = fc.array(document, { minLength: 0, maxLength: 7 })
  const property = fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 8 }), async (batches) => {
    made += 1
    const [short, general] = [`short-${made}`, `general-${made}`]
    for (const name of [short, general]) await ask('PUT', `/${name}`)
    const revs = new Map<string, string>()
    for (const each of batches) {
      const docs = each.map((parts) => textOf(parts, revs)).join(',')
      const answer = await ask('POST', `/${short}/_bulk_docs`, `{"docs":[${docs}]}`)
      const wanted = await ask('POST', `/${general}/_bulk_docs`, `{"docs":[${docs}],"all_or_nothing":false}`)
      deepStrictEqual(comparable(answer), comparable(wanted), docs)
      if (answer.status !== 201) continue
      for (const { id, rev } of JSON.parse(answer.text) as { id: string; rev?: string }[]) {
        if (rev !== undefined) revs.set(text(id), text(rev))
      }
    }
    deepStrictEqual(await contents(short), await contents(general))
    for (const name of [short, general]) await ask('DELETE', `/${name}`)
  })
  await t.resolves(fc.assert(property, { seed, numRuns: isLong ? 100 : 10 }))
})

t.test('a validation function is asked, and asked again where it came meanwhile', async (t) => {
  await ask('PUT', '/guarded')
  const forbid = { validate_doc_update: 'function () { throw { forbidden: "no" } }' }
  const docs = (from: number): string => text({ docs: [{ _id: `n${from}` }, { _id: `n${from + 1}` }] })
  t.equal((await ask('POST', '/guarded/_bulk_docs', docs(0))).status, 201)
  await ask('PUT', '/guarded/_design/d', text(forbid))
  const answer = await ask('POST', '/guarded/_bulk_docs', docs(2))
  t.same(JSON.parse(answer.text), [
    { id: 'n2', error: 'forbidden', reason: 'no' },
    { id: 'n3', error: 'forbidden', reason: 'no' },
  ])
})

t.test('edits whose check is outdated go the general way, the others do not', async (t) => {
  const asked: DocumentEdit[][] = []
  let edits: PackedEdits | undefined
  const outdated: EditResult = {
    ok: false,
    id: 'b',
    rev: undefined,
    refusal: new DatabaseError('checkOutdated'),
  }
  const writer: DocumentWriter = {
    packed: () => ({
      compression: 'none',
      update: async (given) => {
        edits = given
        // In the order of ids: a, b, c.
        return [undefined, outdated, { ok: true, id: 'c', rev: '5-x' }]
      },
    }),
    update: async (given) => {
      asked.push([...given])
      return given.map(({ id }) => ({
        ok: false,
        id,
        rev: undefined,
        refusal: new DatabaseError('forbidden', 'no'),
      }))
    },
    updateInTurn: () => Promise.reject(new Error('not asked for')),
  }
  const limits = { maxJsonBytes: 1e6, maxDocumentBytes: 1e6, maxIdBytes: 100, maxAttachmentBytes: 1e6 }
  const exchange = {
    limits,
    uuids: { next: () => 'x' },
    inTurns: async <T>(steps: Generator<void, T, void>): Promise<T> => runAtOnce(steps),
  } as unknown as Exchange
  const body = Buffer.from(text({ docs: [{ _id: 'c' }, { _id: 'b', v: 1 }, { _id: 'a' }] }))
  let counted = 0
  const answer = await packedBulkDocs(exchange, writer, body, {}, (count) => {
    counted += count
  })
  t.equal(counted, 3)
  t.equal(edits!.count, 3)
  t.same(
    asked.map((each) => each.map(({ id, body }) => [id, String(body)])),
    [[['b', '{"v":1}']]],
  )
  t.ok(answer !== undefined && answer.kind === 'whole')
  const told = answer?.kind === 'whole' ? JSON.parse(String(answer.body)) : []
  t.same(told, [
    { ok: true, id: 'c', rev: '5-x' },
    { id: 'b', error: 'forbidden', reason: 'no' },
    { ok: true, id: 'a', rev: '1-967a00dff5e02add41819138abb3284d' },
  ])
})
