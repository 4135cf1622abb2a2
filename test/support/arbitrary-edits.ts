/** Edits that were made ready, of every shape that the writer may be handed. */
import fc from 'fast-check'
import { DatabaseError, ERRORS, type ErrorKind } from '../../src/base/errors.ts'
import type { PlacedAttachment } from '../../src/database/layout/attachment-records.ts'
import type { Revision } from '../../src/database/revisions/revision-id.ts'
import type {
  DocumentEdits,
  LocalEdit,
  ReadyEdit,
  ReadyEdits,
  RefusedEdit,
} from '../../src/database/write/edits.ts'

/** With the prototype that objects have. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const bytes = (length: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array))
const anyBytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array))
const amount = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 50 }))
const kind = fc.constantFrom(...(Object.keys(ERRORS) as ErrorKind[]))
const error = record({ kind, reason: text }).map(({ kind, reason }) => new DatabaseError(kind, reason))

/** Byte strings, most of them of the usual length. */
const revisionId = fc.oneof(
  bytes(16).map((id) => id.toString('latin1')),
  anyBytes.map((id) => id.toString('latin1')),
)
const generation = fc.oneof(fc.integer({ min: -3, max: 100 }), fc.constantFrom(2 ** 50, -(2 ** 53)))
const revision: fc.Arbitrary<Revision> = record({ pos: generation, id: revisionId })
const path = record({ start: generation, ids: fc.array(revisionId, { maxLength: 5 }) }).map(
  ({ start, ids }) => ids.map((id, at) => ({ pos: start - at, id })),
)

const file = bytes(8).map((salt) => ({ salt: salt.readBigUInt64LE() }))
const measures = {
  md5: bytes(16),
  length: amount,
  encodedLength: amount,
  encoding: fc.constantFrom('identity' as const, 'gzip' as const),
}
const stored = fc.oneof(
  anyBytes.map((content) => ({ bytes: content })),
  record({ reference: bytes(16), source: file }),
)
const attachment: fc.Arbitrary<PlacedAttachment> = fc.oneof(
  record({
    kind: fc.constant('stub' as const),
    name: text,
    revpos: fc.option(amount, { nil: undefined }),
  }),
  record({
    kind: fc.constant('stored' as const),
    info: record({
      name: text,
      type: text,
      ...measures,
      revpos: amount,
      reference: bytes(16),
      source: fc.option(file, { nil: undefined }),
    }),
  }),
  record({
    kind: fc.constant('content' as const),
    name: text,
    type: text,
    content: record({ ...measures, sha256: bytes(32), stored }),
    revpos: amount,
  }),
)

const readyEdit: fc.Arbitrary<ReadyEdit> = record({
  place: fc.constant(0),
  deleted: fc.boolean(),
  body: anyBytes,
  term: anyBytes,
  validates: fc.boolean(),
  fault: fc.option(text, { nil: undefined }),
  parent: fc.option(fc.oneof(revision, fc.constant('in path' as const)), { nil: undefined }),
  path,
  attachments: fc.array(attachment, { maxLength: 3 }),
  expiresAtMs: fc.option(fc.integer({ min: 0, max: 253_402_300_799_999 }), { nil: undefined }),
  checkedWithoutAncestor: fc.boolean(),
}).map(({ parent, path, ...others }) => ({
  ...others,
  path,
  parent: parent === 'in path' ? path[1] : parent,
}))

const documentEdits: fc.Arbitrary<DocumentEdits> = record({
  id: text,
  design: fc.boolean(),
  edits: fc.array(readyEdit, { maxLength: 4 }),
}).map(({ id, ...others }) => ({ id, key: Buffer.from(id), ...others }))

const localEdit: fc.Arbitrary<LocalEdit> = record({
  place: fc.constant(0),
  name: text,
  deleted: fc.boolean(),
  body: anyBytes,
  rev: fc.option(text, { nil: undefined }),
  number: fc.option(amount, { nil: undefined }),
}).map(({ name, ...others }) => ({ ...others, id: `_local/${name}`, key: Buffer.from(name) }))

const refusedEdit: fc.Arbitrary<RefusedEdit> = record({
  place: fc.constant(0),
  id: text,
  rev: text,
  refusal: error,
})

/** Numbered in the order in which they are encoded. */
export const arbitraryEdits: fc.Arbitrary<ReadyEdits> = record({
  newEdits: fc.boolean(),
  stamp: fc.option(record({ design: amount, settings: amount }), { nil: undefined }),
  grows: fc.boolean(),
  bytes: amount,
  documents: fc.array(documentEdits, { maxLength: 4 }),
  local: fc.array(localEdit, { maxLength: 3 }),
  refused: fc.array(refusedEdit, { maxLength: 3 }),
}).map((ready) => {
  const all = [...ready.documents.flatMap(({ edits }) => edits), ...ready.local, ...ready.refused]
  all.forEach((each, place) => {
    each.place = place
  })
  return ready
})

export const arbitraryResults = fc.array(
  fc.oneof(
    record({ ok: fc.constant(true as const), id: text, rev: text }),
    record({
      ok: fc.constant(false as const),
      id: text,
      rev: fc.option(text, { nil: undefined }),
      refusal: error,
    }),
  ),
  { maxLength: 6 },
)
