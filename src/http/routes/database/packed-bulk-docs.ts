/**
 * `_bulk_docs` the short way, for requests all of whose documents are plain: what is written most. The answer is that of the
 * general way, to which everything else is left.
 */

import type { DatabaseError } from '../../../base/errors.ts'
import type { EditResult } from '../../../database/api/database.ts'
import { writeUsualRevision } from '../../../database/revisions/revision-id.ts'
import type { PackedResults } from '../../../database/write/apply-packed.ts'
import type { PackedEdits } from '../../../database/write/packed-edits.ts'
import { bulkEdits } from '../../../documents/bulk-edits.ts'
import { NotPlain, PackedDocuments, requirePlainLength } from '../../../documents/packed-documents.ts'
import { put } from '../../../documents/row-bytes.ts'
import { type BatchOptions, readDocumentsSteps, scanDocumentsSteps } from '../../../json/documents.ts'
import type { DocumentWriter } from '../../../writing/document-writer.ts'
import type { Answer } from '../../answer/answer.ts'
import { jsonStream, jsonText } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { giveGatheredBack } from '../../request/gathered-bytes.ts'

/** A longer answer is sent in pieces. */
const SHORT_LIST = 1000
const PIECE_DOCUMENTS = 256
/** Beside the id. */
const LINE_BYTES = 96
/** Behind the last one. */
const END_BYTES = 2

const NEWLINE = 0x0a
const CLOSE_BRACKET = 0x5d
const OK = Buffer.from('{"ok":true,"id":"')
const REV = Buffer.from('","rev":"')
const END = Buffer.from('"}')

/** Undefined: the request goes the general way, and nothing was written. Rejects as that does. */
export async function packedBulkDocs(
  exchange: Exchange,
  writer: DocumentWriter,
  text: Buffer,
  options: BatchOptions,
  count: (documents: number) => void,
): Promise<Answer | undefined> {
  const way = writer.packed()
  if (way === undefined) return undefined
  const edits = await packedEdits(
    exchange,
    new PackedDocuments(text.length, way.compression, exchange.limits, exchange.uuids),
    text,
    options,
  )
  if (edits === undefined) return undefined
  let results: PackedResults | undefined
  try {
    results = await way.update(edits)
  } catch (error) {
    count(edits.count)
    throw error
  }
  if (results === undefined) return undefined
  count(edits.count)
  const told = inOrder(edits, results)
  await writeOutdated(exchange, writer, text, options, told, edits)
  giveGatheredBack(text)
  return edits.count <= SHORT_LIST
    ? jsonText(201, Buffer.concat([...answerPieces(edits, told)]))
    : jsonStream(201, answerPieces(edits, told))
}

async function packedEdits(
  exchange: Exchange,
  documents: PackedDocuments,
  text: Buffer,
  options: BatchOptions,
): Promise<PackedEdits | undefined> {
  try {
    const plain = { ...options, check: requirePlainLength }
    const scanned = await exchange.inTurns(readDocumentsSteps(text, plain, documents))
    if (scanned?.documents == null || scanned.members.size > 0 || documents.packer.count === 0)
      return undefined
    return await exchange.inTurns(documents.packer.edits())
  } catch (error) {
    if (error instanceof NotPlain) return undefined
    throw error
  }
}

/** By where the edits lie, which is the order of the request. */
function inOrder(edits: PackedEdits, results: PackedResults): Map<number, EditResult> {
  const told = new Map<number, EditResult>()
  for (const [number, result] of results.entries()) {
    if (result !== undefined) told.set(edits.start(number), result)
  }
  return told
}

/** Edits that were checked against what changed meanwhile are written the general way, which checks them again. */
async function writeOutdated(
  exchange: Exchange,
  writer: DocumentWriter,
  text: Buffer,
  options: BatchOptions,
  told: Map<number, EditResult>,
  edits: PackedEdits,
): Promise<void> {
  const isOutdated = (start: number): boolean => {
    const result = told.get(start)
    return result?.ok === false && result.refusal.kind === 'checkOutdated'
  }
  if (![...told.keys()].some(isOutdated)) return
  const documents = (await exchange.inTurns(scanDocumentsSteps(text, options)))!.documents!
  const starts: number[] = []
  const left = documents.filter((_, place) => {
    const start = place === 0 ? edits.firstStart : edits.behind(starts.at(-1)!)
    starts.push(start)
    return isOutdated(start)
  })
  const again = await bulkEdits(exchange, exchange.uuids, left, true)
  const written = await writer.update(again, { newEdits: true })
  for (const [at, start] of starts.filter(isOutdated).entries()) told.set(start, written[at]!)
}

/** Lets go of the edits with the last piece. */
function* answerPieces(edits: PackedEdits, told: ReadonlyMap<number, EditResult>): Generator<Buffer> {
  let start = edits.firstStart
  for (let left = edits.count; left > 0; ) {
    const documents = Math.min(left, PIECE_DOCUMENTS)
    const lines = new AnswerLines(edits, start, documents, left === edits.count)
    for (let i = 0; i < documents; i++) {
      const result = told.get(start)
      if (result === undefined) lines.written(edits, start)
      else lines.told(result)
      start = edits.behind(start)
    }
    left -= documents
    if (left === 0) edits.release()
    yield lines.end(left === 0)
  }
}

/** Lines of an answer, as bytes. */
class AnswerLines {
  #bytes: Buffer
  #length = 0
  #separator: string

  constructor(edits: PackedEdits, start: number, documents: number, isFirst: boolean) {
    let size = END_BYTES
    for (let at = start, left = documents; left > 0; left--, at = edits.behind(at)) {
      size += LINE_BYTES + edits.bodyStart(at) - edits.keyStart(at)
    }
    this.#bytes = Buffer.allocUnsafe(size)
    this.#separator = isFirst ? '[' : ','
  }

  #separate(): void {
    this.#bytes[this.#length++] = this.#separator.charCodeAt(0)
    this.#separator = ','
  }

  /** As the revision that was worked out. */
  written(edits: PackedEdits, start: number): void {
    this.#reserve(LINE_BYTES + edits.bodyStart(start) - edits.keyStart(start))
    this.#separate()
    this.#copy(OK, 0, OK.length)
    // An id in which nothing is escaped: so it is JSON.
    this.#copy(edits.bytes, edits.keyStart(start), edits.bodyStart(start))
    this.#copy(REV, 0, REV.length)
    const [pos, idAt] = [edits.pos(start), edits.idStart(start)]
    this.#length = writeUsualRevision(pos, edits.bytes, idAt, this.#bytes, this.#length)
    this.#copy(END, 0, END.length)
  }

  told(result: EditResult): void {
    const { id } = result
    const line = result.ok ? { ok: true, id, rev: result.rev } : refusalOf(id, result.refusal)
    const text = Buffer.from(JSON.stringify(line))
    this.#reserve(1 + text.length)
    this.#separate()
    this.#copy(text, 0, text.length)
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes + END_BYTES <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(2 * this.#bytes.length + bytes)
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }

  end(isLast: boolean): Buffer {
    if (isLast) {
      this.#bytes[this.#length++] = CLOSE_BRACKET
      this.#bytes[this.#length++] = NEWLINE
    }
    return this.#bytes.subarray(0, this.#length)
  }

  #copy(source: Uint8Array, start: number, end: number): void {
    this.#length = put(source, start, end, this.#bytes, this.#length)
  }
}

function refusalOf(id: string, { error, reason }: DatabaseError): object {
  return { id, error, reason }
}
