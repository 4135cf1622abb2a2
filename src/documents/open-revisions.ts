import { DatabaseError } from '../base/errors.ts'
import type { Database, OpenRevision } from '../database/api/database.ts'
import { compareRevisions, parseRevision, type Revision } from '../database/revisions/revision-id.ts'

/**
 * The revisions in the order of CouchDB's answers: those that are known from the oldest generation on, then those that are not,
 * each once however often it was asked for. Throws missing for all leaves of no document.
 */
export function openRevisions(
  database: Database,
  id: string,
  revs: 'all' | readonly string[],
  latest: boolean,
): OpenRevision[] {
  const found = database.openRevs(id, revs === 'all' ? revs : [...new Set(revs)], { latest })
  if (revs === 'all' && found.length === 0) throw new DatabaseError('missing')
  if (found.length < 2) return found
  // Each is read once, not at every comparison.
  const known: Read[] = []
  const unknown: Read[] = []
  for (const each of found) {
    if ('ok' in each) known.push({ each, revision: parseRevision(each.ok.rev) })
    else unknown.push({ each, revision: parseRevision(each.missing) })
  }
  const sorted = (read: Read[]) => read.sort((a, b) => compareRevisions(a.revision, b.revision))
  return [...sorted(known), ...sorted(unknown)].map(({ each }) => each)
}

interface Read {
  readonly each: OpenRevision
  readonly revision: Revision
}
