/** Bodies as they are stored: packed or not, each says for itself which, and nobody who reads one knows. */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Compression } from '../../src/base/compression.ts'
import { isPacked, packed, readText, textBytesOf } from '../../src/database/bodies/stored-text.ts'
import { compact } from '../../src/database/compaction/compaction.ts'
import { databaseContents } from '../support/database-contents.ts'
import {
  edit,
  fileDatabase,
  outcomeOf,
  put,
  replicate,
  replicated,
  testDatabase,
} from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

const KINDS: readonly Compression[] = ['none', 'snappy', 'deflate_1', 'deflate_9']

/** JSON of about so many bytes, of which no eighth comes twice. */
function plainBody(bytes: number): object {
  let text = ''
  for (let n = 1; text.length < bytes; n++) text += Math.imul(n, 0x9e3779b1).toString(36)
  return { text: text.slice(0, bytes) }
}

const repetitive = (n: number): object => ({ n, text: 'the quick brown fox jumps '.repeat(20 + (n % 7)) })
const textOf = (value: object): Buffer => Buffer.from(JSON.stringify(value))
const NO_REFERENCE = Buffer.alloc(16)
const sourceOf = (stored: Uint8Array) => ({
  read: (_reference: Uint8Array, room: (bytes: number) => Buffer = Buffer.allocUnsafe): Buffer => {
    const bytes = room(stored.length)
    bytes.set(stored)
    return bytes
  },
})

t.test('what is packed says so, and is read as the text, in any order', async (t) => {
  const text = textOf(repetitive(3))
  for (const kind of KINDS) {
    const stored = packed(text, kind)
    t.equal(isPacked(stored), kind !== 'none', kind)
    t.equal(textBytesOf(stored), text.length)
    if (kind !== 'none') t.ok(stored.length < text.length / 4, `${stored.length} of ${text.length} bytes`)
  }
  t.not(packed(text, 'deflate_9')[0], packed(text, 'snappy')[0])
  const forms = [0, 1, 1, 2, 0, 0, 3, 1, 0].map((kind) => packed(text, KINDS[kind]!))
  // Memory that is used again for the next one, as readers of many bodies have it.
  const memory = Buffer.alloc(2000)
  for (const stored of forms) {
    const read = readText(sourceOf(stored), NO_REFERENCE, (bytes) => memory.subarray(0, bytes))
    t.ok(read.equals(text))
    t.equal(read.buffer, memory.buffer, 'in the memory that was given')
  }
  const kept = forms.map((stored) => readText(sourceOf(stored), NO_REFERENCE))
  t.ok(
    kept.every((read) => read.equals(text)),
    'what was read stays when others are read',
  )
  const both = [packed(text, 'snappy'), packed(textOf(repetitive(5)), 'snappy')]
  t.ok(
    readText(sourceOf(both[0]!), NO_REFERENCE).equals(text),
    'what was packed stays when others are packed',
  )
})

t.test('what gains little stays a text', async (t) => {
  const random = textOf(plainBody(1000))
  t.equal(packed(random, 'snappy'), random)
  const texts = [textOf({ text: 'x'.repeat(80) }), textOf({ text: 'x'.repeat(1 << 20) })]
  for (const text of texts) {
    for (const kind of KINDS) t.equal(packed(text, kind), text, `${kind}, ${text.length} bytes`)
  }
})

t.test('bytes that cannot be unpacked are damage', async (t) => {
  const text = textOf(repetitive(1))
  const [snappy, deflate] = [packed(text, 'snappy'), packed(text, 'deflate_6')]
  const changed = (bytes: Uint8Array, at: number, value: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at] = value
    return copy
  }
  const damaged: Record<string, Uint8Array> = {
    'no bytes': Buffer.alloc(0),
    'an unknown kind': changed(snappy, 0, 9),
    'a block that ends early': snappy.subarray(0, snappy.length - 1),
    'a block of another length': changed(snappy, 1, snappy[1]! ^ 1),
    'a distance before the beginning': Buffer.from('010804610eff00', 'hex'),
    'a text that is no object': packed(Buffer.from(JSON.stringify('x'.repeat(300))), 'snappy'),
    'a stream that ends early': deflate.subarray(0, deflate.length - 3),
    'a stream of another length': changed(deflate, 1, deflate[1]! - 1),
    'a length beyond all bounds': changed(deflate, 4, 0x7f),
    'a kind alone': Buffer.from([2]),
  }
  for (const [what, stored] of Object.entries(damaged)) {
    const found = outcomeOf(() => readText(sourceOf(stored), NO_REFERENCE))
    t.match(found, { status: 500, error: 'storage_damaged' }, what)
  }
})

