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
  parsePlainDocument,
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
  const { edits, attached } = await intake.inTurns(madeSteps(intake.limits, uuids, documents, newEdits))
  for (const { place, document } of attached) {
    edits[place] = await withInlineAttachments(intake, document, edits[place]!)
    await giveWay()
  }
  return edits
}

/** Edits of documents, and the documents of those that still lack their attachments. */
interface MadeEdits {
  edits: DocumentEdit[]
  attached: { place: number; document: ParsedDocument }[]
}

function* madeSteps(
  limits: DocumentLimits,
  uuids: Pick<Uuids, 'next'>,
  documents: Scanned,
  newEdits: boolean,
): Steps<MadeEdits> {
  const edits: DocumentEdit[] = []
  const attached: MadeEdits['attached'] = []
  for (const scanned of documents) {
    const isPlain = scanned?.special.has('_attachments') !== true
    const parsed = isPlain ? parsePlainDocument(scanned, limits) : yield* parseDocument(scanned, limits)
    const id = parsed.id ?? uuids.next()
    const document = isLocalId(id) ? asLocalDocument(parsed) : parsed
    if (document.attachments.length > 0) attached.push({ place: edits.length, document })
    edits.push(makeEdit(document, id, newEdits))
    yield
  }
  return { edits, attached }
}

function makeEdit(document: ParsedDocument, id: string, newEdits: boolean): DocumentEdit {
  if (newEdits) return interactiveEdit(document, id)
  const edit = replicatedEdit(document, id)
  return isLocalId(id) ? { ...edit, rev: revisionOfPath(edit.revisions!) } : edit
}
