import { createHash } from 'node:crypto'
import { DatabaseError } from '../../../base/errors.ts'
import { runAtOnce, type Steps } from '../../../base/time-slice.ts'
import type { Database, DocumentEdit, DocumentView } from '../../../database/api/database.ts'
import type { AttachmentEdit } from '../../../database/layout/attachment-records.ts'
import { takeInline, withInlineAttachments } from '../../../documents/attachment-edit.ts'
import type { AttachmentInput } from '../../../documents/attachment-input.ts'
import { interactiveEdit, type ParsedDocument, parseDocument } from '../../../documents/document-edit.ts'
import { validateDocumentId } from '../../../documents/document-id.ts'
import { viewText } from '../../../documents/document-text.ts'
import { revisionOfPath } from '../../../documents/revision.ts'
import { canonicalizeSteps, scanDocumentSteps } from '../../../json/documents.ts'
import { type Lossless, losslessPieces, losslessSteps } from '../../../json/lossless.ts'
import { jsonPatch, mergePatch, PatchError, type PatchLimits } from '../../../json/patch.ts'
import { decodeSteps, joinSteps } from '../../../json/value-steps.ts'
import { type Answer, json } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { revisionTagHeader } from '../../request/header-text.ts'
import { revisionOfQuery } from '../../request/parameters.ts'
import { requestWriter } from '../../request/request-writer.ts'
import {
  headerRevision,
  requireDesignRights,
  revisionOf,
  writeOne,
  writtenStatus,
} from '../../request/writes.ts'

/**
 * PATCH of a document, which CouchDB has not: a request of any other content type is answered as there. The
 * patch is applied to the document as GET shows it, `_exp` included, to the revision of If-Match (or `rev`) if one is
 * given, else to the winner. What holds:
 * - Patches and other writes never undo each other: the edit replaces the revision that it was made from, which is asked in
 *   the writer's turn.
 * - The patch is applied outside of that turn. Where another write came first it is applied again: in the turn, if document
 *   and patch are short, so that any number of patches of one document succeed; else outside once more.
 */
type Patch = (document: Lossless, patch: Lossless, limits: PatchLimits) => Steps<Lossless>

const TYPES: Readonly<Record<string, Patch>> = {
  'application/merge-patch+json': mergePatch,
  'application/json-patch+json': jsonPatch,
}

/** How often a patch is applied again because another write came first, or its inline data had to be taken in. */
const MOST_TURNS = 100
/** Characters of a document and of a patch that may be applied in the writer's turn. */
const SHORT_TEXT = 32 * 1024
const WORK_IN_TURN = 512 * 1024
/** About two seconds. */
const MOST_WORK = 64 * 1024 * 1024
const MOST_LEVELS = 1000

/** A patch that was read. */
interface GivenPatch {
  /** Whether it may be applied in the writer's turn. */
  isShort: boolean
  apply(document: Lossless, limits: PatchLimits): Steps<Lossless>
}

export function patchDocument(allow: string): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    const type = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const kind = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
    if (kind === undefined) {
      throw new DatabaseError('methodNotAllowed', `Only ${allow} allowed`, { headers: { allow } })
    }
    const { id, database, query } = exchange
    validateDocumentId(id)
    const rev = headerRevision(exchange, revisionOfQuery(query))
    const patch = await exchange.inTurns(patchSteps(await exchange.body(), kind))
    return rev === undefined
      ? patchWinner(exchange, patch)
      : patchRevision(exchange, leafOf(database, id, rev), patch)
  }
}

/** Throws JsonSyntaxError, badRequest. */
function* patchSteps(body: Buffer, kind: Patch): Steps<GivenPatch> {
  const text = yield* decodeSteps(yield* canonicalizeSteps(body))
  const patch = yield* shallowSteps(text, MOST_LEVELS)
  return {
    isShort: text.length <= SHORT_TEXT,
    apply: (document, limits) => kind(document, patch, limits),
  }
}

function* shallowSteps(text: string, mostLevels: number): Steps<Lossless> {
  try {
    return yield* losslessSteps(text, mostLevels)
  } catch (error) {
    if (error instanceof RangeError) throw new DatabaseError('badRequest', 'The patch is nested too deeply.')
    throw error
  }
}

function leafOf(database: Database, id: string, rev: string): DocumentView {
  database.get(id)
  try {
    return database.get(id, { rev })
  } catch (error) {
    throw error instanceof DatabaseError && error.kind === 'missing' ? new DatabaseError('conflict') : error
  }
}

/** Bytes of memory that each byte of a document, and each of its values, takes while it is patched: as text, and as objects, twice. */
const BYTES_OF_BYTE = 8
const BYTES_OF_VALUE = 128

/** Waits until there is room for what a patch makes of the document. */
async function takeRoom(exchange: Exchange, view: DocumentView): Promise<void> {
  const body = view.body()
  if (body.length <= SHORT_TEXT) return
  const values = await exchange.inTurns(valuesSteps(body))
  await exchange.hold.growWithin(body.length * BYTES_OF_BYTE + values * BYTES_OF_VALUE)
}

const COMMA = 0x2c
const STEP_BYTES = 256 * 1024

