/** Documents read the short way are what the general way makes of them. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import { textOf } from '../../src/database/bodies/stored-text.ts'
import { parseRevision } from '../../src/database/revisions/revision-id.ts'
import { readyEdits } from '../../src/database/write/edits.ts'
import { PackedEdits } from '../../src/database/write/packed-edits.ts'
import { bulkEdits } from '../../src/documents/bulk-edits.ts'
import type { Intake } from '../../src/documents/intake.ts'
import { NotPlain, PackedDocuments } from '../../src/documents/packed-documents.ts'
import { readDocumentsSteps, scanDocuments } from '../../src/json/documents.ts'
import { jsonText } from '../support/json-text.ts'
import { propertySeed } from '../support/property-seed.ts'

const seed = propertySeed(t)
const limits = { maxJsonBytes: 1e9, maxDocumentBytes: 1e9, maxIdBytes: 1000, maxAttachmentBytes: 1e9 }
const intake = {
  limits,
  inTurns: async (steps: Generator<void, unknown, void>) => runAtOnce(steps),
} as unknown as Intake
const uuids = { next: () => 'given' }

/** Of each edit what is written, in the order of ids. */
interface Plain {
  id: string
  pos: number
  rev: string
  parent: string | undefined
  deleted: boolean
  body: string
}

function packedOf(text: Buffer, compression: 'none' | 'snappy' = 'none'): Plain[] {
  const documents = new PackedDocuments(text.length, compression, limits, uuids)
  runAtOnce(readDocumentsSteps(text, {}, documents))
  const edits = runAtOnce(documents.packer.edits())
  if (edits === undefined) throw new NotPlain()
  const read = new PackedEdits(Buffer.from(edits.bytes))
  return Array.from({ length: read.count }, (_, number) => {
    const start = read.start(number)
    const { revision, hasParent, parent, body } = read.edit(start)
    const hex = ({ bytes, at }: { bytes: Uint8Array; at: number }): string =>
      Buffer.from(bytes.subarray(at, at + 16)).toString('hex')
    return {
      id: read.key(start).toString(),
      pos: revision.pos,
      rev: hex(revision.id),
      parent: hasParent ? hex(parent) : undefined,
      deleted: revision.deleted,
      body: Buffer.from(textOf(body)).toString(),
    }
  })
}

async function wantedOf(text: Buffer): Promise<Plain[]> {
  const edits = await bulkEdits(intake, uuids, scanDocuments(text)!.documents!, true)
  const { documents } = readyEdits(edits, { newEdits: true, partitioned: false, nowMs: 0 })
  return documents.map(({ id, edits: [edit] }) => {
    const [head, parent] = edit!.path
    const hex = (id: string): string => Buffer.from(id, 'latin1').toString('hex')
    return {
      id,
      pos: head!.pos,
      rev: hex(head!.id),
      parent: parent && hex(parent.id),
      deleted: edit!.deleted,
      body: String(edit!.body),
    }
  })
}

t.test('random documents', async (t) => {
  let plain = 0
  const rev = fc.option(
    fc.tuple(
      fc.constantFrom(1, 9, 255, 256, 70_000, 999_999_999),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    ),
  )
  const document = fc.record({
    id: fc.nat(10_000).map((n) => String(n * 7919)),
    rev,
    deleted: fc.constantFrom(undefined, true, false),
    member: fc.option(fc.tuple(fc.constantFrom('v', 'w'), fc.oneof(fc.json(), fc.json(), jsonText))),
    behind: fc.boolean(),
  })
  const property = fc.asyncProperty(
    fc.array(document, { minLength: 1, maxLength: 20 }),
    async (documents) => {
      const texts = documents.map(({ id, rev, deleted, member, behind }) => {
        const special = [`"_id":"${id}"`]
        if (rev !== null) special.push(`"_rev":"${rev[0]}-${Buffer.from(rev[1]).toString('hex')}"`)
        if (deleted !== undefined) special.push(`"_deleted" : ${deleted}`)
        const body = member === null ? [] : [`"${member[0]}":${member[1]}`]
        return `{ ${(behind ? [...body, ...special] : [...special, ...body]).join(' ,')} }`
      })
      const text = Buffer.from(`{"docs":[${texts.join(',')}]}`)
      let packed: Plain[]
      try {
        packed = packedOf(text)
      } catch (error) {
        if (error instanceof NotPlain) return
        throw error
      }
      plain += 1
      deepStrictEqual(packed, await wantedOf(text))
      deepStrictEqual(packedOf(text, 'snappy'), packed)
    },
  )
  await t.resolves(fc.assert(property, { seed, numRuns: 300 }))
  ok(plain > 30, `${plain} were plain`)
})

t.test('what would take too long in one go is not taken', async (t) => {
  const docs = (count: number, id: string): Buffer =>
    Buffer.from(`{"docs":[${Array.from({ length: count }, (_, at) => `{"_id":"${id}${at}"}`).join(',')}]}`)
  t.equal(packedOf(docs(10_000, 'a')).length, 10_000)
  t.throws(() => packedOf(docs(10_001, 'a')), { name: 'NotPlain' })
  t.equal(packedOf(docs(1, 'a'.repeat(255))).length, 1)
  t.throws(() => packedOf(docs(1, 'a'.repeat(256))), { name: 'NotPlain' })
})

t.test(
  'a zero with a sign, in a text that is refused for something else, says nothing of the next document',
  async (t) => {
    t.throws(() => packedOf(Buffer.from('{"docs":[{"_id":"a","v":-0.0]}')), { name: 'JsonSyntaxError' })
    t.equal(packedOf(Buffer.from('{"docs":[{"_id":"a","v":1}]}')).length, 1)
    t.throws(() => packedOf(Buffer.from('{"docs":[{"_id":"a","v":-0.0}]}')), { name: 'NotPlain' })
    t.equal(packedOf(Buffer.from('{"docs":[{"_id":"a","v":1}]}')).length, 1)
  },
)

t.test('vectors of CouchDB 3.5.2', async (t) => {
  const fixture = new URL('../../../test/fixtures/revisions.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(fixture, 'utf8')) as {
    what: string
    parent: string | null
    text: string
    rev: string
  }[]
  let plain = 0
  for (const { what, parent, text, rev } of vectors) {
    const whole = what === 'DELETE' ? '{"_deleted":true}' : text
    const given = parent === null ? whole : whole.replace('{', `{"_rev":"${parent}",`).replace(',}', '}')
    const wanted = parseRevision(rev)
    try {
      const [edit] = packedOf(Buffer.from(`{"docs":[${given}]}`))
      plain += 1
      t.equal(
        `${edit!.pos}-${edit!.rev}`,
        `${wanted.pos}-${Buffer.from(wanted.id, 'latin1').toString('hex')}`,
        text,
      )
    } catch (error) {
      if (!(error instanceof NotPlain)) throw error
    }
  }
  t.ok(plain > 250, `${plain} were plain`)
})
