import { createHash } from 'node:crypto'
import { DatabaseError } from '../../base/errors.ts'
import { type Lossless, parseLossless, printLossless } from '../../base/json/lossless.ts'
import { jsonPatch, mergePatch, PatchError } from '../../base/json/patch.ts'
import type { Database, DocumentEdit, DocumentView } from '../../database/api.ts'
import type { AttachmentEdit } from '../../database/attachments.ts'
import { type Answer, json } from '../answer.ts'
import { takeInline, withInlineAttachments } from '../attachment-edit.ts'
import type { AttachmentInput } from '../attachment-input.ts'
import { interactiveEdit, type ParsedDocument, parseDocumentText } from '../document-edit.ts'
import { validateDocumentId } from '../document-id.ts'
import { viewText } from '../document-text.ts'
import type { Exchange } from '../exchange.ts'
import { revisionTagHeader } from '../header-text.ts'
import { readRevision, revisionOfPath } from '../revision.ts'
import { headerRevision, requireDesignRights, requireNoValidation, revisionOf, writeOne } from '../writes.ts'

/**
 * PATCH of a document, which CouchDB has not: a request of any other content type is answered as there. The
 * patch is applied to the document as GET shows it, `_exp` included, to the revision of If-Match (or `rev`) if one is
 * given, else to the winner, in the writer's turn, so that patches and other writes never undo each other.
 */
const TYPES: Readonly<Record<string, (document: Lossless, patch: Lossless) => Lossless>> = {
  'application/merge-patch+json': mergePatch,
  'application/json-patch+json': jsonPatch,
}

/** How often a patch may come to new inline data of attachments, which must be taken in before its turn. */
const MOST_TURNS = 10

type Apply = (base: Lossless) => Lossless

export function patchDocument(allow: string): (exchange: Exchange) => Promise<Answer> {
  return async (exchange) => {
    const type = exchange.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
    const apply = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined
    if (apply === undefined) {
      throw new DatabaseError('methodNotAllowed', `Only ${allow} allowed`, { headers: { allow } })
    }
    const { id, database, query } = exchange
    validateDocumentId(id)
    const explicit = query.get('rev')
    const rev = headerRevision(exchange, explicit === undefined ? undefined : readRevision(explicit))
    const patch = await exchange.losslessBody()
    const applied: Apply = (base) => apply(base, patch)
    return rev === undefined
      ? patchWinner(exchange, applied)
      : patchRevision(exchange, leafOf(database, id, rev), applied)
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

async function patchRevision(exchange: Exchange, view: DocumentView, apply: Apply): Promise<Answer> {
  const document = patchedDocument(exchange, view, apply)
  // Attachments that the patch leaves alone come as stubs and are kept.
  const edit = await withInlineAttachments(exchange, document, editOf(document, view))
  return answer(exchange, edit.deleted, await writeOne(exchange, edit, true))
}

/** Ends a turn that came to inline data which is not in the database yet. */
class DataNeeded extends Error {
  readonly inputs: AttachmentInput[]

  constructor(inputs: AttachmentInput[]) {
    super('inline data must be taken in before the turn')
    this.inputs = inputs
  }
}

async function patchWinner(exchange: Exchange, apply: Apply): Promise<Answer> {
  const { id, database } = exchange
  requireDesignRights(exchange, id)
  requireNoValidation(exchange, [id], false)
  const taken = new Map<string, AttachmentEdit>()
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    let deleted = false
    try {
      const result = await database.updateInTurn(id, (view) => {
        const document = patchedDocument(exchange, view, apply)
        deleted = document.deleted
        return { ...editOf(document, view), attachments: attachmentsOf(document, taken) }
      })
      return answer(exchange, deleted, revisionOf(result))
    } catch (error) {
      if (!(error instanceof DataNeeded)) throw error
      for (const input of error.inputs) taken.set(keyOf(input), await takeInline(exchange, input))
    }
  }
  throw new DatabaseError('conflict')
}

/** Throws DataNeeded for inline data that is not among what was taken in. */
function attachmentsOf(
  document: ParsedDocument,
  taken: ReadonlyMap<string, AttachmentEdit>,
): AttachmentEdit[] {
  const needed: AttachmentInput[] = []
  const edits = document.attachments.flatMap((input) => {
    if (input.kind === 'stub') return [input]
    const edit = taken.get(keyOf(input))
    if (edit === undefined) needed.push(input)
    return edit ?? []
  })
  if (needed.length > 0) throw new DataNeeded(needed)
  return edits
}

function keyOf(input: AttachmentInput): string {
  if (input.kind !== 'inline') return input.name
  const digest = createHash('sha256').update(input.data).digest('base64')
  return JSON.stringify([input.name, input.type, digest])
}

function patchedDocument(exchange: Exchange, view: DocumentView, apply: Apply): ParsedDocument {
  const text = patchText(viewText(view, { expiry: true }).toString(), apply)
  const document = parseDocumentText(Buffer.from(text), exchange.service.limits.maxDocumentBytes)
  if (document.id !== undefined && document.id !== view.id) {
    throw new DatabaseError('badRequest', 'A patch must not change `_id`.')
  }
  return document
}

/** Still without attachments. */
function editOf(document: ParsedDocument, view: DocumentView): DocumentEdit {
  const given = document.revisions && revisionOfPath(document.revisions)
  return { ...interactiveEdit(document, view.id), rev: given ?? view.rev }
}

function answer(exchange: Exchange, deleted: boolean, rev: string): Answer {
  const { id } = exchange
  const headers = { ...revisionTagHeader(rev), location: exchange.documentUri(id) }
  return json(deleted ? 200 : 201, { ok: true, id, rev }, headers)
}

function patchText(text: string, apply: (base: Lossless) => Lossless): string {
  try {
    return printLossless(apply(parseLossless(text)))
  } catch (error) {
    if (error instanceof PatchError) {
      throw new DatabaseError(error.kind === 'unfit' ? 'patchFailed' : 'badRequest', error.message)
    }
    if (error instanceof RangeError) throw new DatabaseError('badRequest', 'nested too deeply to be patched')
    throw error
  }
}
