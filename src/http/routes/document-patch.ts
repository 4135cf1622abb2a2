import { DatabaseError } from '../../base/errors.ts'
import { canonicalize } from '../../base/json/documents.ts'
import { type Lossless, parseLossless, printLossless } from '../../base/json/lossless.ts'
import { jsonPatch, mergePatch, PatchError } from '../../base/json/patch.ts'
import type { Database, DocumentView } from '../../database/api.ts'
import { type Answer, json } from '../answer.ts'
import { withInlineAttachments } from '../attachment-edit.ts'
import { interactiveEdit, parseDocumentText } from '../document-edit.ts'
import { validateDocumentId } from '../document-id.ts'
import { viewText } from '../document-text.ts'
import type { Exchange } from '../exchange.ts'
import { readRevision, revisionOfPath } from '../revision.ts'
import { headerRevision, writeOne } from '../writes.ts'

/**
 * PATCH of a document, which CouchDB has not: a request of any other content type is answered as there. The
 * patch is applied to the document as GET shows it, to the revision of If-Match (or `rev`) if one is given, else
 * to the winner at the moment of writing: a patch that meets another write is applied anew.
 */
const TYPES: Readonly<Record<string, (document: Lossless, patch: Lossless) => Lossless>> = {
  'application/merge-patch+json': mergePatch,
  'application/json-patch+json': jsonPatch,
}

/** Other writers may be as quick as this every time, but not for ever. */
const MOST_TRIES = 100

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
    const patch = parseLossless(canonicalize(await exchange.body()).toString())
    const patched = (view: DocumentView) => patchView(exchange, view, (base) => apply(base, patch))
    if (rev !== undefined) return patched(leafOf(database, id, rev))
    return inTurn(database, id, () => retried(() => patched(database.get(id))))
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

async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = MOST_TRIES; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 1 || !(error instanceof DatabaseError && error.kind === 'conflict')) throw error
    }
  }
}

const TURNS = new WeakMap<Database, Map<string, Promise<unknown>>>()

/** Patches of one document wait for each other: none of them is applied in vain. */
async function inTurn<T>(database: Database, id: string, work: () => Promise<T>): Promise<T> {
  const turns = TURNS.get(database) ?? new Map<string, Promise<unknown>>()
  TURNS.set(database, turns)
  const mine = (turns.get(id) ?? Promise.resolve()).then(work, work)
  turns.set(id, mine)
  try {
    return await mine
  } finally {
    if (turns.get(id) === mine) turns.delete(id)
  }
}

async function patchView(
  exchange: Exchange,
  view: DocumentView,
  apply: (base: Lossless) => Lossless,
): Promise<Answer> {
  const text = patchText(viewText(view).toString(), apply)
  const document = parseDocumentText(Buffer.from(text), exchange.service.limits.maxDocumentBytes)
  if (document.id !== undefined && document.id !== view.id) {
    throw new DatabaseError('badRequest', 'A patch must not change `_id`.')
  }
  // Attachments that the patch leaves alone come as stubs and are kept.
  const edit = await withInlineAttachments(exchange, document, interactiveEdit(document, view.id))
  const given = document.revisions && revisionOfPath(document.revisions)
  const rev = await writeOne(exchange, { ...edit, rev: given ?? view.rev }, true)
  const location = exchange.documentUri(view.id)
  const headers = { etag: `"${rev}"`, location }
  return json(document.deleted ? 200 : 201, { ok: true, id: view.id, rev }, headers)
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
