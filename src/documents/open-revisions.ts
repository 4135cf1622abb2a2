import { DatabaseError } from '../base/errors.ts'
import type { Database, OpenRevision } from '../database/api/database.ts'
import { compareRevisions, parseRevision } from '../database/revisions/revision-id.ts'

/**
 * The revisions in the order of CouchDB's answers: as they were asked for; all leaves, and those that revisions lead to,
 * from the oldest generation on, before the revisions that are not known. Throws missing for all leaves of no document.
 */
export function openRevisions(
  database: Database,
  id: string,
  revs: 'all' | readonly string[],
  latest: boolean,
): OpenRevision[] {
  const found = database.openRevs(id, revs, { latest })
  if (revs !== 'all' && !latest) return found
  if (revs === 'all' && found.length === 0) throw new DatabaseError('missing')
  // Each is read once, not at every comparison.
  const read = found.flatMap((each) => ('ok' in each ? [{ each, revision: parseRevision(each.ok.rev) }] : []))
  read.sort((a, b) => compareRevisions(a.revision, b.revision))
  return [...read.map(({ each }) => each), ...found.filter((each) => !('ok' in each))]
}
