import { DatabaseError } from '../base/errors.ts'
import type { Steps } from '../base/time-slice.ts'
import {
  formatRevision,
  invalidRevision,
  parseRevision,
  type Revision,
} from '../database/revisions/revision-id.ts'

/**
 * Revisions as they are given, read into the one text that the database knows them by: `N-id`, hex in lower case.
 * Throws badRequest, `Invalid rev format`, for everything else, strings or not.
 */
export function readRevision(value: unknown): string {
  return formatRevision(parseRevision(value))
}

/** A list of revisions. Throws badRequest. */
export function readRevisions(value: unknown): string[] {
  if (!Array.isArray(value)) throw new DatabaseError('badRequest', 'Invalid list of revisions')
  return value.map(readRevision)
}

const STEP_REVISIONS = 512

/** Generations from here on are printed with an exponent, which no revision has: such a one cannot be answered. */
const FIRST_UNPRINTABLE = 1e21

/** A list of revisions in steps, parsed. Throws badRequest. */
export function* revisionSteps(values: readonly unknown[]): Steps<Revision[]> {
  const revisions: Revision[] = []
  for (const value of values) {
    const revision = parseRevision(value)
    if (revision.pos >= FIRST_UNPRINTABLE) throw invalidRevision()
    revisions.push(revision)
    if (revisions.length % STEP_REVISIONS === 0) yield
  }
  return revisions
}

/** `{start, ids: [id]}` of a revision's text. */
export function pathOfRevision(rev: string): { start: number; ids: string[] } {
  const dash = rev.indexOf('-', 1)
  return { start: Number(rev.slice(0, dash)), ids: [rev.slice(dash + 1)] }
}

/** The newest revision of a path. */
export function revisionOfPath(path: { start: number; ids: readonly string[] }): string {
  return `${path.start}-${path.ids[0]}`
}