/** About how many values a canonical text has. */
function* valuesSteps(text: Buffer): Steps<number> {
  let values = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === COMMA) values += 1
    if (at % STEP_BYTES === 0) yield
  }
  return values
}

async function patchRevision(exchange: Exchange, view: DocumentView, patch: GivenPatch): Promise<Answer> {
  await takeRoom(exchange, view)
  const document = await exchange.inTurns(patchedSteps(exchange, view, patch, MOST_WORK))
  // Attachments that the patch leaves alone come as stubs and are kept.
  const edit = await withInlineAttachments(exchange, document, editOf(document, view))
  return answer(exchange, edit.deleted, await writeOne(exchange, edit, true))
}

/** Ends a turn in which there would be too much to do. */
class TurnRefused extends Error {}

async function patchWinner(exchange: Exchange, patch: GivenPatch): Promise<Answer> {
  const { id, database } = exchange
  requireDesignRights(exchange, id)
  const taken = new Map<string, AttachmentEdit>()
  await takeRoom(exchange, database.get(id))
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const view = database.get(id)
    const document = await exchange.inTurns(patchedSteps(exchange, view, patch, MOST_WORK))
    for (const input of document.attachments) {
      if (input.kind === 'stub' || taken.has(keyOf(input))) continue
      taken.set(keyOf(input), await takeInline(exchange, input))
    }
    let edit: DocumentEdit = { ...editOf(document, view), attachments: attachmentsOf(document, taken) }
    try {
      const result = await requestWriter(exchange).updateInTurn(id, (winner) => {
        if (winner.rev !== view.rev) edit = editInTurn(exchange, winner, patch, taken)
        return edit
      })
      return answer(exchange, edit.deleted, revisionOf(result))
    } catch (error) {
      if (!(error instanceof TurnRefused)) throw error
    }
  }
  throw new DatabaseError('conflict')
}

/** The edit of a document that another write has changed. Throws TurnRefused where that would take long. */
function editInTurn(
  exchange: Exchange,
  winner: DocumentView,
  patch: GivenPatch,
  taken: ReadonlyMap<string, AttachmentEdit>,
): DocumentEdit {
  if (!patch.isShort || winner.body().length > SHORT_TEXT) throw new TurnRefused()
  const document = runAtOnce(patchedSteps(exchange, winner, patch, WORK_IN_TURN))
  return { ...editOf(document, winner), attachments: attachmentsOf(document, taken) }
}

/** Throws TurnRefused for inline data that is not among what was taken in. */
function attachmentsOf(
  document: ParsedDocument,
  taken: ReadonlyMap<string, AttachmentEdit>,
): AttachmentEdit[] {
  return document.attachments.map((input) => {
    if (input.kind === 'stub') return input
    const edit = taken.get(keyOf(input))
    if (edit === undefined) throw new TurnRefused()
    return edit
  })
}

function keyOf(input: AttachmentInput): string {
  if (input.kind !== 'inline') return input.name
  const digest = createHash('sha256').update(input.data).digest('base64')
  return JSON.stringify([input.name, input.type, digest])
}

function* patchedSteps(
  exchange: Exchange,
  view: DocumentView,
  patch: GivenPatch,
  work: number,
): Steps<ParsedDocument> {
  const { maxDocumentBytes } = exchange.limits
  const text = yield* decodeSteps(viewText(view, { expiry: true }))
  const base = yield* losslessSteps(text)
  // The limit is that of the body alone.
  const characters = maxDocumentBytes + Math.max(0, text.length - view.body().length)
  const patched = yield* appliedSteps(exchange, patch, base, { characters, work })
  const scanned = yield* scanDocumentSteps(Buffer.from(yield* joinSteps(losslessPieces(patched))))
  // The document is there, however long its id may be now.
  const limits = { maxDocumentBytes, maxIdBytes: Number.POSITIVE_INFINITY }
  const document = yield* parseDocument(scanned, limits)
  if (document.id !== undefined && document.id !== view.id) {
    throw new DatabaseError('badRequest', 'A patch must not change `_id`.')
  }
  return document
}

/** Throws what the client is told of a PatchError, and TurnRefused where there was too much to do in a turn. */
function* appliedSteps(
  exchange: Exchange,
  patch: GivenPatch,
  base: Lossless,
  limits: PatchLimits,
): Steps<Lossless> {
  try {
    return yield* patch.apply(base, limits)
  } catch (error) {
    if (!(error instanceof PatchError)) throw error
    if (error.kind === 'too-large') throw new DatabaseError('documentTooLarge', exchange.id)
    if (error.kind === 'too-much' && limits.work < MOST_WORK) throw new TurnRefused()
    throw new DatabaseError(error.kind === 'unfit' ? 'patchFailed' : 'badRequest', error.message)
  }
}

/** Still without attachments. */
function editOf(document: ParsedDocument, view: DocumentView): DocumentEdit {
  const given = document.revisions && revisionOfPath(document.revisions)
  return { ...interactiveEdit(document, view.id), rev: given ?? view.rev }
}

function answer(exchange: Exchange, deleted: boolean, rev: string): Answer {
  const { id } = exchange
  const headers = { ...revisionTagHeader(rev), location: exchange.documentUri(id) }
  return json(writtenStatus(exchange, deleted ? 200 : 201), { ok: true, id, rev }, headers)
}
