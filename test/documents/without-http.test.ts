/**
 * A replicator of two databases, made of src/documents alone: it reads the changes, sends each leaf as multipart, and takes
 * it in on the other side. Documents, histories and attachments must arrive as they are.
 */
import { join } from 'node:path'
import t from 'tap'
import { runAtOnce, runInTurns } from '../../src/base/time-slice.ts'
import type { Database } from '../../src/database/api/database.ts'
import { bulkEdits } from '../../src/documents/bulk-edits.ts'
import { selectorFilter } from '../../src/documents/changes-filter.ts'
import { ChangesReader } from '../../src/documents/changes-rows.ts'
import { readDocumentText, replicatedEdit } from '../../src/documents/document-edit.ts'
import { viewText } from '../../src/documents/document-text.ts'
import type { Intake } from '../../src/documents/intake.ts'
import { MultipartDocument } from '../../src/documents/multipart-document.ts'
import { relatedDocument } from '../../src/documents/multipart-writer.ts'
import { openRevisions } from '../../src/documents/open-revisions.ts'
import type { Piece } from '../../src/documents/piece.ts'
import { scanDocumentsSteps } from '../../src/json/documents.ts'
import { fileDatabase } from '../support/database-fixture.ts'

const BOUNDARY = 'boundary'

function intakeOf(database: Database): Intake {
  return {
    database,
    limits: { maxJsonBytes: 1e6, maxDocumentBytes: 1e6, maxIdBytes: 1e6, maxAttachmentBytes: 1e6 },
    compression: { packFor: () => undefined },
    hold: { grow: () => undefined, add: () => undefined },
    inTurns: (steps) => runInTurns(steps),
  }
}

/** Ids for documents that have none. */
function numbered(): { next(): string } {
  let last = 0
  return {
    next: () => {
      last += 1
      return `given-${last}`
    },
  }
}

async function write(database: Database, docs: readonly object[], newEdits: boolean): Promise<void> {
  const text = Buffer.from(JSON.stringify({ docs }))
  const scanned = runAtOnce(scanDocumentsSteps(text, { members: [] }))
  const edits = await bulkEdits(intakeOf(database), numbered(), scanned!.documents!, newEdits)
  for (const result of await database.update(edits, { newEdits })) {
    if (!result.ok) throw new Error(result.refusal.reason)
  }
}

async function* bytesOf(pieces: readonly Piece[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    if (typeof piece === 'symbol') continue
    if (typeof piece === 'string' || piece instanceof Uint8Array) yield Buffer.from(piece)
    else for await (const part of piece) yield Buffer.from(part)
  }
}

async function textOf(pieces: readonly Piece[]): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of bytesOf(pieces)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Takes every leaf of a selector's documents from `source` to `target`. Returns their ids. */
async function replicate(source: Database, target: Database, selector: object): Promise<string[]> {
  const wish = {
    since: '0',
    limit: undefined,
    descending: false,
    style: 'all_docs' as const,
    includeDocs: false,
    conflicts: false,
    attachments: {},
    seqInterval: undefined,
    activeOnly: false,
  }
  const filter = selectorFilter(() => source, selector, undefined, 5000)
  const reader = new ChangesReader(() => source, wish, filter)
  const ids: string[] = []
  for (const { row, pieces } of reader.take()) {
    if (pieces.length === 0) continue
    ids.push(row.id)
    for (const found of openRevisions(source, row.id, 'all', false)) {
      if ('ok' in found) await take(target, found.ok)
    }
  }
  return ids
}

async function take(target: Database, view: Parameters<typeof relatedDocument>[0]): Promise<void> {
  const { boundary, pieces } = relatedDocument(view, { revs: true }, BOUNDARY)
  const intake = intakeOf(target)
  if (boundary === undefined) {
    const document = await readDocumentText(intake, await textOf(pieces))
    await target.update([replicatedEdit(document, document.id!)], { newEdits: false })
    return
  }
  const type = `multipart/related; boundary="${boundary}"`
  const received = await MultipartDocument.open(intake, bytesOf(pieces), type)
  try {
    const edit = replicatedEdit(received.document, received.document.id!)
    await target.update([{ ...edit, attachments: await received.attachments() }], { newEdits: false })
  } finally {
    await received.close()
  }
}

/** Every leaf as a text that has its history and the bytes of its attachments. */
async function leavesOf(database: Database, id: string): Promise<string[]> {
  const leaves: string[] = []
  for (const found of openRevisions(database, id, 'all', false)) {
    if (!('ok' in found)) throw new Error(found.missing)
    const bytes: Buffer[] = []
    for (const each of found.ok.attachments()) bytes.push(await textOf([each.plainBytes()]))
    leaves.push(`${viewText(found.ok, { revs: true })} ${bytes.join()}`)
  }
  return leaves
}

t.test('documents, conflicts and attachments are replicated without HTTP', async (t) => {
  const folder = t.testdir({ source: {}, target: {} })
  const { database: source } = await fileDatabase(join(folder, 'source'))
  const { database: target } = await fileDatabase(join(folder, 'target'))
  t.teardown(async () => {
    await source.close()
    await target.close()
  })
  const data = Buffer.from('bytes').toString('base64')
  await write(
    source,
    [
      { _id: 'a', kind: 1, _attachments: { 'a.txt': { content_type: 'text/plain', data } } },
      { _id: 'b', kind: 2 },
      { kind: 1 },
    ],
    true,
  )
  await write(source, [{ _id: 'a', kind: 1, _rev: '1-0', other: true }], false)
  t.same(await replicate(source, target, { kind: 1 }), ['given-1', 'a'])
  for (const id of ['a', 'given-1']) t.same(await leavesOf(target, id), await leavesOf(source, id), id)
  t.equal((await leavesOf(target, 'a')).length, 2)
  t.equal(target.lookup('b'), undefined)
})
