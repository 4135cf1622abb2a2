/** Packed edits in their transactions. */

import { DatabaseError } from '../../base/errors.ts'
import { termOf } from '../../json/documents.ts'
import type { EditResult } from '../api/database.ts'
import { textOf } from '../bodies/stored-text.ts'
import { TREES } from '../layout/layout.ts'
import type { UsualId } from '../layout/linear-document.ts'
import { formatRevision, REVISION_ID_SIZE, type Revision } from '../revisions/revision-id.ts'
import type { CheckStamp } from './checked-state.ts'
import type { ReadyEdit, ReadyEdits } from './edits.ts'
import { type LinearEdit, writeLinear } from './linear-edit.ts'
import type { PackedEdits } from './packed-edits.ts'
import { applyEdits, type UpdateContext, type UpdateOutcome } from './update.ts'

/** Trees, keys and revisions beside the body. */
const OVERHEAD_BYTES = 256
const PART_EDITS = 512

/** Longer values are the general merge's. */
const MOST_VALUE_BYTES = 128 * 1024

/** Where the documents' values are read to, one after the other. */
let desk = Buffer.allocUnsafeSlow(8 * 1024)

/** Reads what the tree `id` has at `key` to `desk`, unless it is too long. Returns its length; fewer than 0 for nothing. */
function readOf({ tx }: UpdateContext, key: Buffer): number {
  const bytes = tx.getInto(TREES.id, key, desk)
  if (bytes <= desk.length || bytes > MOST_VALUE_BYTES) return bytes
  desk = Buffer.allocUnsafeSlow(Math.min(2 * bytes, MOST_VALUE_BYTES))
  return tx.getInto(TREES.id, key, desk)
}

/** What was not written as it was told, in the order in which the edits are written: refused, or written as another revision. */
export type PackedResults = (EditResult | undefined)[]

function revisionOf(pos: number, { bytes, at }: UsualId): Revision {
  return { pos, id: Buffer.from(bytes.subarray(at, at + REVISION_ID_SIZE)).toString('latin1') }
}

function parentOf({ hasParent, revision, parent }: LinearEdit): Revision | undefined {
  return hasParent ? revisionOf(revision.pos - 1, parent) : undefined
}

/** The edit for the general merge. */
function readyEdit(edit: LinearEdit): ReadyEdit {
  const { revision, body } = edit
  const parent = parentOf(edit)
  const head = revisionOf(revision.pos, revision.id)
  return {
    place: 0,
    deleted: revision.deleted,
    body,
    // Asked for where the edit extends a tombstone.
    get term() {
      return termOf(textOf(body))
    },
    validates: false,
    fault: undefined,
    parent,
    path: parent === undefined ? [head] : [head, parent],
    attachments: [],
    expiresAtMs: undefined,
    checkedWithoutAncestor: false,
  }
}

/** Some of the edits, which are one transaction. */
export class PackedPart {
  readonly newEdits = true
  readonly #edits: PackedEdits
  readonly #from: number
  readonly #to: number
  readonly bytes: number
  readonly grows: boolean
  readonly stamp: CheckStamp | undefined
  /** How many requests they are of. */
  readonly requests: number

  constructor(edits: PackedEdits, from: number, to: number) {
    this.#edits = edits
    this.#from = from
    this.#to = to
    this.grows = edits.grows
    this.stamp = edits.stamp
    this.requests = edits.areApart ? to - from : 1
    let bytes = 0
    for (let i = from; i < to; i++) {
      const start = edits.start(i)
      bytes += edits.behind(start) - start + OVERHEAD_BYTES
    }
    this.bytes = bytes
  }

  /** As `applyEdits`. */
  apply(context: UpdateContext, results: PackedResults): UpdateOutcome {
    const edits = this.#edits
    let written = 0
    let inserted = 0
    for (let i = this.#from; i < this.#to; i++) {
      const start = edits.start(i)
      const key = edits.key(start)
      const edit = edits.edit(start)
      const bytes = readOf(context, key)
      const isLong = bytes > MOST_VALUE_BYTES
      const outcome = isLong ? undefined : writeLinear(context, key, desk, bytes, edit)
      if (outcome === undefined) {
        const general = this.#applyInGeneral(context, key, edit)
        results[i] = general.results[0]!
        written += general.counts?.written ?? 0
        inserted += general.counts?.inserted ?? 0
      } else if (outcome === 'conflict') results[i] = this.#refusal(key, edit, 'conflict')
      else {
        written += 1
        if (outcome === 'inserted') inserted += 1
      }
    }
    return { results: [], design: false, counts: { written, inserted, local: 0 } }
  }

  #applyInGeneral(context: UpdateContext, key: Buffer, edit: LinearEdit): UpdateOutcome {
    const { grows, stamp, bytes } = this
    const documents = [{ id: key.toString(), key, design: false, edits: [readyEdit(edit)] }]
    const ready: ReadyEdits = { newEdits: true, stamp, refused: [], documents, local: [], grows, bytes }
    return applyEdits(context, ready, [], () => undefined)
  }

  #refusal(key: Buffer, edit: LinearEdit, kind: 'conflict' | 'checkOutdated'): EditResult {
    const parent = parentOf(edit)
    const rev = parent && formatRevision(parent)
    return { ok: false, id: key.toString(), rev, refusal: new DatabaseError(kind) }
  }

  /** As `refuseOutdated`. */
  refuseOutdated(results: PackedResults): UpdateOutcome {
    const edits = this.#edits
    for (let i = this.#from; i < this.#to; i++) {
      const start = edits.start(i)
      results[i] = this.#refusal(edits.key(start), edits.edit(start), 'checkOutdated')
    }
    return { results: [], design: false }
  }
}

/** The edits in parts, each of which is a transaction of its own. */
export function packedParts(edits: PackedEdits): PackedPart[] {
  const parts: PackedPart[] = []
  for (let from = 0; from < edits.count; from += PART_EDITS) {
    parts.push(new PackedPart(edits, from, Math.min(from + PART_EDITS, edits.count)))
  }
  return parts
}
