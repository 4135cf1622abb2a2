/**
 * Edits of other threads are answered when they are durable and these can read them, before the writer's thread has changed its trees:
 * whatever is asked of either behind the answer shows them.
 */
import t from 'tap'
import { runAtOnce } from '../../src/base/time-slice.ts'
import type { PackedEdits } from '../../src/database/write/packed-edits.ts'
import { EditPacker } from '../../src/database/write/packed-edits.ts'
import { packedWayOf } from '../../src/database/write/packed-way.ts'
import { edit, put, settled } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

t.setTimeout(60_000)

const UNCHECKED = { isNeeded: () => false, look: async () => [] }

/** New documents of these ids and revisions, as `_bulk_docs` packs them. */
function packedOf(documents: readonly { id: string; text: string; parent?: string }[]): PackedEdits {
  const packer = new EditPacker(0)
  for (const [at, { id, text, parent }] of documents.entries()) {
    const key = Buffer.from(id)
    const body = Buffer.from(text)
    const start = packer.begin(key.length, body.length)
    packer.bytes.set(key, start)
    packer.bytes.set(body, start + key.length)
    packer.bytes.fill(at + 1, packer.idAt, packer.idAt + 16)
    if (parent !== undefined) packer.bytes.set(Buffer.from(parent.slice(2), 'hex'), packer.parentAt)
    packer.end(parent === undefined ? 1 : 2, false, parent !== undefined, start + key.length + body.length)
  }
  return runAtOnce(packer.edits())!
}

const text = (number: number): string => `{"n":${number},"pad":"${'x'.repeat(number % 50)}"}`

t.test('packed edits, in one transaction and in several', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  const { database: other } = await follow()
  let answered = 0
  let shown = 0
  writer.onEarly = () => {
    shown = other.updateSeqNumber
  }
  for (const count of [1, 300, 1300]) {
    const documents = Array.from({ length: count }, (_, n) => ({ id: `${count}-${n}`, text: text(n) }))
    const edits = packedOf(documents)
    const results = await packedWayOf(front)!.updatePacked(edits, UNCHECKED)
    answered += 1
    t.equal(writer.early, answered, `${count}: answered early`)
    t.strictSame(results, new Array(count).fill(undefined))
    t.equal(edits.count, count, 'the edits have come back')
    t.equal(shown, core.updateSeqNumber, 'the number of the change was told before')
    for (const database of [other, core, front]) {
      await database.refresh()
      t.equal(
        database
          .get(`${count}-${count - 1}`)
          .body()
          .toString(),
        text(count - 1),
      )
    }
  }
  t.equal(core.updateSeqNumber, 1601)
})

t.test('a transaction that reads bodies of edits whose memory has gone back', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  await put(core, edit('a', { n: -1 }))
  const seen: string[] = []
  for (let round = 0; round < 5; round++) {
    const documents = Array.from({ length: 40 }, (_, n) => ({ id: `${round}-${n}`, text: text(n) }))
    const writing = packedWayOf(front)!.updatePacked(packedOf(documents), UNCHECKED)
    // The first reads in the same group, the others in the one behind it, asked for before and after the answer.
    const read = () =>
      core.updateInTurn(`${round}-7`, (winner) => {
        seen.push(winner.body().toString())
        return edit(winner.id, JSON.parse(winner.body().toString()), { rev: winner.rev })
      })
    const reading: Promise<unknown>[] = [read()]
    writer.onEarly = () => reading.push(read())
    t.strictSame(await writing, new Array(40).fill(undefined))
    reading.push(read())
    for (const each of await Promise.all(reading.map((each) => settled(each)))) t.match(each, { ok: true })
  }
  t.ok(seen.length > 0)
  t.strictSame([...new Set(seen)], [text(7)], 'each has read what was written')
  t.equal(writer.early, 5)
})

t.test('what was checked against rules that are no more is not answered early', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front, writer } = await follow()
  writer.beforeUpdate = async () => {
    await core.setSecurity(Buffer.from('{"admins":{"names":["a"]}}'))
  }
  const results = await packedWayOf(front)!.updatePacked(packedOf([{ id: 'a', text: '{}' }]), UNCHECKED)
  t.match(results, [{ ok: false, refusal: { kind: 'checkOutdated' } }])
  t.equal(writer.early, 0)
})

t.test('listeners hear of edits that were answered early, once', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  const told: number[] = []
  core.onChange(() => told.push(core.updateSeqNumber))
  for (const id of ['a', 'b', 'c'])
    await packedWayOf(front)!.updatePacked(packedOf([{ id, text: '{}' }]), UNCHECKED)
  await new Promise((resolve) => setImmediate(resolve))
  t.strictSame(told, [1, 2, 3])
})
