import { giveWay, type Steps } from '../base/time-slice.ts'
import type { Uuids } from '../base/uuids.ts'
import type { DocumentEdit } from '../database/api/database.ts'
import type { ScannedDocument } from '../json/documents.ts'
import { withInlineAttachments } from './attachment-edit.ts'
import {
  asLocalDocument,
  type DocumentLimits,
  interactiveEdit,
  type ParsedDocument,
  parseDocument,
  replicatedEdit,
} from './document-edit.ts'
import { isLocalId } from './document-id.ts'
import type { Intake } from './intake.ts'
import { revisionOfPath } from './revision.ts'

/** Many documents at once; null stands for JSON that is no object. */
type Scanned = readonly (ScannedDocument | null)[]

/** Throws for the first document that cannot be read, as `parseDocument` does. */
export function* parseAll(documents: Scanned, limits: DocumentLimits): Steps<void> {
  for (const scanned of documents) {
    yield* parseDocument(scanned, limits)
    yield
  }
}

/**
 * The edits of documents, in their order: all are read before inline data of the first is taken in. Who comes without an
 * id gets one of `uuids`. Throws as `parseDocument`, `replicatedEdit` and `withInlineAttachments` do.
 */
export async function bulkEdits(
  intake: Intake,
  uuids: Pick<Uuids, 'next'>,
  documents: Scanned,
  newEdits: boolean,
): Promise<DocumentEdit[]> {
  const made = await intake.inTurns(madeSteps(intake.limits, uuids, documents, newEdits))
  const edits: DocumentEdit[] = []
  for (const { document, edit } of made) {
    const plain = document.attachments.length === 0
    edits.push(plain ? edit : await withInlineAttachments(intake, document, edit))
    if (!plain) await giveWay()
  }
  return edits
}

function* madeSteps(
  limits: DocumentLimits,
  uuids: Pick<Uuids, 'next'>,
  documents: Scanned,
  newEdits: boolean,
): Steps<{ document: ParsedDocument; edit: DocumentEdit }[]> {
  const made: { document: ParsedDocument; edit: DocumentEdit }[] = []
  for (const scanned of documents) {
    const parsed = yield* parseDocument(scanned, limits)
    const id = parsed.id ?? uuids.next()
    const document = isLocalId(id) ? asLocalDocument(parsed) : parsed
    made.push({ document, edit: makeEdit(document, id, newEdits) })
    yield
  }
  return made
}

function makeEdit(document: ParsedDocument, id: string, newEdits: boolean): DocumentEdit {
  if (newEdits) return interactiveEdit(document, id)
  const edit = replicatedEdit(document, id)
  return isLocalId(id) ? { ...edit, rev: revisionOfPath(edit.revisions!) } : edit
}
