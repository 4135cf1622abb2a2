import type { Database, DocumentView } from '../../database/api/database.ts'
import { compareRevisions, formatRevision, parseRevision } from '../../database/revisions/revision-id.ts'
import type { RecordedRevision } from './revision-record.ts'

/** The leaves of a document as they are now. */
export interface DocumentLeaves {
  /** The winner first. */
  readonly leaves: readonly RecordedRevision[]
  readonly winner: RecordedRevision
  /** The one that was written last: its state is the document's. */
  readonly latest: RecordedRevision
}

/** Undefined where there is no such document. `recorded` reads what the gateway knows of a revision. */
export function leavesOf(
  database: Database,
  id: string,
  recorded: (view: DocumentView) => RecordedRevision,
): DocumentLeaves | undefined {
  const row = database.lookup(id)
  if (row === undefined) return undefined
  const winner = row.document()
  const others = [...winner.conflicts(), ...winner.deletedConflicts()]
  const leaves = [winner, ...others.map((rev) => database.get(id, { rev }))].map(recorded)
  const latest = leaves.reduce((best, each) => (each.record.stamp > best.record.stamp ? each : best))
  return { leaves, winner: leaves[0]!, latest }
}

/** What decides which of two leaves wins. */
interface Contender {
  readonly rev: string
  readonly deleted: boolean
}

/** Whether `a` wins against `b`, as in CouchDB: live ones first, then the longer history, then the id. */
export function winsAgainst(a: Contender, b: Contender): boolean {
  if (a.deleted !== b.deleted) return b.deleted
  return compareRevisions(parseRevision(a.rev), parseRevision(b.rev)) > 0
}

/** A revision as the database writes it; undefined for what is none. */
export function normalRevision(rev: string): string | undefined {
  try {
    return formatRevision(parseRevision(rev))
  } catch {
    return undefined
  }
}