t.test('a database whose setting changes shows the same as one that packs nothing', async (t) => {
  let compression: Compression = 'none'
  const { database } = await testDatabase({ compression: () => compression })
  const { database: plain } = await testDatabase()
  for (const [round, kind] of KINDS.entries()) {
    compression = kind
    const docs = [repetitive(round), plainBody(400), { small: round }].map((body, n) => {
      const id = `${n === 2 ? 'same' : `${round}-${n}`}`
      const rev = database.lookup(id)?.rev
      return edit(id, body, rev === undefined ? {} : { rev })
    })
    for (const each of [database, plain]) t.ok((await each.update(docs)).every(({ ok }) => ok))
  }
  const shown = async (of: typeof database) => {
    const { documents, ids, external } = await databaseContents(of)
    return { documents, ids, external }
  }
  t.same(await shown(database), await shown(plain), 'texts, revisions and sizes as clients see them')
  const [packedBytes, plainBytes] = [database.info().sizes.active, plain.info().sizes.active]
  t.ok(packedBytes < plainBytes - 1000, `${packedBytes} bytes in use instead of ${plainBytes}`)
  // Built in one group: the second reads in its turn what the first has written, which is in no file yet.
  const { body, term } = edit('', repetitive(9))
  const append = () =>
    database.updateInTurn('0-0', (winner) => {
      t.ok(winner.body().toString().startsWith('{"n":'))
      return { id: '0-0', rev: winner.rev, deleted: false, body, term }
    })
  for (const { ok } of await Promise.all([append(), append()])) t.ok(ok)
})

t.test('what a thread beside the writer packs is read in both', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database } = await follow({ compression: () => 'snappy' })
  const body = repetitive(4)
  await put(database, edit('a:1', body))
  for (const each of [core, database]) t.equal(each.get('a:1').body().toString(), JSON.stringify(body))
  const { active, external } = core.partitionInfo('a').sizes
  t.equal(external, JSON.stringify(body).length)
  t.ok(active < external / 4, 'and was packed where it came in')
})

t.test('a compaction packs what is not packed, and leaves what is', async (t) => {
  let compression: Compression = 'none'
  const fixture = await fileDatabase(t.testdir(), { compression: () => compression })
  const { database } = fixture
  for (const kind of KINDS) {
    compression = kind
    await database.update(Array.from({ length: 40 }, (_, n) => edit(`${kind}:${n}`, repetitive(n))))
    await replicate(database, replicated(`${kind}:1`, repetitive(7), 3, 'cba'))
  }
  await put(database, edit('plain', plainBody(3000)))
  compression = 'none'
  const compacted = async (kind: Compression, beside?: () => Promise<unknown>) => {
    let work = beside
    const pace = async (): Promise<void> => {
      const now = work
      work = undefined
      await now?.()
    }
    await compact(database.beginCompaction(), {
      clock: systemClock,
      compression: kind,
      fillBytes: 2000,
      pace,
    })
    await database.endCompaction()
  }
  const activeOf = (kind: Compression): number => database.partitionInfo(kind).sizes.active
  /** The bytes of all leaves, were each stored this way. */
  const wantedOf = (ids: Compression, kind: Compression): number =>
    [...database.allDocs({ startKey: `${ids}:`, endKey: `${ids};` }).rows]
      .flatMap(({ id }) => database.openRevs(id, 'all'))
      .reduce((sum, opened) => sum + ('ok' in opened ? packed(opened.ok.body(), kind).length : 0), 0)
  const before = await databaseContents(database)
  for (const kind of KINDS) t.equal(activeOf(kind), wantedOf(kind, kind), `${kind}, as it was written`)
  await compacted('none')
  for (const kind of KINDS) t.equal(activeOf(kind), wantedOf(kind, kind), `${kind}, as it was copied`)
  const { file } = database.info().sizes
  await compacted('snappy')
  t.same(await databaseContents(database), before, 'the same')
  t.equal(activeOf('none'), wantedOf('none', 'snappy'), 'packed')
  t.equal(activeOf('deflate_9'), wantedOf('deflate_9', 'deflate_9'), 'packed before')
  t.ok(database.info().sizes.file < file - 40 * 300)
  await compacted('snappy', () =>
    database.update([
      edit('none:beside', repetitive(2)),
      edit('none:5', repetitive(3), { rev: database.lookup('none:5')!.rev }),
      ...['none:1', 'none:6'].map((id) => edit(id, { a: 1 }, { rev: database.get(id).rev })),
    ]),
  )
  t.equal(activeOf('none'), wantedOf('none', 'snappy'), 'what was written beside it is packed, too')
  const after = await databaseContents(database)
  t.same(await databaseContents(await fixture.reopen()), after)
  await fixture.database.close()
})
