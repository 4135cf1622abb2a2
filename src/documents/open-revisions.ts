import { DatabaseError } from '../base/errors.ts'
import type { Database, OpenRevision } from '../database/api/database.ts'
import { compareRevisions, parseRevision, type Revision } from '../database/revisions/revision-id.ts'

/**
 * The revisions in the order of CouchDB's answers: as they were asked for, all leaves from the oldest
 * generation on. Throws missing for all leaves of no document.
 */
export function openRevisions(
  database: Database,
  id: string,
  revs: 'all' | readonly string[],
  latest: boolean,
): OpenRevision[] {
  const found = database.openRevs(id, revs, { latest })
  if (revs !== 'all') return found
  if (found.length === 0) throw new DatabaseError('missing')
  // Each is read once, not at every comparison.
  const read = found.map((each) => ({ each, revision: revisionOf(each) }))
  return read.sort((a, b) => compareRevisions(a.revision, b.revision)).map(({ each }) => each)
}

function revisionOf(found: OpenRevision): Revision {
  return parseRevision('ok' in found ? found.ok.rev : found.missing)
}
