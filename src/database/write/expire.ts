/** The end of documents whose time has come: see `expiry.ts`. */
import { scanDocument } from '../../json/documents.ts'
import type { DocumentEdit } from '../api/database.ts'
import { decodeInfoTree, expiryOfInfo } from '../layout/document-info.ts'
import { TREES } from '../layout/layout.ts'
import { formatRevision } from '../revisions/revision-id.ts'
import { readyEdits } from './edits.ts'
import { applyEdits, type UpdateContext } from './update.ts'

const EMPTY = scanDocument(Buffer.from('{}'))!

export interface ExpireOutcome {
  /** Documents that were deleted. */
  count: number
  /** A design document was among them. */
  design: boolean
}

/**
 * To be called inside a transaction, with ids in UTF-8. A document that has another time by now, or none, is
 * left alone.
 */
export function expireDocuments(
  context: UpdateContext,
  keys: readonly Buffer[],
  nowMs: number,
): ExpireOutcome {
  const outcome = { count: 0, design: false }
  for (const key of keys) {
    const value = context.tx.get(TREES.id, key)
    const expiresAtMs = value && expiryOfInfo(value)
    if (value === undefined || expiresAtMs === undefined || expiresAtMs > nowMs) continue
    // One document at a time: edits that are made ready together are sorted by id.
    const applied = applyEdits(
      context,
      readyEdits(tombstones(key.toString(), value), { newEdits: true, partitioned: false, nowMs }),
    )
    if (applied.design) outcome.design = true
    outcome.count += 1
  }
  return outcome
}

/** A deletion of every live leaf. */
function tombstones(id: string, value: Buffer): DocumentEdit[] {
  const { body, term } = EMPTY
  const live = decodeInfoTree(value)
    .leaves()
    .filter((leaf) => !leaf.value!.deleted)
  return live.map((leaf) => ({ id, deleted: true, body, term, rev: formatRevision(leaf) }))
}
